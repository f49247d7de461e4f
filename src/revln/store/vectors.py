"""Exact nearest-neighbour search over the vectors of one snapshot.

Vectors are read straight out of Lance: reading 7,000 x 512 takes about 10 ms and 35,000 caption vectors about 45 ms on
two cores, so nothing derived is kept on disk. A Lance fragment never changes except for the rows deleted from it, so
a refreshed index reads new fragments only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import lance
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from revln.protocols import RowIds, VectorMatches
from revln.store.failures import store_failures
from revln.store.snapshot import Snapshot
from revln.types import MODALITIES, Embedding, Modality

__all__ = ["VectorIndex"]

# Larger batches are decoded by one core. Smaller ones make more products, each of which waits for all BLAS threads: on
# a busy machine that costs milliseconds each.
_BATCH_ROWS = 4096
_FRAGMENT_SHIFT = 32  # a row address is the fragment's id above the offset within it


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Vectors of some rows of one fragment, grouped by row.

    Attributes:
        vectors: [n, dim].
        row_ids: [r]; the rows that have vectors.
        starts: [r]; a row's first vector. It has one in an image block, several in a text block.
    """

    vectors: Embedding
    row_ids: RowIds
    starts: npt.NDArray[np.int64]

    def lengths(self) -> npt.NDArray[np.int64]:
        return np.diff(self.starts, append=len(self.vectors))

    def only(self, wanted: npt.NDArray[np.bool_]) -> _Block:
        """The block of the rows marked in ``wanted`` [r]; itself when all are."""
        if wanted.all():
            return self
        lengths = self.lengths()
        kept = lengths[wanted]
        starts = np.cumsum(kept) - kept
        return _Block(self.vectors[np.repeat(wanted, lengths)], self.row_ids[wanted], starts)


_Blocks = dict[Modality, list[_Block]]
# What a fragment's vectors depend on: its id, its data files (a column may be rewritten in place), its deletions.
_Part = tuple[int, tuple[str, ...], int]


class VectorIndex:
    """The vectors of a snapshot in memory. Immutable, hence free to share between threads."""

    def __init__(self, snapshot: Snapshot, previous: VectorIndex | None = None) -> None:
        """Reads the vectors.

        Args:
            snapshot: the version of the memory to search.
            previous: index of an older version of it; what did not change is taken over.

        Raises:
            MemoryStoreError: the vectors cannot be read.
        """
        self.version = snapshot.version
        self._manifest = snapshot.manifest
        old = previous._parts if previous is not None and previous._manifest == snapshot.manifest else {}
        fragments = {_part(fragment): fragment for fragment in snapshot.dataset.get_fragments()}
        new = [part for part in fragments if part not in old]
        with store_failures(snapshot.directory, "read the vectors of"):
            read = _read(snapshot, [fragments[part] for part in new])
        self._parts: dict[_Part, _Blocks] = {part: old[part] if part in old else read[part[0]] for part in fragments}
        self._blocks: _Blocks = {
            modality: [block for blocks in self._parts.values() for block in blocks[modality]]
            for modality in MODALITIES
        }

    def refreshed(self, snapshot: Snapshot) -> VectorIndex:
        """The index of another version; itself when that is the same."""
        if (snapshot.version, snapshot.manifest) == (self.version, self._manifest):
            return self
        return VectorIndex(snapshot, previous=self)

    def count(self, modality: Modality) -> int:
        """Number of vectors."""
        return sum(len(block.vectors) for block in self._blocks[modality])

    def search(
        self, query: Embedding, k: int, modality: Modality, allowed_row_ids: RowIds | None = None
    ) -> VectorMatches:
        """The ``k`` records (fewer if there are not as many) whose best vector of a modality is nearest.

        Args:
            query: unit vector [dim] or rows of such [q, dim].
            k: how many, at least 1.
            modality: which of the records' vectors to look at.
            allowed_row_ids: only these records, ascending; ``None`` for all.

        Returns:
            Scores, row ids and text numbers, [k] for one query and [q, k] for several; equal scores by row id.

        Raises:
            ValueError: the query has another width than the vectors.
        """
        queries = np.atleast_2d(query)
        dim = self._manifest.dim
        if queries.shape[1] != dim:
            raise ValueError(f"the query has {queries.shape[1]} dimensions, the memory's vectors have {dim}")
        blocks = self._blocks[modality]
        if allowed_row_ids is not None:
            blocks = [block.only(_contains(allowed_row_ids, block.row_ids)) for block in blocks]
        found = _nearest(queries, blocks, k, modality)
        return found if query.ndim > 1 else VectorMatches(*(values[0] for values in found))

    def image_vectors(self, row_ids: RowIds) -> Embedding:
        """Image vectors [n, dim] of rows that have one, in the order asked.

        Raises:
            KeyError: a row has no image vector.
        """
        vectors = np.empty((len(row_ids), self._manifest.dim), np.float32)
        missing = np.ones(len(row_ids), bool)
        for block in self._blocks["image"]:
            if len(block.row_ids) == 0:
                continue
            order = np.argsort(block.row_ids)
            places = np.searchsorted(block.row_ids, row_ids, sorter=order).clip(max=len(order) - 1)
            here = block.row_ids[order[places]] == row_ids
            vectors[here] = block.vectors[order[places[here]]]
            missing &= ~here
        if missing.any():
            raise KeyError(int(row_ids[missing][0]))
        return vectors


