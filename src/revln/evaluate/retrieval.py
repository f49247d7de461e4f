"""Cross-modal retrieval as published for Flickr8k (Hodosh et al., JAIR 2013): recall at 1, 5 and 10."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from revln.answer import reranked
from revln.evaluate.captioned_images import captioned_images
from revln.metrics import logit, recall_at, retrieval_recall
from revln.models import Model
from revln.pipeline.reranking import RERANKED, log_likelihoods
from revln.types import Embedding, ImageEncoding

__all__ = ["RetrievalScores", "evaluate_retrieval"]

_TEXTS = 32  # that the generator reads at once


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
    rerank: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> RetrievalScores:
    """Measures how well images find their captions and captions their images.

    Args:
        images: folder of the images.
        captions: caption file, see ``read_captions``; the first five captions of each image take part.
        model: encodes both.
        split: file with the names of the images that take part; all in the caption file if not given.
        rerank: whether the generator looks again at the images that a caption finds first; see ``Memory.search``.
        progress: called with the images done and the images in all.

    Raises:
        CaptionFileError: the caption file or split file cannot be used, or they do not go together.
        InputError: an image is missing.
        ImageError: an image cannot be read.
        BundleError: there is no generator to rerank with.
    """
    described = captioned_images(images, captions, split)
    texts = [text for own in described.values() for text in own]
    owners = np.repeat(np.arange(len(described)), [len(own) for own in described.values()])
    seen = _look(model, list(described), grids=rerank, progress=progress)
    vectors, text_vectors = np.concatenate([one.embeddings for one in seen]), model.encode_texts(texts)
    recall = retrieval_recall(vectors, text_vectors, owners)
    if rerank:
        recall["text_to_image"] = recall_at(_ranks_again(model, seen, vectors, texts, text_vectors, owners))
    return RetrievalScores(recall["image_to_text"], recall["text_to_image"], len(described), len(texts))


def _look(
    model: Model, files: Sequence[Path], *, grids: bool, progress: Callable[[int, int], None] | None
) -> list[ImageEncoding]:
    seen = []
    for done, one in enumerate(model.look(files), start=1):
        seen.append(one if grids else ImageEncoding(one.embeddings, None))
        if progress is not None:
            progress(done, len(files))
    return seen


def _ranks_again(
    model: Model,
    seen: Sequence[ImageEncoding],
    images: Embedding,
    texts: Sequence[str],
    text_vectors: Embedding,
    owners: npt.NDArray[np.int64],
) -> npt.NDArray[np.int64]:
    """Rank of the image that each text describes [m], from 0, once the generator has looked at the best again."""
    cosines = text_vectors @ images.T
    best = np.argsort(-cosines, axis=1, kind="stable")[:, :RERANKED]
    told = np.zeros(best.shape, np.float32)
    for image, one in enumerate(seen):  # an image is looked at once, for all texts that find it
        places = np.argwhere(best == image)
        for start in range(0, len(places), _TEXTS):
            rows, columns = places[start : start + _TEXTS].T
            told[rows, columns] = log_likelihoods(model, [texts[row] for row in rows], [one])
    hubness = model.hubness(images)
    ranks: npt.NDArray[np.int64] = (cosines > cosines[np.arange(len(texts)), owners][:, None]).sum(axis=1)
    for row, (found, likely) in enumerate(zip(best, told, strict=True)):
        chances = model.encoder.calibration.probability(text_vectors[row], cosines[row, found], "text", "image")
        order = found[np.argsort(-reranked(logit(chances), likely, hubness[found]), kind="stable")]
        if owners[row] in order:
            ranks[row] = int(np.flatnonzero(order == owners[row])[0])
    return ranks
