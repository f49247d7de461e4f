"""Making a segment of the vector index out of fragments of the table."""

from __future__ import annotations

import ctypes
import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import lance
import numpy as np

from revln.store.blocks import vector_batches
from revln.store.segment import ADDRESSES, ROW_IDS, STARTS, VECTORS, SegmentFacts, digest, lists_file
from revln.store.snapshot import Snapshot
from revln.types import Embedding, Modality

__all__ = ["DRAFT", "build_segment", "vector_file"]

DRAFT = ".draft-"
_TRAINED_ON = 32  # vectors a list
_ITERATIONS = 6
_CHUNK = 16_384
_LISTS_PER_ROOT = 2.0  # lists are this times the root of the vectors: 1,024 for 262,144


def vector_file(snapshot: Snapshot, fragment: lance.LanceFragment, modality: Modality) -> str:
    """Path of a fragment's data file with the vectors; a new one means that they were written anew."""
    field = snapshot.dataset.lance_schema.field(snapshot.manifest.column(modality))
    number = -1 if field is None else field.id()
    return next((file.path for file in fragment.metadata.files if number in file.fields), "")


def build_segment(
    snapshot: Snapshot,
    fragments: Sequence[lance.LanceFragment],
    modality: Modality,
    text_dim: int | None,
    parent: Path,
) -> Path | None:
    """Makes a segment, and returns its directory below ``parent``; ``None`` when there are no vectors to hold.

    Nothing refers to it before it is complete; a killed build leaves a directory that begins with ``DRAFT``.

    Args:
        snapshot: version of the memory to read.
        fragments: what to cover.
        modality: which vectors.
        text_dim: leading dimensions that texts use; ``None`` for all.
        parent: directory of segments.
    """
    dim = snapshot.manifest.dim
    narrow = min(text_dim or dim, dim)
    stored = dim if modality == "image" else narrow  # texts are zero beyond
    draft = parent / f"{DRAFT}{uuid.uuid4().hex}"
    draft.mkdir(parents=True)
    try:
        count = _write_vectors(snapshot, fragments, modality, stored, draft)
        if count == 0:
            return None
        widths = sorted({narrow, stored})
        facts = SegmentFacts(
            modality=modality,
            fragments={
                part.fragment_id: (vector_file(snapshot, part, modality), part.num_deletions) for part in fragments
            },
            vectors=count,
            rows=len(np.load(draft / ROW_IDS, mmap_mode="r")),
            widths=widths,
            errors=[_write_lists(count, width, draft) for width in widths],
            files={path.name: digest(path) for path in sorted(draft.iterdir())},
        )
        facts.write(draft)
        for path in draft.iterdir():
            _sync(path)
        return draft.rename(parent / uuid.uuid4().hex)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_vectors(
    snapshot: Snapshot, fragments: Sequence[lance.LanceFragment], modality: Modality, width: int, directory: Path
) -> int:
    """Writes the vectors and whose they are, and returns their number."""
    count, row_ids, addresses, starts = 0, [], [], []
    with (directory / VECTORS).open("wb") as file, _npy(file, width) as finish:
        for block in vector_batches(snapshot, fragments, modality):
            file.write(np.ascontiguousarray(block.vectors[:, :width]).data)
            row_ids.append(block.row_ids)
            addresses.append(block.addresses)
            starts.append(block.starts + count)
            count += len(block.vectors)
        finish.append(count)
    for name, parts, kind in ((ROW_IDS, row_ids, "u8"), (ADDRESSES, addresses, "u8"), (STARTS, starts, "i8")):
        content = BytesIO()
        np.save(content, np.concatenate([np.empty(0, kind), *parts]))
        (directory / name).write_bytes(content.getbuffer())  # NumPy itself does not notice when a disk fills up
    return count


@contextmanager
def _npy(file: IO[bytes], width: int) -> Iterator[list[int]]:
    """Leaves room for the header of a ``.npy`` file, which is written once the number of rows is appended."""
    size = 128
    file.write(bytes(size))
    rows: list[int] = []
    yield rows
    header = repr({"descr": "<f4", "fortran_order": False, "shape": (rows[0], width)}).encode()
    file.seek(0)
    file.write(b"\x93NUMPY\x01\x00" + (size - 10).to_bytes(2, "little") + header.ljust(size - 11) + b"\n")


def _write_lists(count: int, width: int, directory: Path) -> float:
    """Writes the lists over the leading dimensions, and returns the largest error of a code."""
    import faiss

    lists = max(1, int(_LISTS_PER_ROOT * count**0.5))
    coarse = faiss.IndexFlatIP(width)
    index = faiss.IndexIVFScalarQuantizer(
        coarse, width, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT, False
    )
    index.cp.niter, index.cp.seed, index.cp.max_points_per_centroid = _ITERATIONS, 0, _TRAINED_ON
    index.cp.min_points_per_centroid = 1  # else it warns on stdout
    sampled = np.zeros(count, bool)
    sampled[np.random.default_rng(0).permutation(count)[: _TRAINED_ON * lists]] = True
    parts = [chunk[sampled[start : start + len(chunk)]] for start, chunk in _chunks(directory, count, width)]
    index.train(np.concatenate(parts))
    del parts
    largest = 0.0
    for _, chunk in _chunks(directory, count, width):
        index.add(chunk)
        largest = max(largest, _largest_error(index.sq, chunk))
    faiss.write_index(index, str(directory / lists_file(width)))
    del index, coarse
    _give_back_memory()
    return largest


def _chunks(directory: Path, count: int, width: int) -> Iterator[tuple[int, Embedding]]:
    """Copies of some vectors at a time with the place of the first; the file is not kept in memory meanwhile."""
    for start in range(0, count, _CHUNK):
        mapped = np.load(directory / VECTORS, mmap_mode="r")
        yield start, np.array(mapped[start : start + _CHUNK, :width])


def _largest_error(quantizer: Any, vectors: Embedding) -> float:
    decoded = quantizer.decode(quantizer.compute_codes(vectors))
    return float(np.sqrt(np.einsum("ij,ij->i", decoded - vectors, decoded - vectors).max()))


def _give_back_memory() -> None:
    """Returns what lists have left behind, which glibc would keep: hundreds of megabytes in a thousand pieces."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
