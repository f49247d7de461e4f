"""Photos that a memory holds several times, all of them or those of one photo, told from what only looks alike."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from revln.errors import MemoryStoreError, QueryError, RecordNotFoundError
from revln.pipeline.sameness import DEFAULT_THRESHOLD, PictureComparer, Sameness
from revln.protocols import RowIds
from revln.retrieve import PHOTO_KINDS
from revln.retrieve.scope import Scope
from revln.store import Snapshot, VectorIndex
from revln.store.pictures import Picture, exact_copies, picture_vectors, pictures
from revln.store.words import sql_string
from revln.types import Embedding

__all__ = ["Duplicate", "DuplicateGroup", "DuplicateReport", "LookAlike", "duplicates_of", "find_duplicates"]

_BLOCK = 2048  # vectors of one side of a product
_LOOK_ALIKES = 1000  # pairs listed; a slide show of one colour has millions


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Records of one picture.

    Attributes:
        kind: ``exact`` when the files are the same to the byte.
        records: the one to keep first: the largest in pixels, then in bytes.
    """

    kind: Sameness
    records: tuple[Picture, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"kind": self.kind, "keep": self.records[0].uri, "records": [it.to_dict() for it in self.records]}


@dataclass(frozen=True, slots=True)
class LookAlike:
    """Two pictures that are near but not the same.

    Attributes:
        score: cosine of their vectors.
        distance: bits of 128 that their fingerprints differ in.
        records: the two.
    """

    score: float
    distance: int
    records: tuple[Picture, Picture]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "verdict": "similar",
            "score": round(self.score, 6),
            "distance": self.distance,
            "records": [it.to_dict() for it in self.records],
        }


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Another record of a photo's picture.

    Attributes:
        kind: ``exact`` when the files are the same to the byte.
        score: cosine of their vectors.
        distance: bits of 128 that their fingerprints differ in.
        picture: the record.
    """

    kind: Sameness
    score: float
    distance: int
    picture: Picture

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        told = {"kind": self.kind, "score": round(self.score, 6), "distance": self.distance}
        return told | self.picture.to_dict()


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What was found.

    Attributes:
        groups: the largest first.
        look_alikes: the nearest first.
        seconds: time spent.
    """

    groups: tuple[DuplicateGroup, ...]
    look_alikes: tuple[LookAlike, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "groups": [group.to_dict() for group in self.groups],
            "look_alikes": [pair.to_dict() for pair in self.look_alikes],
            "seconds": round(self.seconds, 3),
        }


