"""One immutable part of the vector index: inverted lists of 8-bit codes, with the vectors themselves beside them.

A segment covers some fragments of the table. Which of its vectors still count is never written down: a fragment only
ever loses rows, so what is alive follows from the version being searched. One search reads the few
lists and vectors that it looks at, out of mapped files. A process that goes on searching keeps the codes in memory,
since mapped files stay there at the system's pleasure only.

Lists: inverted files with scalar quantization, as FAISS has them (Douze et al., 2024, arXiv 2401.08281). The codes
find candidates; the vectors then give the exact cosines. Each segment has lists of its own, trained on its own
vectors, so no part of the index ever has to be trained again because another has grown.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from revln.errors import MemoryStoreError
from revln.protocols import RowIds, VectorMatches
from revln.store.blocks import best_rows, contains, no_matches
from revln.types import Embedding, Modality

__all__ = [
    "ADDRESSES",
    "ROW_IDS",
    "STARTS",
    "VECTORS",
    "Filter",
    "Probe",
    "Segment",
    "SegmentFacts",
    "digest",
    "lists_file",
]

VECTORS, ROW_IDS, ADDRESSES, STARTS = "vectors.npy", "row_ids.npy", "addresses.npy", "starts.npy"
_FACTS = "segment.json"
_PROBED = 0.0235  # share of the lists looked at, for a recall@10 of 0.97 with queries by text (benchmarks/memory.py)
_FEWEST_PROBED = 24
_DEVIATIONS = 4.0  # a score by codes is off by more once in ten thousand times
_FEW = 8192  # vectors that are read one by one: mapped, each would bring sixteen pages into memory
_BATCH = 65_536
_NARROW = _FEW  # vectors that a filter keeps in memory: 12 MB of a segment
_EXHAUSTIVE = 0.25  # share of the vectors asked for from which on codes do not pay

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SegmentFacts:
    """What ``segment.json`` says.

    Attributes:
        modality: of the vectors.
        fragments: path of the data file with the vectors, and number of deleted rows, by id of each fragment covered.
        vectors: number of vectors.
        rows: number of rows.
        widths: leading dimensions that each set of lists is over, ascending; queries that are zero beyond such a width
            need no more.
        errors: for each width the length of the largest difference between a vector and its code.
        files: SHA-256 of every other file.
    """

    modality: Modality
    fragments: Mapping[int, tuple[str, int]]
    vectors: int
    rows: int
    widths: Sequence[int]
    errors: Sequence[float]
    files: Mapping[str, str]

    def write(self, directory: Path) -> None:
        """Writes it."""
        (directory / _FACTS).write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> SegmentFacts:
        """Reads it.

        Raises:
            MemoryStoreError: it is missing or damaged.
        """
        try:
            facts = json.loads((directory / _FACTS).read_text(encoding="utf-8"))
            facts["fragments"] = {int(key): (str(file), int(gone)) for key, (file, gone) in facts["fragments"].items()}
            return cls(**facts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(directory) from error

    def verify(self, directory: Path) -> None:
        """Compares the files with what was written.

        Raises:
            MemoryStoreError: one is missing or has changed.
        """
        try:
            if any(digest(directory / name) != expected for name, expected in self.files.items()):
                raise damaged(directory)
        except OSError as error:
            raise damaged(directory) from error


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What codes say.

    Attributes:
        scores: rough scores [n], best first.
        places: where the vectors lie [n].
        error: by how much such a score is off, but for once in ten thousand times.
    """

    scores: Embedding
    places: npt.NDArray[np.intp]
    error: float


