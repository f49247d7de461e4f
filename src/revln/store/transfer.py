"""Records as one Parquet file, and back."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from revln.errors import InputError
from revln.store.failures import store_failures
from revln.store.rows import completed
from revln.store.schema import VECTOR_PREFIXES, record_schema
from revln.store.snapshot import Snapshot

__all__ = ["ExportFile", "write_export"]

_BATCH_ROWS = 1024
_FORMAT = b"revln.format"
_ENCODER = b"revln.encoder"
_DIM = b"revln.dim"
_IMAGES, _TEXTS = VECTOR_PREFIXES  # names of the vector columns in a file, whatever the memory calls them


def write_export(
    snapshot: Snapshot, file: Path, *, vectors: bool, progress: Callable[[int, int], None] | None = None
) -> int:
    """Writes all records; returns their number. The file appears when it is whole.

    Args:
        snapshot: the memory.
        file: where to.
        vectors: with the vectors in use.
        progress: called with the records done and the records in all.

    Raises:
        MemoryStoreError: the memory cannot be read, or the file cannot be written.
    """
    manifest = snapshot.manifest
    used = dict(zip(manifest.active.names, VECTOR_PREFIXES, strict=True))
    columns = [
        name
        for name in snapshot.dataset.schema.names
        if (name in used and vectors) or not name.startswith(VECTOR_PREFIXES)
    ]
    schema = pa.schema([snapshot.dataset.schema.field(name).with_name(used.get(name, name)) for name in columns])
    about = {_FORMAT: b"1", _ENCODER: manifest.encoder_id.encode(), _DIM: str(manifest.dim).encode()}
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    total, done = snapshot.count(), 0
    try:
        with store_failures(file, "export to"):
            # Thumbs are compressed already; vectors and hashes do not get smaller.
            with pq.ParquetWriter(draft, schema.with_metadata(about), compression="zstd") as writer:
                for batch in snapshot.dataset.to_batches(columns=columns, batch_size=_BATCH_ROWS):
                    writer.write_batch(pa.record_batch(batch.columns, schema=schema))
                    done += len(batch)
                    if progress:
                        progress(done, total)
            draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return done


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file that ``write_export`` made.

    Attributes:
        path: where it is.
        encoder_id: encoder in use when it was made.
        dim: width of its vectors.
        has_vectors: whether they are in it.
        records: number of records.
    """

    path: Path
    encoder_id: str
    dim: int
    has_vectors: bool
    records: int

    @classmethod
    def open(cls, path: Path) -> ExportFile:
        """Looks into a file.

        Raises:
            InputError: it is missing, damaged or no export.
        """
        try:
            with pq.ParquetFile(path) as file:
                schema, records = file.schema_arrow, file.metadata.num_rows
        except (OSError, pa.ArrowException) as error:
            reason = getattr(error, "strerror", None) or "not a Parquet file, or a damaged one"
            raise InputError(f"{path}: {reason}: give a file that `revln memory export` made") from error
        about = schema.metadata or {}
        expected = set(record_schema(1, _IMAGES, _TEXTS).names) - set(VECTOR_PREFIXES)
        if about.get(_FORMAT) != b"1" or not expected <= set(schema.names):
            raise InputError(f"{path}: no export of a memory: give a file that `revln memory export` made")
        return cls(path, about[_ENCODER].decode(), int(about[_DIM]), _IMAGES in schema.names, records)

    def batches(self, snapshot: Snapshot) -> Iterator[pa.Table]:
        """Its records as tables of a memory's columns, some at a time, vectors null when they are of another encoder.

        Args:
            snapshot: of the memory; says the names of the columns.

        Raises:
            InputError: the file is damaged.
        """
        manifest = snapshot.manifest
        names = dict(zip(VECTOR_PREFIXES, manifest.active.names, strict=True))
        keep = self.has_vectors and self.encoder_id == manifest.encoder_id
        schema = record_schema(manifest.dim, manifest.image_column, manifest.text_column)
        try:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(batch_size=_BATCH_ROWS):
                    table = pa.Table.from_batches([batch])
                    kept = [name for name in table.column_names if keep or name not in names]
                    renamed = table.select(kept).rename_columns([names.get(name, name) for name in kept])
                    yield completed(renamed, schema)
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"{self.path}: damaged: export the memory again") from error
