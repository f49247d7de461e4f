"""Combining query vectors, and combining ranked lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from revln.errors import QueryError
from revln.types import Embedding

__all__ = ["RRF_K", "mix", "reciprocal_rank_fusion"]

RRF_K = 60


def mix(text_vector: Embedding, image_vector: Embedding, text_weight: float) -> Embedding:
    """Unit vector [dim] of a query by text and image together.

    Args:
        text_vector: unit vector [dim].
        image_vector: unit vector [dim].
        text_weight: share of the text, 0 to 1.

    Raises:
        QueryError: the weight is out of range, or the two cancel each other out.
    """
    if not 0 <= text_weight <= 1:
        raise QueryError(f"the text weight is {text_weight}: give a number from 0 to 1")
    mixed = text_weight * text_vector + (1 - text_weight) * image_vector
    length = float(np.linalg.norm(mixed))
    if length < 1e-6:
        raise QueryError("text and image of the query cancel each other out: change the text weight")
    return (mixed / length).astype(np.float32)


def reciprocal_rank_fusion(rankings: Sequence[Sequence[int]], weights: Sequence[float]) -> dict[int, float]:
    """Sum over the rankings of weight / (60 + rank), best first (Cormack, Clarke and Buettcher, SIGIR 2009).

    Args:
        rankings: row ids, best first; a row that a ranking lacks gets nothing from it.
        weights: one a ranking.

    Returns:
        Fused score by row id; equal scores by row id.
    """
    fused: defaultdict[int, float] = defaultdict(float)
    for ranking, weight in zip(rankings, weights, strict=True):
        for rank, row_id in enumerate(ranking, start=1):
            fused[row_id] += weight / (RRF_K + rank)
    return dict(sorted(fused.items(), key=lambda entry: (-entry[1], entry[0])))