def find_duplicates(
    snapshot: Snapshot,
    *,
    near: bool = False,
    threshold: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DuplicateReport:
    """Finds them; see ``Memory.duplicates``.

    Raises:
        QueryError: the threshold is out of range.
        MemoryStoreError: the memory cannot be read, or there is no room for a temporary copy of its vectors.
    """
    started = time.monotonic()
    threshold = DEFAULT_THRESHOLD if threshold is None else threshold
    if not 0.5 <= threshold <= 1:
        raise QueryError(f"the threshold is {threshold}: give a cosine between 0.5 and 1")
    groups = _Groups()
    copies = exact_copies(snapshot)
    for first, *others in copies:
        for other in others:
            groups.join(first, other)
    similar: list[tuple[float, int, int, int]] = []
    if near:
        twins = {row for _, *others in copies for row in others}
        similar = _compare(snapshot, twins, threshold, groups, progress)
    shown = {row for pair in similar for row in pair[2:]}
    found = pictures(snapshot, np.array(sorted(groups.members() | shown), np.uint64))
    return DuplicateReport(
        groups=tuple(sorted(_as_groups(groups, found), key=lambda group: (-len(group.records), group.records[0].uri))),
        look_alikes=tuple(LookAlike(score, bits, (found[one], found[two])) for score, bits, one, two in similar),
        seconds=time.monotonic() - started,
    )


def duplicates_of(snapshot: Snapshot, index: VectorIndex, record: str, k: int) -> tuple[Duplicate, ...]:
    """Finds those of one photo; see ``Memory.duplicates_of``.

    Raises:
        QueryError: ``k`` is no number of records.
        RecordNotFoundError: there is no such record.
        MemoryStoreError: the memory cannot be read.
    """
    if k < 1:
        raise QueryError(f"k is {k}: compare with at least 1 photo")
    here = snapshot.row_ids(f"id = {sql_string(record)}")
    if not len(here):
        raise RecordNotFoundError(record)
    row = int(here[0])
    scores = _nearest(snapshot, index, here, k)
    found = pictures(snapshot, np.array([row, *scores], np.uint64))
    compared = PictureComparer(snapshot).compare(row, list(scores))
    duplicates = [
        Duplicate(it.sameness, score, it.distance or 0, found[other])
        for (other, score), it in zip(scores.items(), compared, strict=True)
        if it.sameness is not None and found[other].uri != found[row].uri  # else one file, indexed under two sources
    ]
    return tuple(sorted(duplicates, key=lambda it: (it.kind != "exact", *_best_first(it.picture))))


def _nearest(snapshot: Snapshot, index: VectorIndex, here: RowIds, k: int) -> dict[int, float]:
    """Cosines of the ``k`` photos nearest to one, which is left out, by row; those too far to compare are left out."""
    if snapshot.column("kind", here)[int(here[0])] not in PHOTO_KINDS:  # an answer about a photo holds its picture too
        return {}
    try:
        vector = index.image_vectors(here)[0]
    except KeyError:
        return {}
    # The filter of a search that has none of its own, so that its rows are at hand already.
    matches = index.search(vector, k + 1, "image", Scope(snapshot, None, None, None, None).allowed)
    near = (pair for pair in zip(matches.row_ids.tolist(), matches.scores.tolist(), strict=True) if pair[0] != here[0])
    return {row: score for row, score in list(near)[:k] if score >= DEFAULT_THRESHOLD}


def _best_first(picture: Picture) -> tuple[int, int, str]:
    """Sorts the one to keep first."""
    return (-picture.width * picture.height, -picture.size, picture.uri)


def _as_groups(groups: _Groups, found: dict[int, Picture]) -> Iterator[DuplicateGroup]:
    for rows in groups.sets():
        records = sorted((found[row] for row in rows), key=_best_first)
        if len({it.uri for it in records}) > 1:  # else one file, indexed under two sources
            hashes = {it.content_hash for it in records}
            same = len(hashes) == 1 and "" not in hashes
            yield DuplicateGroup("exact" if same else "near", tuple(records))


def _compare(
    snapshot: Snapshot,
    twins: set[int],
    threshold: float,
    groups: _Groups,
    progress: Callable[[int, int], None] | None,
) -> list[tuple[float, int, int, int]]:
    """Joins the near pairs that are one picture, and gives the others: score, distance and rows.

    Args:
        snapshot: the memory.
        twins: rows to leave out, since an exact copy of them takes part.
        threshold: cosine from which pairs are compared.
        groups: added to.
        progress: called with the photos done and the photos in all.
    """
    comparer = PictureComparer(snapshot)
    similar: list[tuple[float, int, int, int]] = []
    rows, vectors = _spooled(snapshot, twins)
    for scores, one, two in _near_pairs(rows, vectors, threshold, progress):
        for score, first, second in zip(scores.tolist(), one.tolist(), two.tolist(), strict=True):
            if groups.are_joined(first, second):
                continue
            (compared,) = comparer.compare(first, [second])
            if compared.sameness is not None:
                groups.join(first, second)
            elif compared.distance is not None:
                similar.append((score, compared.distance, first, second))
        similar = sorted(similar, key=lambda pair: (-pair[0], pair[2:]))[:_LOOK_ALIKES]
    return [pair for pair in similar if not groups.are_joined(pair[2], pair[3])]


def _spooled(snapshot: Snapshot, left_out: set[int]) -> tuple[RowIds, Embedding]:
    """Row ids and vectors of the photos, the latter in a file, so that a million need no memory of their own.

    Raises:
        MemoryStoreError: the file cannot be written.
    """
    kept: list[RowIds] = [np.empty(0, np.uint64)]
    out = np.array(sorted(left_out), np.uint64)
    try:
        with tempfile.TemporaryFile() as spool:
            for row_ids, vectors in picture_vectors(snapshot):
                wanted = ~np.isin(row_ids, out)
                kept.append(row_ids[wanted])
                spool.write(vectors[wanted].data)
            spool.flush()
            rows = np.concatenate(kept)
            shape = (len(rows), snapshot.manifest.dim)
            # The mapping outlives the file, which has no name.
            return rows, np.memmap(spool, np.float32, "r", shape=shape) if len(rows) else np.empty(shape, np.float32)
    except OSError as error:
        raise MemoryStoreError(
            f"cannot keep vectors in a temporary file: {error.strerror or error}: free some space, or name another "
            "folder with TMPDIR"
        ) from error


def _near_pairs(
    rows: RowIds, vectors: Embedding, threshold: float, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[Embedding, RowIds, RowIds]]:
    """Scores and row ids of the pairs from a threshold on, block by block; each pair once."""
    for start in range(0, len(rows), _BLOCK):
        block = np.asarray(vectors[start : start + _BLOCK])
        for other in range(start, len(rows), _BLOCK):
            scores = block @ np.asarray(vectors[other : other + _BLOCK]).T
            if other == start:
                scores[np.tril_indices(len(block))] = -1
            one, two = np.nonzero(scores >= threshold)
            if len(one):
                yield scores[one, two], rows[start + one], rows[other + two]
        if progress:
            progress(min(start + _BLOCK, len(rows)), len(rows))


class _Groups:
    """Sets of rows that are joined: union-find with path halving."""

    def __init__(self) -> None:
        self._parents: dict[int, int] = {}

    def join(self, one: int, two: int) -> None:
        self._parents[self._root(one)] = self._root(two)

    def are_joined(self, one: int, two: int) -> bool:
        return one in self._parents and two in self._parents and self._root(one) == self._root(two)

    def members(self) -> set[int]:
        return set(self._parents)

    def sets(self) -> list[list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for row in self._parents:
            found[self._root(row)].append(row)
        return list(found.values())

    def _root(self, row: int) -> int:
        self._parents.setdefault(row, row)
        while self._parents[row] != row:
            self._parents[row] = self._parents[self._parents[row]]
            row = self._parents[row]
        return row
