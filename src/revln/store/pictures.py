"""Reading what tells one picture from another: hashes, sizes and image vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from revln.protocols import RowIds
from revln.store.failures import store_failures
from revln.store.snapshot import Snapshot
from revln.store.words import decode_uri
from revln.types import Embedding

__all__ = ["Picture", "exact_copies", "picture_vectors", "pictures"]

_COLUMNS = ("id", "uri", "width", "height", "size", "content_hash")
_HASH = "S32"
_BATCH_ROWS = 4096
_PHOTOS = "kind IN ('image', 'image_text')"  # a question about a photo holds its picture too
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo's record, as far as it tells one picture from another.

    Attributes:
        id: of the record.
        uri: where the file is.
        width: pixels.
        height: pixels.
        size: bytes.
        content_hash: of the file.
    """

    id: str
    uri: str
    width: int
    height: int
    size: int
    content_hash: str

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"id": self.id, "uri": self.uri, "width": self.width, "height": self.height, "size": self.size}


def pictures(snapshot: Snapshot, row_ids: RowIds) -> dict[int, Picture]:
    """Photos by row id.

    Raises:
        MemoryStoreError: the records cannot be read.
    """
    found: dict[int, Picture] = {}
    with store_failures(snapshot.directory, "read"):
        for start in range(0, len(row_ids), _AT_ONCE):
            some = ", ".join(str(int(row)) for row in row_ids[start : start + _AT_ONCE])
            rows = snapshot.dataset.to_table(columns=list(_COLUMNS), filter=f"_rowid IN ({some})", with_row_id=True)
            for values in rows.to_pylist():
                row = values.pop("_rowid")
                found[row] = Picture(**values | {"uri": decode_uri(values["uri"])})
    return found


def exact_copies(snapshot: Snapshot) -> list[list[int]]:
    """Row ids of the photos whose files are the same to the byte, two or more each.

    Raises:
        MemoryStoreError: the records cannot be read.
    """
    hashes, rows = [np.empty(0, _HASH)], [np.empty(0, np.uint64)]
    with store_failures(snapshot.directory, "read"):
        for batch in snapshot.dataset.to_batches(
            columns=["content_hash"],
            filter=f"{_PHOTOS} AND content_hash != ''",
            with_row_id=True,
            batch_size=_BATCH_ROWS,
        ):
            hashes.append(np.array([value.encode() for value in batch["content_hash"].to_pylist()], _HASH))
            rows.append(batch["_rowid"].to_numpy())
    every, owners = np.concatenate(hashes), np.concatenate(rows)
    order = np.argsort(every, kind="stable")
    every, owners = every[order], owners[order]
    ends = np.flatnonzero(every[1:] != every[:-1]) + 1
    return [group.tolist() for group in np.split(owners, ends) if len(group) > 1]


def picture_vectors(snapshot: Snapshot) -> Iterator[tuple[RowIds, Embedding]]:
    """Row ids [n] and image vectors [n, dim] in use of the photos, some thousand at a time.

    Raises:
        MemoryStoreError: the vectors cannot be read.
    """
    column = snapshot.manifest.image_column
    with store_failures(snapshot.directory, "read the vectors of"):
        for batch in snapshot.dataset.to_batches(
            columns=[column], filter=f"{_PHOTOS} AND {column} IS NOT NULL", with_row_id=True, batch_size=_BATCH_ROWS
        ):
            vectors = batch[column].flatten().to_numpy(zero_copy_only=False).reshape(-1, snapshot.manifest.dim)
            yield batch["_rowid"].to_numpy(), vectors
