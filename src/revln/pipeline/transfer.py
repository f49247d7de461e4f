"""A memory's records out into one file, and in from one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from revln.models import Model, find_bundle
from revln.pipeline.embedding import EmbeddingCounts, embed_records
from revln.pipeline.upkeep import keep_up
from revln.store import RecordTable, Snapshot
from revln.store.migration import Pending
from revln.store.rows import image_array, text_array
from revln.store.transfer import ExportFile, write_export

__all__ = ["ImportReport", "export_records", "import_records", "model_of_export"]

export_records = write_export


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        added: records that are new.
        updated: records that the file has in a later state.
        unchanged: records that the memory has in this or a later state.
        embedded: records that were embedded, since the file has no vectors of the memory's model.
        from_thumbs: of these, photos whose file is not there or has changed.
        without_picture: uris of photos that have neither file nor thumb.
        records: records in the memory afterwards.
        seconds: time spent.
    """

    added: int
    updated: int
    unchanged: int
    embedded: int
    from_thumbs: int
    without_picture: tuple[str, ...]
    records: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def import_records(
    table: RecordTable, model: Model, file: Path, *, progress: Callable[[int, int], None] | None = None
) -> ImportReport:
    """Takes in an exported file batch by batch; see ``Memory.import_file``.

    Raises:
        InputError: the file is no export.
        MemoryStoreError: the memory cannot be written.
    """
    started = time.monotonic()
    export = ExportFile.open(file)
    snapshot = table.refresh()
    has_vectors = export.has_vectors and export.encoder_id == snapshot.manifest.encoder_id
    counts = EmbeddingCounts()
    added = updated = done = 0
    for batch in export.batches(snapshot):
        news = batch.filter(_is_newer(table.snapshot, batch))
        if len(news):
            if not has_vectors:
                news = _embedded(news, snapshot, model, counts)
            upserted = table.upsert_arrow(news, encoder_id=model.id)
            added += upserted.added
            updated += upserted.updated
        done += len(batch)
        if progress:
            progress(done, export.records)
    if added or updated:
        keep_up(table, model)
    return ImportReport(
        added=added,
        updated=updated,
        unchanged=done - added - updated,
        embedded=counts.records,
        from_thumbs=counts.from_thumbs,
        without_picture=tuple(counts.without_picture),
        records=table.snapshot.count(),
        seconds=time.monotonic() - started,
    )


def model_of_export(file: Path) -> str | None:
    """Id of the model that an export's vectors are of; ``None`` when it is not at hand.

    Raises:
        InputError: the file is no export.
    """
    encoder_id = ExportFile.open(file).encoder_id
    return encoder_id if find_bundle(encoder_id) else None


def _is_newer(snapshot: Snapshot, batch: pa.Table) -> pa.Array:
    """Which rows the memory lacks, or has in an earlier state."""
    ids = batch["id"].to_pylist()
    row_ids = (
        snapshot.row_ids(f"id IN ({', '.join(repr(record) for record in ids)})") if ids else np.empty(0, np.uint64)
    )
    times = snapshot.column("indexed_at", row_ids)
    present = {record: times[row] for row, record in snapshot.column("id", row_ids).items()}
    moments = zip(ids, batch["indexed_at"].to_pylist(), strict=True)
    return pa.array([record not in present or present[record] < moment for record, moment in moments], pa.bool_())


def _embedded(rows: pa.Table, snapshot: Snapshot, model: Model, counts: EmbeddingCounts) -> pa.Table:
    manifest = snapshot.manifest
    found = embed_records(Pending.from_table(rows), model, counts)
    vectors = {
        manifest.image_column: image_array(found.images, manifest.dim),
        manifest.text_column: text_array(found.texts, manifest.dim),
    }
    for name, column in vectors.items():
        rows = rows.set_column(rows.schema.get_field_index(name), rows.schema.field(name), column)
    return rows
