"""Nearest vectors of one version of a memory: segments of the index where there are some, else exactly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lance
import numpy as np
import numpy.typing as npt

from revln.errors import MemoryStoreError
from revln.protocols import RowIds, VectorMatches
from revln.store.blocks import Block, best_rows, contains, nearest, read_blocks
from revln.store.building import vector_file
from revln.store.catalog import covering_segments
from revln.store.failures import store_failures
from revln.store.segment import Filter, Probe, Segment
from revln.store.snapshot import Snapshot
from revln.types import MODALITIES, Embedding, Modality

__all__ = ["VectorIndex"]

_CODES = 64  # fetched of each segment, at least
_KEPT_BYTES = 1 << 30  # of codes: 100 MB for 262,144 photos, as much for as many captions
_FILTERS = 8  # remembered, since the pages of one search ask for the same

# What a fragment's vectors depend on: its id, the file with them (a column may be rewritten), its deletions.
_Part = tuple[int, str, int]


@dataclass(frozen=True, slots=True, eq=False)
class _Living:
    """A segment, and which of its rows exist in the version being searched.

    Attributes:
        segment: the segment.
        state: fragments that it covers, as they are in that version.
        alive: the filter of the rows that exist; ``None`` when all do.
    """

    segment: Segment
    state: frozenset[_Part]
    alive: Filter | None


@dataclass(frozen=True, slots=True, eq=False)
class _Modal:
    """The vectors of one modality.

    Attributes:
        living: segments.
        parts: vectors of the fragments that no segment covers.
    """

    living: Sequence[_Living] = ()
    parts: dict[_Part, list[Block]] = field(default_factory=dict)

    @property
    def blocks(self) -> list[Block]:
        return [block for blocks in self.parts.values() for block in blocks]


class VectorIndex:
    """The vectors of a snapshot. Free to share between threads."""

    def __init__(self, snapshot: Snapshot, previous: VectorIndex | None = None) -> None:
        """Opens the index, and reads the vectors that it does not cover.

        Args:
            snapshot: the version of the memory to search.
            previous: index of an older version of it; what did not change is taken over.

        Raises:
            MemoryStoreError: the vectors cannot be read.
        """
        self.version = snapshot.version
        self._manifest = snapshot.manifest
        self._segments = {modality: covering_segments(snapshot, modality) for modality in MODALITIES}
        old: dict[Modality, _Modal] = {}
        if previous is not None and previous._manifest == snapshot.manifest:
            old = previous._modal
        self._modal: dict[Modality, _Modal] = {
            modality: _read(snapshot, modality, self._segments[modality], old.get(modality, _Modal()))
            for modality in MODALITIES
        }
        self._filters: OrderedDict[int, tuple[RowIds, dict[Path, Filter]]] = OrderedDict()

    def refreshed(self, snapshot: Snapshot) -> VectorIndex:
        """The index of another version; itself when nothing has changed."""
        segments = {modality: covering_segments(snapshot, modality) for modality in MODALITIES}
        same = (snapshot.version, snapshot.manifest, segments) == (self.version, self._manifest, self._segments)
        index = self if same else VectorIndex(snapshot, previous=self)
        index._keep_codes()
        return index

    def _keep_codes(self) -> None:
        """Takes the codes that queries by text look at into memory, as far as they are not too many.

        One search reads what it looks at. A process that searches again looks at a few thousand places in them each
        time, and the system may take mapped files away at any time.
        """
        left = _KEPT_BYTES
        for modality in MODALITIES:
            for living in self._modal[modality].living:
                left -= living.segment.narrow_bytes
                if left >= 0:
                    living.segment.keep_codes()

    def count(self, modality: Modality) -> int:
        """Number of vectors."""
        modal = self._modal[modality]
        indexed = (
            living.segment.facts.vectors if living.alive is None else living.alive.count for living in modal.living
        )
        return sum(indexed) + self.count_exact(modality)

    def count_exact(self, modality: Modality) -> int:
        """Number of vectors that no segment covers."""
        return sum(len(block.vectors) for block in self._modal[modality].blocks)

    def search(
        self,
        query: Embedding,
        k: int,
        modality: Modality,
        allowed_row_ids: RowIds | None = None,
        *,
        exact: bool = False,
    ) -> VectorMatches:
        """The ``k`` records (fewer if there are not as many) whose best vector of a modality is nearest.

        Without an index, and among few records, that is exact; else a few in a hundred may be missed.

        Args:
            query: unit vector [dim] or rows of such [q, dim].
            k: how many, at least 1.
            modality: which of the records' vectors to look at.
            allowed_row_ids: only these records, ascending; ``None`` for all. Not to be changed afterwards.
            exact: look at every code of the index, so that none is missed.

        Returns:
            Scores, row ids and text numbers, [k] for one query and [q, k] for several; equal scores by row id.

        Raises:
            ValueError: the query has another width than the vectors.
        """
        queries = np.atleast_2d(query)
        dim = self._manifest.dim
        if queries.shape[1] != dim:
            raise ValueError(f"the query has {queries.shape[1]} dimensions, the memory's vectors have {dim}")
        modal = self._modal[modality]
        blocks = modal.blocks
        if allowed_row_ids is not None:
            blocks = [block.only(contains(allowed_row_ids, block.row_ids)) for block in blocks]
        # What a text has beyond the part that it shares with images is zero, and need not be multiplied.
        queries = queries[:, : _extent(queries)]
        found = nearest(queries, blocks, k, modality)
        if modal.living:
            searched = [(living.segment, self._filter(living, allowed_row_ids)) for living in modal.living]
            rows = [_search(searched, row, k, _rows(found, place), exact=exact) for place, row in enumerate(queries)]
            found = _joined(rows, axis=0)
        return found if query.ndim > 1 else _each(found, lambda values: values[0])

    def image_vectors(self, row_ids: RowIds) -> Embedding:
        """Image vectors [n, dim] of rows that have one, in the order asked.

        Raises:
            KeyError: a row has no image vector.
        """
        vectors = np.empty((len(row_ids), self._manifest.dim), np.float32)
        missing = np.ones(len(row_ids), bool)
        modal = self._modal["image"]
        for living in modal.living:
            places, here = living.segment.places(row_ids)
            if living.alive is not None:
                here &= living.alive.rows[places]
            vectors[here] = living.segment.image_vectors(places[here])
            missing &= ~here
        for block in modal.blocks:
            order = np.argsort(block.row_ids)
            places = np.searchsorted(block.row_ids, row_ids, sorter=order).clip(max=len(order) - 1)
            here = block.row_ids[order[places]] == row_ids
            vectors[here] = block.vectors[order[places[here]]]
            missing &= ~here
        if missing.any():
            raise KeyError(int(row_ids[missing][0]))
        return vectors

    def _filter(self, living: _Living, allowed: RowIds | None) -> Filter | None:
        """What a segment may find; worked out once for each array of allowed rows."""
        if allowed is None:
            return living.alive
        held, filters = self._filters.get(id(allowed), (allowed, {}))
        if held is not allowed or id(allowed) not in self._filters:
            self._filters[id(allowed)] = (allowed, filters := {})  # holding the array keeps its id its own
            if len(self._filters) > _FILTERS:
                self._filters.popitem(last=False)
        key = living.segment.directory
        if key not in filters:
            rows = living.segment.rows_in(allowed)
            if living.alive is not None:
                rows &= living.alive.rows
            filters[key] = living.segment.filter(rows)
        return filters[key]


def _search(
    segments: Sequence[tuple[Segment, Filter | None]],
    query: Embedding,
    k: int,
    outside: VectorMatches,
    *,
    exact: bool,
) -> VectorMatches:
    """The ``k`` best [1, k] of some segments and of what was found outside, for one query [width].

    Codes tell which vectors look nearest. The best of all segments together, compared exactly, tell how good a code has
    to look for its vector to be among the ``k``; then all of these are compared.
    """
    parts, coded = [outside], []
    for segment, allowed in segments:
        if (own := segment.exactly(query, k, allowed)) is None:
            coded.append((segment, allowed))
        else:
            parts.append(own)
    wanted, tried = max(_CODES, 4 * k), 2 * k
    while coded:
        # By one thread: two would wait for memory, and for each other.
        probes = [segment.probe(query, wanted, allowed, every_list=exact) for segment, allowed in coded]

        def compared(least: float, probes: Sequence[Probe] = probes) -> VectorMatches:
            pairs = zip(coded, probes, strict=True)
            scored = [segment.scored(query, probe.places[probe.scores >= least], k) for (segment, _), probe in pairs]
            return _best([*parts, *scored], k)

        rough = np.concatenate([probe.scores for probe in probes])
        top = float(np.partition(rough, -tried)[-tried]) if len(rough) > tried else -np.inf
        first = compared(top)
        full = first.scores.shape[1] == k
        least = min(top, float(first.scores[0, -1]) - max(probe.error for probe in probes)) if full else -np.inf
        if not all(len(probe.scores) < wanted or probe.scores[-1] < least for probe in probes):
            wanted, tried = 4 * wanted, 4 * tried
        elif full or exact:
            return compared(least)
        else:  # the lists near the query hold fewer than ``k`` rows
            exact = True
    return _best(parts, k)


def _best(parts: Sequence[VectorMatches], k: int) -> VectorMatches:
    """The ``k`` best [1, k] of several results for one query."""
    found = _joined(parts, axis=1)
    top = best_rows(found.scores[0], found.row_ids[0], k)
    return _each(found, lambda values: values[:, top])


def _joined(parts: Sequence[VectorMatches], axis: int) -> VectorMatches:
    scores, row_ids, numbers = (np.concatenate(values, axis=axis) for values in zip(*parts, strict=True))
    return VectorMatches(scores, row_ids, numbers)


def _rows(found: VectorMatches, place: int) -> VectorMatches:
    """The matches [1, k] of one query."""
    return _each(found, lambda values: values[place : place + 1])


def _each(found: VectorMatches, pick: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]) -> VectorMatches:
    return VectorMatches(pick(found.scores), pick(found.row_ids), pick(found.text_numbers))


def _extent(queries: Embedding) -> int:
    """Number of leading dimensions that are not zero in all queries, at least 1."""
    used = np.flatnonzero(queries.any(axis=0))
    return int(used[-1]) + 1 if len(used) else 1


def _read(snapshot: Snapshot, modality: Modality, segments: Sequence[Path], old: _Modal) -> _Modal:
    fragments = {
        (int(part.fragment_id), vector_file(snapshot, part, modality), int(part.num_deletions)): part
        for part in snapshot.dataset.get_fragments()
    }
    opened = {living.segment.directory: living for living in old.living}
    living: list[_Living] = []
    with store_failures(snapshot.directory, "read the vectors of"):
        for path in segments:
            one = _revived(snapshot, path, fragments, opened.get(path))
            if one is not None:
                living.append(one)
        covered = {part for one in living for part in one.state}
        waiting = {part: fragments[part] for part in fragments if part not in covered}
        new = [fragment for part, fragment in waiting.items() if part not in old.parts]
        read = read_blocks(snapshot, new, modality)
    return _Modal(living, {part: old.parts[part] if part in old.parts else read.get(part[0], []) for part in waiting})


def _revived(
    snapshot: Snapshot, path: Path, fragments: dict[_Part, lance.LanceFragment], opened: _Living | None
) -> _Living | None:
    """A segment with what of it exists in this version; ``None`` when nothing does, or it cannot be read."""
    try:
        segment = Segment(path) if opened is None else opened.segment
    except MemoryStoreError:  # searched exactly instead, until upkeep builds it anew
        return None
    covers = segment.facts.fragments
    # A version from before the segment may have rows that were gone when it was built.
    state = frozenset(
        part
        for part in fragments
        if part[0] in covers and covers[part[0]][0] == part[1] and covers[part[0]][1] <= part[2]
    )
    if opened is not None and opened.state == state:
        return opened
    if not state:
        return None
    present = {part[0] for part in state}
    shrunk = [part for part in state if part[2] != covers[part[0]][1]]
    if len(present) == len(covers) and not shrunk:
        return _Living(segment, state, None)
    owners = segment.addresses >> np.uint64(32)
    alive = np.isin(owners, np.array(sorted(present), np.uint64))
    if shrunk:
        left = snapshot.dataset.scanner(
            columns=[], fragments=[fragments[part] for part in shrunk], with_row_address=True
        ).to_table()["_rowaddr"]
        touched = np.isin(owners, np.array([part[0] for part in shrunk], np.uint64))
        alive[touched] &= contains(np.sort(left.to_numpy()), segment.addresses[touched])
    return _Living(segment, state, segment.filter(alive))