class Filter:
    """The vectors of a segment that may be found; what of it a search needs is worked out when it is needed.

    Args:
        rows: marks the rows [r] that they belong to.
        starts: first vector [r] of each row of the segment.
        lengths: number of vectors [r] of each.

    Attributes:
        rows: marks the rows [r].
        count: number of the vectors.
        share: of all vectors of the segment.
        searches: number of searches with this filter so far.
        held: places and leading dimensions of the vectors, once they are kept in memory.
    """

    def __init__(self, rows: Mask, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> None:
        self.rows = rows
        self._starts, self._lengths = starts, lengths
        self.count = int(lengths[rows].sum())
        self.share = self.count / max(1, int(lengths.sum()))
        self.searches = 0
        self.held: tuple[npt.NDArray[np.intp], Embedding] | None = None

    @cached_property
    def places(self) -> npt.NDArray[np.intp]:
        """Where the vectors lie [count], ascending."""
        lengths = self._lengths[self.rows]
        shifts = self._starts[self.rows] - (np.cumsum(lengths) - lengths)
        places: npt.NDArray[np.intp] = np.repeat(shifts, lengths) + np.arange(self.count)
        return places

    @cached_property
    def selector(self) -> Any:
        """The same for FAISS."""
        import faiss

        return faiss.IDSelectorBitmap(np.packbits(np.repeat(self.rows, self._lengths), bitorder="little"))


class Segment:
    """A segment open for searching; safe in threads.

    Attributes:
        directory: where it is.
        facts: what it covers.
    """

    def __init__(self, directory: Path) -> None:
        """Maps the files of a segment.

        Raises:
            MemoryStoreError: a file is missing or damaged.
        """
        import faiss  # half of a cold start, and only needed here

        self.directory = directory
        self.facts = SegmentFacts.read(directory)
        self._faiss = faiss
        self._kept, self._keeping = False, threading.Lock()
        try:
            # As plain arrays: NumPy takes ten times as long to pick a few elements of its own class of mapped ones.
            arrays = [np.load(directory / name, mmap_mode="r") for name in (VECTORS, ROW_IDS, ADDRESSES, STARTS)]
            self._offset = int(arrays[0].offset)
            self._vectors, self.row_ids, self.addresses, self._starts = (array.view(np.ndarray) for array in arrays)
            self._file = os.open(directory / VECTORS, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
        except (OSError, ValueError, EOFError) as error:
            raise damaged(directory) from error
        self._lists = {width: self._open_lists(width, mapped=True) for width in self.facts.widths}
        shapes = (len(self._vectors), len(self.row_ids), len(self.addresses), len(self._starts))
        totals = {lists.ntotal for lists in self._lists.values()}
        if shapes != (self.facts.vectors, *[self.facts.rows] * 3) or totals != {self.facts.vectors}:
            raise damaged(directory)

    def filter(self, rows: Mask) -> Filter:
        """The filter that lets the marked rows [r] pass."""
        return Filter(rows, self._starts, self._lengths)

    def rows_in(self, sorted_row_ids: RowIds) -> Mask:
        """Marks [r] the rows whose id is among some, ascending."""
        if len(sorted_row_ids) > len(self.row_ids) // 4:
            return contains(sorted_row_ids, self.row_ids)
        marks = np.zeros(len(self.row_ids), bool)
        places, present = self.places(sorted_row_ids)
        marks[places[present]] = True
        return marks

    def places(self, row_ids: RowIds) -> tuple[npt.NDArray[np.intp], Mask]:
        """Where each of some rows lies in this segment, and whether it does at all."""
        order, ascending = self._by_row_id
        found = np.searchsorted(ascending, row_ids).clip(max=len(ascending) - 1)
        places = found if order is None else order[found]
        return places, ascending[found] == row_ids

    def image_vectors(self, places: npt.NDArray[np.intp]) -> Embedding:
        """Vectors [n, width] of the rows at some places of an image segment."""
        vectors: Embedding = self._vectors[places]
        return vectors

    def exactly(self, query: Embedding, k: int, allowed: Filter | None) -> VectorMatches | None:
        """The ``k`` rows [1, k] whose best vector is nearest to a query [width]; ``None`` where codes find them sooner.

        They do unless few vectors may be found, or nearly as many are asked for.
        """
        query = query[: self._vectors.shape[1]]
        share = 1.0 if allowed is None else allowed.share
        if share == 0:
            return no_matches(1)
        if k >= _EXHAUSTIVE * share * self.facts.vectors:
            return self.scored(query, np.arange(self.facts.vectors) if allowed is None else allowed.places, k)
        if allowed is not None and (held := self._held(allowed, len(query))) is not None:
            return self._best(held[0], held[1][:, : len(query)] @ query, k)
        return None

    def probe(self, query: Embedding, wanted: int, allowed: Filter | None, *, every_list: bool) -> Probe:
        """The vectors that look nearest to a query [width] by their codes.

        Args:
            query: what to be near to.
            wanted: how many.
            allowed: what may be found; ``None`` for all.
            every_list: look into all lists, not only into those near the query.
        """
        width = next((width for width in self.facts.widths if width >= len(query)), self.facts.widths[-1])
        query = np.pad(query, (0, max(0, width - len(query))))[:width]
        lists = self._lists[width]
        share = 1.0 if allowed is None else allowed.share
        wide = int(np.ceil(max(_FEWEST_PROBED, _PROBED * lists.nlist) / share))
        options = {"nprobe": lists.nlist if every_list else min(lists.nlist, wide)}
        if allowed is not None:
            options["sel"] = allowed.selector
        wanted = min(wanted, self.facts.vectors)
        parameters = self._faiss.SearchParametersIVF(**options)
        rough, places = lists.search(np.ascontiguousarray(query[None]), wanted, params=parameters)
        found = places[0] >= 0
        # The differences in each dimension are independent of the query, so their sum spreads like a random walk.
        largest = self.facts.errors[self.facts.widths.index(width)] * float(np.linalg.norm(query))
        return Probe(rough[0][found], places[0][found], _DEVIATIONS * largest / width**0.5)

    def scored(self, query: Embedding, places: npt.NDArray[np.intp], k: int) -> VectorMatches:
        """The ``k`` best rows [1, k] among the vectors at some places, by exact scores."""
        query = query[: self._vectors.shape[1]]
        places = np.sort(places)
        scores = np.empty(len(places), np.float32)
        for start in range(0, len(places), _BATCH):
            part = slice(start, start + _BATCH)
            scores[part] = self._read(places[part], len(query)) @ query
        return self._best(places, scores, k)

    @cached_property
    def narrow_bytes(self) -> int:
        """Size of the codes over the fewest dimensions."""
        return self.facts.vectors * self.facts.widths[0]

    def keep_codes(self) -> None:
        """Reads the codes over the fewest dimensions, which were mapped, into memory; once."""
        with self._keeping:
            if not self._kept:
                with suppress(MemoryStoreError):  # replaced and removed meanwhile: what is mapped is still there
                    self._lists[self.facts.widths[0]] = self._open_lists(self.facts.widths[0], mapped=False)
                self.row_ids = np.array(self.row_ids)
                self._kept = True

    def _open_lists(self, width: int, *, mapped: bool) -> Any:
        path = str(self.directory / lists_file(width))
        try:
            return self._faiss.read_index(path, self._faiss.IO_FLAG_MMAP_IFC if mapped else 0)
        except RuntimeError as error:
            raise damaged(self.directory) from error

    def _read(self, places: npt.NDArray[np.intp], width: int) -> Embedding:
        """The leading dimensions [n, width] of the vectors at some places."""
        vectors = self._vectors
        if len(places) > _FEW or not hasattr(os, "pread"):  # which Windows lacks
            wide: Embedding = vectors[places, :width]
            return wide
        size, stride = vectors.itemsize * width, vectors.strides[0]
        offsets = (self._offset + stride * places).tolist()
        if hasattr(os, "posix_fadvise"):  # a disk serves all of them at once much sooner than one after the other
            for offset in offsets:
                os.posix_fadvise(self._file, offset, size, os.POSIX_FADV_WILLNEED)
        parts = [os.pread(self._file, size, offset) for offset in offsets]
        return np.frombuffer(b"".join(parts), np.float32).reshape(-1, width)

    def _held(self, allowed: Filter, width: int) -> tuple[npt.NDArray[np.intp], Embedding] | None:
        """Places and leading dimensions of the vectors that a narrow filter lets pass, from its second search on.

        Reading them takes as long as one search through all codes, and makes each that follows several times faster.
        """
        allowed.searches += 1
        if allowed.count > _NARROW or allowed.searches == 1:
            return None
        held = allowed.held
        if held is None or held[1].shape[1] < width:
            allowed.held = held = allowed.places, self._read(allowed.places, width)
        return held

    def _best(self, places: npt.NDArray[np.intp], scores: Embedding, k: int) -> VectorMatches:
        """The ``k`` best rows, given the scores of the vectors at some places, ascending."""
        if len(places) == 0:
            return no_matches(1)
        if self.facts.modality == "image":
            row_ids = self.row_ids[places]
            top = best_rows(scores, row_ids, k)
            return VectorMatches(scores[top][None], row_ids[top][None], np.full((1, len(top)), -1, np.int32))
        rows = np.searchsorted(self._starts, places, side="right") - 1
        order = np.lexsort((places, -scores, rows))  # of the texts of a row the best, of equal ones the first
        best = order[np.flatnonzero(np.diff(rows[order], prepend=-1))]
        row_ids = self.row_ids[rows[best]]
        top = best_rows(scores[best], row_ids, k)
        numbers = (places[best[top]] - self._starts[rows[best[top]]]).astype(np.int32)
        return VectorMatches(scores[best[top]][None], row_ids[top][None], numbers[None])

    @cached_property
    def _lengths(self) -> npt.NDArray[np.int64]:
        lengths: npt.NDArray[np.int64] = np.diff(self._starts, append=self.facts.vectors)
        return lengths

    @cached_property
    def _by_row_id(self) -> tuple[npt.NDArray[np.intp] | None, RowIds]:
        if np.all(self.row_ids[1:] > self.row_ids[:-1]):
            return None, self.row_ids
        order = np.argsort(self.row_ids)
        return order, self.row_ids[order]


def damaged(directory: Path) -> MemoryStoreError:
    """The error for a segment that is not as it was written."""
    return MemoryStoreError(f"{directory} is damaged: `revln memory verify --repair` builds it anew")


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def lists_file(width: int) -> str:
    """Name of the file with the lists over the leading ``width`` dimensions."""
    return f"lists-{width}.faiss"
