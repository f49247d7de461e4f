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


def retrieval_recall(
    images: Embedding,
    texts: Embedding,
    owners: npt.NDArray[np.int64],
    equal: npt.NDArray[np.int64] | None = None,
) -> dict[str, dict[str, float]]:
    """Cross-modal recall as published for Flickr8k (Hodosh et al., JAIR 2013, section 5).

    An image finds its texts when any of them ranks within K; a text when its image does. Ties count against. Rows that
    are no numbers are never found, nor is an image without texts.

    Args:
        images: unit rows [n, dim].
        texts: unit rows [m, dim].
        owners: index [m] of the image that each text describes.
        equal: a number [m] that texts which say the same share, each describing the images of all of them; if not
            given, as in the published protocol, a text describes one image.
    """
    if equal is not None:
        described = np.zeros((int(equal.max(initial=-1)) + 1, len(images)), bool)
        described[equal, owners] = True

    def foreign(rows: slice) -> npt.NDArray[np.bool_]:
        others: npt.NDArray[np.bool_] = (
            owners[rows][:, None] != np.arange(len(images)) if equal is None else ~described[equal[rows]]
        )
        return others

    text_ranks = np.empty(len(texts), dtype=np.int64)
    image_best = np.full(len(images), -np.inf, dtype=np.float32)
    for start in range(0, len(texts), _ROWS):
        rows = slice(start, start + _ROWS)
        scores, others = _scores(texts[rows], images), foreign(rows)
        own = np.where(others, -np.inf, scores)
        best = own.max(axis=1, initial=-np.inf)
        text_ranks[rows] = np.where(np.isfinite(best), ((scores >= best[:, None]) & others).sum(1), _NEVER)
        image_best = np.maximum(image_best, own.max(axis=0, initial=-np.inf))
    image_ranks = np.zeros(len(images), dtype=np.int64)
    for start in range(0, len(texts), _ROWS):
        rows = slice(start, start + _ROWS)
        image_ranks += ((_scores(texts[rows], images) >= image_best) & foreign(rows)).sum(0)
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
