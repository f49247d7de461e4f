"""Vectors of another encoder, filled in beside those in use, and the switch between the two.

A row's null list of caption vectors says that it is still to be embedded; writers of records leave it so, and thereby
records that are added or changed meanwhile are caught up with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from revln.store.columns import update_rows
from revln.store.failures import store_failures
from revln.store.manifest import Manifest, VectorColumns
from revln.store.rows import image_array, text_array
from revln.store.table import RecordTable
from revln.store.upkeep import KEEP_VERSIONS, drop_unused_vectors
from revln.store.words import decode_uri
from revln.types import Embedding

__all__ = ["PENDING_COLUMNS", "Migration", "Pending"]

PENDING_COLUMNS = ("uri", "kind", "texts", "content_hash", "thumb")
_BATCH_ROWS = 256


@dataclass(frozen=True, slots=True)
class Pending:
    """A record to be embedded.

    Attributes:
        uri: where its file is.
        has_picture: whether it wants an image vector.
        texts: captions.
        content_hash: of the file that the record was made from.
        thumb: its small image.
        row_id: its row.
        indexed_at: tells whether it was written meanwhile.
    """

    uri: str
    has_picture: bool
    texts: tuple[str, ...]
    content_hash: str
    thumb: bytes | None
    row_id: int = -1
    indexed_at: datetime | None = None

    @classmethod
    def from_table(cls, rows: pa.Table | pa.RecordBatch) -> list[Pending]:
        """The records of rows with ``PENDING_COLUMNS``, and perhaps ``_rowid`` and ``indexed_at``."""
        return [
            cls(
                uri=decode_uri(values["uri"]),
                has_picture=values["thumb"] is not None or values["kind"] in {"image", "image_text"},
                texts=tuple(values["texts"] or ()),
                content_hash=values["content_hash"],
                thumb=values["thumb"],
                row_id=values.get("_rowid", -1),
                indexed_at=values.get("indexed_at"),
            )
            for values in rows.to_pylist()
        ]


class Migration:
    """The way of a memory to other vectors; it may be left and taken up again at any point."""

    def __init__(self, table: RecordTable, target: VectorColumns) -> None:
        """Makes the columns when they are not there.

        Args:
            table: the memory.
            target: the vectors to come, or to return to.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        self.target = target
        self._table = table
        self._todo = f"{target.text_column} IS NULL"
        vector = pa.list_(pa.float32(), target.dim)
        fields = [pa.field(target.image_column, vector), pa.field(target.text_column, pa.list_(vector))]
        if not set(target.names) <= set(table.refresh().dataset.schema.names):
            with table.transaction("migrate") as dataset:
                if missing := [field for field in fields if field.name not in dataset.schema.names]:
                    dataset.add_columns(pa.schema(missing))

    def count(self) -> int:
        """Number of records that are still to be embedded.

        Raises:
            MemoryStoreError: the memory cannot be read.
        """
        return self._table.refresh().count(self._todo)

    def pending(self) -> Iterator[list[Pending]]:
        """Those records as they are now, some at a time.

        Raises:
            MemoryStoreError: the memory cannot be read.
        """
        snapshot = self._table.refresh()
        with store_failures(snapshot.directory, "read"):
            columns = [*PENDING_COLUMNS, "indexed_at"]
            for batch in snapshot.dataset.to_batches(
                columns=columns, filter=self._todo, with_row_id=True, batch_size=_BATCH_ROWS
            ):
                yield Pending.from_table(batch)

    def store(
        self, rows: Sequence[Pending], images: Sequence[Embedding | None], texts: Sequence[Embedding | None]
    ) -> None:
        """Stores the vectors of some records in one commit; what was written or deleted meanwhile is passed over.

        Args:
            rows: records of ``pending``.
            images: unit vector [dim] of each, or ``None``.
            texts: unit rows [texts, dim] of each, or ``None``.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        target = self.target
        with self._table.transaction("migrate") as dataset:
            named = f"_rowid IN ({', '.join(str(row.row_id) for row in rows)})"
            current = dataset.to_table(columns=["indexed_at"], filter=named, with_row_id=True)
            times = dict(zip(current["_rowid"].to_pylist(), current["indexed_at"].to_pylist(), strict=True))
            kept = [place for place, row in enumerate(rows) if times.get(row.row_id) == row.indexed_at]
            update_rows(
                dataset,
                pa.table(
                    {
                        "_rowid": pa.array([rows[place].row_id for place in kept], pa.uint64()),
                        target.image_column: image_array([images[place] for place in kept], target.dim),
                        target.text_column: text_array([texts[place] for place in kept], target.dim),
                    }
                ),
            )
            # Each commit rewrites these columns of a fragment, so a long migration would leave many old ones behind.
            dataset.cleanup_old_versions(older_than=KEEP_VERSIONS)

    def switch(self) -> bool:
        """Makes the new vectors those in use, in one atomic step; False when records came that need embedding first.

        The vectors used so far are kept as the previous ones; older ones are dropped.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with self._table.transaction("migrate") as dataset:
            if dataset.count_rows(filter=self._todo):
                return False
            current = Manifest.load(self._table.directory)
            if current.active == self.target:
                return True  # by another process, and what came before it must stay the previous
            manifest = current.switched(self.target)
            manifest.save(self._table.directory)
            drop_unused_vectors(self._table.directory, dataset, manifest)
            return True
