"""How well records fit a query vector: each record's best vector over both modalities, on one scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from revln.protocols import Calibration, RowIds, VectorSearch
from revln.retrieve.scope import Scope, reweighted
from revln.types import MODALITIES, Embedding, Modality

__all__ = ["Cut", "Matches", "QueryVector", "match", "match_all"]

_FIRST_DEPTH = 256  # what ``match_all`` asks for at first, then four times as many again and again

_Group = tuple[float, RowIds | None]
_List = tuple[RowIds, Embedding, Embedding]


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

    def only(self, wanted: slice | npt.NDArray[np.bool_]) -> Matches:
        """Some of them."""
        return Matches(self.row_ids[wanted], self.scores[wanted], self.probabilities[wanted], self.comparable)


@dataclass(frozen=True, slots=True)
class Cut:
    """From where on records fit.

    Attributes:
        by: what of a record is looked at: its cosine, or its probability.
        least: the smallest value that passes.
    """

    by: Literal["score", "probability"]
    least: float

    def passing(self, scores: Embedding, probabilities: Embedding) -> npt.NDArray[np.bool_]:
        """Which records [n] pass, by both values [n] of each."""
        passing: npt.NDArray[np.bool_] = (scores if self.by == "score" else probabilities) >= self.least
        return passing


def match(
    query: QueryVector,
    index: VectorSearch,
    calibration: Calibration,
    depth: int,
    groups: Sequence[_Group],
    *,
    exact: bool = False,
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
        exact: none may be missed.
    """
    each = [(group, stored) for group in groups for stored in MODALITIES]
    lists = [_list(query, index, calibration, depth, group, stored, exact) for group, stored in each]
    return _best(lists).only(slice(depth))


def match_all(query: QueryVector, index: VectorSearch, calibration: Calibration, cut: Cut, scope: Scope) -> Matches:
    """All records that pass a cut, none of them missed, as ``match`` has them when it is asked for the whole memory.

    The time grows with how many pass: a list is in the order of both values, so it need not go on beyond one that
    fails.

    Args:
        query: what is searched for.
        index: nearest vectors.
        calibration: makes cosines of different modalities comparable.
        cut: what passes.
        scope: the records to look at.
    """
    each = [(group, stored) for group in scope.groups() for stored in MODALITIES]
    found = _best([_list_until(cut, query, index, calibration, group, stored) for group, stored in each])
    found = found.only(cut.passing(found.scores, found.probabilities))
    if cut.by == "probability" or len(found.row_ids) == 0:
        return found
    # Which vector of a record counts is for the chances to say, and that one may have a cosine too small to be listed.
    groups = scope.groups(np.sort(found.row_ids))
    own = match(query, index, calibration, len(found.row_ids), groups, exact=True)
    return replace(own.only(cut.passing(own.scores, own.probabilities)), comparable=found.comparable)


def _list(
    query: QueryVector,
    index: VectorSearch,
    calibration: Calibration,
    depth: int,
    group: _Group,
    stored: Modality,
    exact: bool,
) -> _List:
    """Rows of one group by their vectors of one modality: ids, cosines and weighted chances, best first."""
    weight, allowed = group
    found = index.search(query.vector, depth, stored, allowed, exact=exact)
    if len(found.scores) == 0:
        return found.row_ids, found.scores, found.scores
    chances = calibration.probability(query.vector, found.scores, query.modality, stored)
    return found.row_ids, found.scores, reweighted(chances, weight)


def _list_until(
    cut: Cut, query: QueryVector, index: VectorSearch, calibration: Calibration, group: _Group, stored: Modality
) -> _List:
    """The list down to a row that fails, or to its end."""
    depth = _FIRST_DEPTH
    while True:
        rows, scores, chances = _list(query, index, calibration, depth, group, stored, True)
        if len(rows) < depth or not cut.passing(scores[-1:], chances[-1:]).all():
            return rows, scores, chances
        depth *= 4


def _best(lists: Sequence[_List]) -> Matches:
    """The rows of some lists by the best of their entries."""
    parts = [part for part in lists if len(part[0])]
    if not parts:
        return Matches(np.empty(0, np.uint64), np.empty(0, np.float32), np.empty(0, np.float32), comparable=True)
    row_ids, scores, chances = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((row_ids, -scores, -chances))
    _, first = np.unique(row_ids[order], return_index=True)  # a record's first place in the order is its best vector
    best = order[np.sort(first)]
    return Matches(row_ids[best], scores[best], chances[best], comparable=len(parts) == 1)
