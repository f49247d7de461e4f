"""How well a ranking puts the right things first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from revln.types import Embedding

__all__ = ["mean_average_precision", "recall_at", "retrieval_recall"]

_CUTS = (1, 5, 10)
_ROWS = 1024
_NEVER = np.iinfo(np.int64).max


def recall_at(ranks: npt.NDArray[np.int64], cuts: tuple[int, ...] = _CUTS) -> dict[str, float]:
    """Share of queries, in percent, whose first right answer has a rank [n] (from 0) below each cut."""
    return {f"R@{k}": round(100 * float((ranks < k).mean()), 2) for k in cuts}


def retrieval_recall(images: Embedding, texts: Embedding, owners: npt.NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """Cross-modal recall as published for Flickr8k (Hodosh et al., JAIR 2013, section 5).

    An image finds its texts when any of them ranks within K; a text when its image does. Ties count against. Rows that
    are no numbers are never found, nor is an image without texts.

    Args:
        images: unit rows [n, dim].
        texts: unit rows [m, dim].
        owners: index [m] of the image that each text describes.
    """
    text_ranks = np.empty(len(texts), dtype=np.int64)
    image_best = np.full(len(images), -np.inf, dtype=np.float32)
    for start in range(0, len(texts), _ROWS):
        rows = slice(start, start + _ROWS)
        scores = _scores(texts[rows], images)
        own = scores[np.arange(len(scores)), owners[rows]]
        text_ranks[rows] = np.where(np.isfinite(own), (scores >= own[:, None]).sum(1) - 1, _NEVER)
        np.maximum.at(image_best, owners[rows], own)
    image_ranks = np.zeros(len(images), dtype=np.int64)
    for start in range(0, len(texts), _ROWS):
        rows = slice(start, start + _ROWS)
        scores = _scores(texts[rows], images)
        foreign = owners[rows][:, None] != np.arange(len(images))
        image_ranks += ((scores >= image_best) & foreign).sum(0)
    image_ranks[~np.isfinite(image_best)] = _NEVER
    return {"image_to_text": recall_at(image_ranks), "text_to_image": recall_at(text_ranks)}


def _scores(texts: Embedding, images: Embedding) -> Embedding:
    scores: Embedding = texts @ images.T
    scores[np.isnan(scores)] = -np.inf
    return scores


def mean_average_precision(
    queries: Embedding,
    stored: Embedding,
    query_classes: npt.NDArray[np.int64],
    stored_classes: npt.NDArray[np.int64],
    *,
    k: int = 10,
    exclude_self: bool = False,
) -> float:
    """mAP@k in percent: a stored row is right when it has the query's class.

    Average precision is taken over the right rows among the first k.

    Args:
        queries: unit rows [n, dim].
        stored: unit rows [m, dim].
        query_classes: [n].
        stored_classes: [m].
        k: depth of the ranking.
        exclude_self: queries and stored rows are the same, and no row finds itself.
    """
    precisions = []
    for start in range(0, len(queries), _ROWS):
        rows = slice(start, start + _ROWS)
        scores = queries[rows] @ stored.T
        if exclude_self:
            scores[np.arange(len(scores)), np.arange(start, start + len(scores))] = -np.inf
        top = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        right = stored_classes[top] == query_classes[rows][:, None]
        if exclude_self:  # where k is all there is, it comes last
            right &= top != np.arange(start, start + len(top))[:, None]
        precision = np.cumsum(right, axis=1) / np.arange(1, top.shape[1] + 1)
        precisions.append((precision * right).sum(1) / np.maximum(right.sum(1), 1))
    return round(100 * float(np.concatenate(precisions).mean()), 2)