def _part(fragment: lance.LanceFragment) -> _Part:
    files = tuple(file.path for file in fragment.data_files())
    return fragment.fragment_id, files, fragment.num_deletions


def _read(snapshot: Snapshot, fragments: Sequence[lance.LanceFragment]) -> dict[int, _Blocks]:
    """Vectors by fragment id; one scan for all fragments, since Lance reads them in parallel."""
    read: dict[int, _Blocks] = defaultdict(lambda: {"image": [], "text": []})
    if not fragments:
        return read
    manifest = snapshot.manifest
    scanner = snapshot.dataset.scanner(
        columns=[manifest.image_column, manifest.text_column],
        fragments=fragments,
        with_row_id=True,
        with_row_address=True,
        batch_size=_BATCH_ROWS,
    )
    for batch in scanner.to_batches():
        owners = batch["_rowaddr"].to_numpy() >> _FRAGMENT_SHIFT
        # Lance does not promise that a batch stays within one fragment.
        bounds = [0, *(np.flatnonzero(np.diff(owners)) + 1), len(owners)]
        for start, end in pairwise(bounds):
            rows = batch.slice(start, end - start)
            row_ids = rows["_rowid"].to_numpy()
            blocks = read[int(owners[start])]
            blocks["image"].append(_image_block(rows[manifest.image_column], row_ids))
            blocks["text"].append(_text_block(rows[manifest.text_column], row_ids, manifest.dim))
    return read


def _image_block(column: pa.FixedSizeListArray, row_ids: RowIds) -> _Block:
    present = column.is_valid().to_numpy(zero_copy_only=False)
    # ``flatten`` leaves out the values of null lists and copies nothing when there are none.
    vectors = _matrix(column.flatten(), column.type.list_size)
    return _Block(vectors, row_ids[present], np.arange(len(vectors)))


def _text_block(column: pa.ListArray, row_ids: RowIds, dim: int) -> _Block:
    lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    vectors = _matrix(column.flatten().flatten(), dim)
    starts = np.cumsum(lengths) - lengths
    present = lengths > 0
    return _Block(vectors, row_ids[present], starts[present])


def _matrix(values: pa.FloatArray, dim: int) -> Embedding:
    # Lance hands out parts of its files as they lie there; NumPy multiplies what is not aligned without BLAS, which
    # made a search sixty times slower.
    return np.require(values.to_numpy().reshape(-1, dim), np.float32, ["ALIGNED", "C_CONTIGUOUS"])


def _contains(sorted_ids: RowIds, row_ids: RowIds) -> npt.NDArray[np.bool_]:
    if len(sorted_ids) == 0:
        return np.zeros(len(row_ids), bool)
    places = np.searchsorted(sorted_ids, row_ids).clip(max=len(sorted_ids) - 1)
    same: npt.NDArray[np.bool_] = sorted_ids[places] == row_ids
    return same


def _nearest(queries: Embedding, blocks: Sequence[_Block], k: int, modality: Modality) -> VectorMatches:
    blocks = [block for block in blocks if len(block.row_ids)]
    if not blocks:
        empty = (len(queries), 0)
        return VectorMatches(np.empty(empty, np.float32), np.empty(empty, np.uint64), np.empty(empty, np.int32))
    row_ids = np.concatenate([block.row_ids for block in blocks])
    scores = [queries @ block.vectors.T for block in blocks]  # [q, n] each
    if modality == "image":
        best = np.concatenate(scores, axis=1)
    else:
        pairs = zip(scores, blocks, strict=True)
        best = np.concatenate(
            [np.maximum.reduceat(block_scores, block.starts, axis=1) for block_scores, block in pairs], 1
        )
    picked = np.stack([_top(row, row_ids, k) for row in best])  # [q, k]
    numbers = np.full(picked.shape, -1, np.int32) if modality == "image" else _text_numbers(scores, blocks, picked)
    return VectorMatches(np.take_along_axis(best, picked, 1), row_ids[picked], numbers)


def _top(scores: Embedding, row_ids: RowIds, k: int) -> npt.NDArray[np.intp]:
    """Places of the ``k`` best, equal scores by row id, so that the pages of a result never overlap."""
    places = np.arange(len(scores))
    if k < len(scores):
        worst = np.partition(scores, -k)[-k]
        places = np.flatnonzero(scores >= worst)
    return places[np.lexsort((row_ids[places], -scores[places]))][:k]


def _text_numbers(
    scores: Sequence[Embedding], blocks: Sequence[_Block], picked: npt.NDArray[np.intp]
) -> npt.NDArray[np.int32]:
    """Number of the best text of each picked row; looked up for these few only."""
    first_rows = np.cumsum([0, *(len(block.row_ids) for block in blocks)])
    numbers = np.empty(picked.shape, np.int32)
    for (query, rank), place in np.ndenumerate(picked):
        owner = int(np.searchsorted(first_rows, place, side="right")) - 1
        block, row = blocks[owner], place - first_rows[owner]
        start = block.starts[row]
        end = block.starts[row + 1] if row + 1 < len(block.starts) else len(block.vectors)
        numbers[query, rank] = np.argmax(scores[owner][query, start:end])
    return numbers
