"""How well records fit a query vector: each record's best vector over both modalities, on one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from revln.protocols import Calibration, RowIds, VectorSearch
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
        probabilities: calibrated chances [n] of the same vectors.
        modalities: how many modalities took part.
    """

    row_ids: RowIds
    scores: Embedding
    probabilities: Embedding
    modalities: int

    def where(self, wanted: npt.NDArray[np.bool_]) -> Matches:
        """Those marked in ``wanted`` [n]."""
        return Matches(self.row_ids[wanted], self.scores[wanted], self.probabilities[wanted], self.modalities)


def match(
    query: QueryVector, index: VectorSearch, calibration: Calibration, depth: int, allowed: RowIds | None
) -> Matches:
    """The ``depth`` records that fit best.

    The best ``depth`` of each modality hold the best ``depth`` of both, since calibration keeps the order within a
    modality. Cosines break the ties of saturated probabilities, which puts them right within a modality.

    Args:
        query: what is searched for.
        index: nearest vectors.
        calibration: makes cosines of different modalities comparable.
        depth: how many, at least 1.
        allowed: only these records, ascending; ``None`` for all.
    """
    found = {stored: index.search(query.vector, depth, stored, allowed) for stored in MODALITIES}
    present = [stored for stored in MODALITIES if len(found[stored].scores)]
    if not present:
        return Matches(np.empty(0, np.uint64), np.empty(0, np.float32), np.empty(0, np.float32), 0)
    row_ids = np.concatenate([found[stored].row_ids for stored in present])
    scores = np.concatenate([found[stored].scores for stored in present])
    chances = np.concatenate(
        [calibration.probability(query.vector, found[stored].scores, query.modality, stored) for stored in present]
    )
    order = np.lexsort((row_ids, -scores, -chances))
    _, first = np.unique(row_ids[order], return_index=True)  # a record's first place in the order is its best vector
    best = order[np.sort(first)][:depth]
    return Matches(row_ids[best], scores[best], chances[best], len(present))
