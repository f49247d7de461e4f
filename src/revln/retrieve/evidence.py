"""How well records fit a query vector: each record's best vector over both modalities, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from revln.protocols import Calibration, RowIds, VectorSearch
from revln.retrieve.scope import reweighted
from revln.types import MODALITIES, Embedding, Modality

__all__ = ["Matches", "QueryVector", "match"]


@dataclass(frozen=True, slots=True, eq=False)
class QueryVector:
    """What is searched for.

    Attributes:
        vector: unit vector [dim].
        modality: what it was made from; of a mix, what it is to be calibrated as.
    """

    vector: Embedding
    modality: Modality


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """Records and how well they fit, best first.

    Attributes:
        row_ids: [n].
        scores: cosines [n] of their best vectors.
        probabilities: calibrated and weighted chances [n] of the same vectors.
        comparable: whether the cosines are in the same order as the chances, being of one modality and weight.
    """

    row_ids: RowIds
    scores: Embedding
    probabilities: Embedding
    comparable: bool


def match(
    query: QueryVector,
    index: VectorSearch,
    calibration: Calibration,
    depth: int,
    groups: Sequence[tuple[float, RowIds | None]],
) -> Matches:
    """The ``depth`` records that fit best.

    The best ``depth`` of each modality and group hold the best ``depth`` of all, since neither calibration nor a
    weight changes the order within. Cosines break the ties of saturated probabilities, which puts them right there.

    Args:
        query: what is searched for.
        index: nearest vectors.
        calibration: makes cosines of different modalities comparable.
        depth: how many, at least 1.
        groups: weight of the odds, and the records that it is for, ascending; ``None`` for all.
    """
    parts = []
    for weight, allowed in groups:
        for stored in MODALITIES:
            found = index.search(query.vector, depth, stored, allowed)
            if len(found.scores):
                chances = calibration.probability(query.vector, found.scores, query.modality, stored)
                parts.append((found.row_ids, found.scores, reweighted(chances, weight)))
    if not parts:
        return Matches(np.empty(0, np.uint64), np.empty(0, np.float32), np.empty(0, np.float32), comparable=True)
    row_ids, scores, chances = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((row_ids, -scores, -chances))
    _, first = np.unique(row_ids[order], return_index=True)  # a record's first place in the order is its best vector
    best = order[np.sort(first)][:depth]
    return Matches(row_ids[best], scores[best], chances[best], comparable=len(parts) == 1)
