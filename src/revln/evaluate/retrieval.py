"""Cross-modal retrieval as published for Flickr8k (Hodosh et al., JAIR 2013): recall at 1, 5 and 10."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from revln.evaluate.captioned_images import captioned_images
from revln.metrics import retrieval_recall
from revln.models import Model
from revln.types import Embedding

__all__ = ["RetrievalScores", "evaluate_retrieval"]

_CHUNK = 256


@dataclass(frozen=True, slots=True)
class RetrievalScores:
    """Recall in both directions.

    Attributes:
        image_to_text: ``R@1``, ``R@5`` and ``R@10`` of images among the captions, in percent.
        text_to_image: of captions among the images.
        images: how many took part.
        captions: how many took part.
    """

    image_to_text: Mapping[str, float]
    text_to_image: Mapping[str, float]
    images: int
    captions: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "image_to_text": dict(self.image_to_text),
            "text_to_image": dict(self.text_to_image),
            "images": self.images,
            "captions": self.captions,
        }


def evaluate_retrieval(
    images: str | Path,
    captions: str | Path,
    *,
    model: Model,
    split: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> RetrievalScores:
    """Measures how well images find their captions and captions their images.

    Args:
        images: folder of the images.
        captions: caption file, see ``read_captions``; the first five captions of each image take part.
        model: encodes both.
        split: file with the names of the images that take part; all in the caption file if not given.
        progress: called with the images done and the images in all.

    Raises:
        CaptionFileError: the caption file or split file cannot be used, or they do not go together.
        InputError: an image is missing.
        ImageError: an image cannot be read.
    """
    described = captioned_images(images, captions, split)
    texts = [text for own in described.values() for text in own]
    owners = np.repeat(np.arange(len(described)), [len(own) for own in described.values()])
    recall = retrieval_recall(_encode(model, list(described), progress), model.encode_texts(texts), owners)
    return RetrievalScores(recall["image_to_text"], recall["text_to_image"], len(described), len(texts))


def _encode(model: Model, files: Sequence[Path], progress: Callable[[int, int], None] | None) -> Embedding:
    rows = np.empty((len(files), model.dim), np.float32)
    for start in range(0, len(files), _CHUNK):
        chunk = files[start : start + _CHUNK]
        rows[start : start + len(chunk)] = model.encode_images(chunk)
        if progress is not None:
            progress(start + len(chunk), len(files))
    return rows
