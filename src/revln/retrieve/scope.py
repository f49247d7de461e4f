"""Which records a search may find, and how much the word of each counts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property

import numpy as np

from revln.errors import QueryError
from revln.protocols import MemoryView, RowIds
from revln.retrieve.columns import unknown_name
from revln.retrieve.filters import compile_where, conjunction, one_of
from revln.types import KINDS, Embedding, Kind, Record

__all__ = ["KNOWLEDGE_KINDS", "PHOTO_KINDS", "Scope", "reweighted"]

PHOTO_KINDS: tuple[Kind, ...] = ("image", "image_text")
KNOWLEDGE_KINDS: tuple[Kind, ...] = ("text", "label", "qa", "triple")


class Scope:
    """The records that a search may find, those that may lead to them, and their weights.

    Attributes:
        sql: filter for the store; ``None`` when all records pass.
        total: size of the memory.
        weights: by name of a source or kind.
    """

    def __init__(
        self,
        view: MemoryView,
        where: str | None,
        kinds: Iterable[Kind] | None,
        sources: Iterable[str] | None,
        weights: Mapping[str, float] | None,
    ) -> None:
        asked = PHOTO_KINDS if kinds is None else tuple(kinds)
        if not asked or not set(asked) <= set(KINDS):
            raise QueryError(f"unknown kinds {sorted(set(asked) - set(KINDS))}: choose from {', '.join(KINDS)}")
        counts = view.kinds()
        self._view = view
        self._sources = None if sources is None else _one_of_sources(view, tuple(sources))
        self.weights = _checked(view, weights or {})
        kind_filter = None if counts.keys() <= set(asked) else one_of("kind", asked)
        self.sql = conjunction([kind_filter, self._sources, None if where is None else compile_where(where)])
        self.total = sum(counts.values())
        self._knows = not counts.keys().isdisjoint(KNOWLEDGE_KINDS) and not set(asked).isdisjoint(PHOTO_KINDS)

    @cached_property
    def allowed(self) -> RowIds | None:
        """Row ids that pass, ascending; ``None`` when all do."""
        return None if self.sql is None else self._view.row_ids(self.sql)

    @cached_property
    def knowledge(self) -> RowIds:
        """Row ids of what may lead to photos, ascending; of the sources asked for, whatever the filter."""
        if not self._knows:
            return np.empty(0, np.uint64)
        return self._view.row_ids(conjunction([one_of("kind", KNOWLEDGE_KINDS), self._sources]))

    def linked(self, condition: str) -> RowIds:
        """Row ids that pass and meet another condition, ascending."""
        return self._view.row_ids(conjunction([self.sql, condition]))

    def groups(self, within: RowIds | None = None) -> list[tuple[float, RowIds | None]]:
        """The records by their weight.

        Args:
            within: only these of them, ascending; ``None`` for all.

        Returns:
            Weight and row ids of each group; ``None`` for all records of the memory.
        """
        if not self.weights:
            return [(1.0, self.allowed if within is None else within)]
        rows = self._weighted[0] if within is None else within
        weights = self.weights_of(rows)
        return [(float(weight), rows[weights == weight]) for weight in np.unique(weights)]

    def weights_of(self, row_ids: RowIds) -> Embedding:
        """Weights [n] of rows [n] that pass."""
        if not self.weights:
            return np.ones(len(row_ids), np.float32)
        rows, weights = self._weighted
        return weights[np.searchsorted(rows, row_ids)]

    def weight_of(self, record: Record) -> float:
        """Weight of one record."""
        names = {record.source, record.kind}
        return math.prod(weight for name, weight in self.weights.items() if name in names)

    @cached_property
    def _weighted(self) -> tuple[RowIds, Embedding]:
        rows = self._view.row_ids(self.sql)
        weights = np.ones(len(rows), np.float32)
        for name, weight in self.weights.items():
            named = self.linked(f"{one_of('source', [name])} OR {one_of('kind', [name])}")
            weights[np.searchsorted(rows, named)] *= weight
        return rows, weights


def reweighted(probabilities: Embedding, weights: float | Embedding) -> Embedding:
    """Probabilities [n] with their odds multiplied by one weight, or by one each [n]."""
    if np.all(weights == 1):
        return probabilities
    odds = np.asarray(weights * probabilities, np.float32)
    return np.asarray(odds / np.maximum(1 - probabilities + odds, 1e-12), np.float32)


def _one_of_sources(view: MemoryView, sources: Collection[str]) -> str:
    known = view.sources()
    if not sources:
        raise QueryError(f"no sources given: choose from {', '.join(sorted(known))}, or leave them out")
    for name in sources:
        if name not in known:
            raise QueryError(unknown_name("source", name, known))
    return one_of("source", sources)


def _checked(view: MemoryView, weights: Mapping[str, float]) -> Mapping[str, float]:
    known = {*view.sources(), *KINDS} if weights else set()
    for name, weight in weights.items():
        if name not in known:
            raise QueryError(unknown_name("source or kind", name, known))
        if not (math.isfinite(weight) and weight >= 0):
            raise QueryError(f"the weight of {name} is {weight}: give a number from 0 up, where 1 changes nothing")
    return weights
