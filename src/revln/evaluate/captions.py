"""Captions against those that people wrote, as coco-caption measures them (Chen et al., 2015, arXiv 1504.00325)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from revln.evaluate.captioned_images import captioned_images
from revln.metrics import caption_scores
from revln.models import Model
from revln.pipeline import Memory, caption_all
from revln.text import caption_tokens

__all__ = ["CaptionScores", "evaluate_captions"]


@dataclass(frozen=True, slots=True)
class CaptionScores:
    """How captions agree with those of people.

    Attributes:
        scores: ``BLEU-1`` to ``BLEU-4``, ``ROUGE-L`` and ``CIDEr`` by name, times 100.
        images: how many were captioned.
    """

    scores: Mapping[str, float]
    images: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {**{name: round(value, 2) for name, value in self.scores.items()}, "images": self.images}


def evaluate_captions(
    images: str | Path,
    captions: str | Path,
    *,
    split: str | Path | None = None,
    memory: Memory | None = None,
    model: Model | str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    language: str | None = None,
    **options: Any,
) -> CaptionScores:
    """Captions images, their own records left out, and compares.

    Args:
        images: folder.
        captions: caption file; at most five captions an image take part.
        split: file that names the images to take, one a line.
        memory: what is recalled.
        model: used without a memory; ``base`` when not given.
        progress: called with the photos done and the photos in all.
        language: of the captions, the generator's first if not given.
        options: further ones of ``caption_all``.

    Raises:
        InputError: images and captions do not match.
        ImageError: an image cannot be read.
    """
    described = captioned_images(images, captions, split)
    answers = list(
        caption_all(
            list(described), memory=memory, model=model, lang=language, exclude_self=True, progress=progress, **options
        )
    )
    spoken = next((answer.language for answer in answers if answer.language), "en")
    references = [[caption_tokens(text, spoken) for text in texts] for texts in described.values()]
    scores = caption_scores([caption_tokens(answer.text, spoken) for answer in answers], references)
    return CaptionScores(scores, len(answers))
