"""A memory's way to another model and back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from revln.errors import MemoryStoreError
from revln.models import Model, keep_bundle
from revln.pipeline.embedding import EmbeddingCounts, embed_records
from revln.store import RecordTable
from revln.store.manifest import VectorColumns
from revln.store.migration import Migration, Pending
from revln.types import Embedding

__all__ = ["MigrationReport", "migrate", "previous_encoder", "rollback"]

_COMMIT_ROWS = 4096
_COMMIT_SECONDS = 60.0  # what a kill can cost at most


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a migration or a rollback did.

    Attributes:
        encoder_id: encoder now in use.
        previous: encoder that ``rollback`` returns to.
        records: records in the memory.
        embedded: records that this run embedded.
        from_thumbs: of these, photos whose file is gone or changed: embedded from the small image that is kept.
        without_picture: uris of photos that have neither; their texts only can be searched.
        seconds: time spent.
    """

    encoder_id: str
    previous: str
    records: int
    embedded: int
    from_thumbs: int
    without_picture: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "encoder_id": self.encoder_id,
            "previous": self.previous,
            "records": self.records,
            "embedded": self.embedded,
            "from_thumbs": self.from_thumbs,
            "without_picture": list(self.without_picture),
            "seconds": round(self.seconds, 3),
        }


def migrate(table: RecordTable, model: Model, progress: Callable[[int, int], None] | None = None) -> MigrationReport:
    """Embeds all records with another model, then switches to it; see ``Memory.migrate``."""
    manifest = table.refresh().manifest
    if model.id == manifest.encoder_id:
        raise MemoryStoreError(f"{table.directory} is made with {model.id} already: name another model")
    keep_bundle(model.bundle)
    previous = manifest.previous
    back = previous is not None and previous.encoder_id == model.id
    target = previous if previous is not None and back else VectorColumns.of_encoder(model.id, model.dim)
    return _move(table, target, model, progress)


def rollback(table: RecordTable, model: Model, progress: Callable[[int, int], None] | None = None) -> MigrationReport:
    """Returns to the previous vectors; see ``Memory.rollback``.

    Args:
        table: the memory.
        model: that of ``previous_encoder``.
        progress: called with the records done and the records in all.
    """
    return _move(table, previous_encoder(table), model, progress)


def previous_encoder(table: RecordTable) -> VectorColumns:
    """The vectors that a rollback returns to.

    Raises:
        MemoryStoreError: there are none.
    """
    previous = table.refresh().manifest.previous
    if previous is None:
        raise MemoryStoreError(
            f"{table.directory} holds no vectors of an earlier model: use `revln memory migrate --model NAME` instead"
        )
    return previous


def _move(
    table: RecordTable, target: VectorColumns, model: Model, progress: Callable[[int, int], None] | None
) -> MigrationReport:
    started = time.monotonic()
    migration = Migration(table, target)
    counts = EmbeddingCounts()
    while True:
        _fill(migration, model, counts, progress)
        if migration.switch():  # False when records came in meanwhile
            break
    manifest = table.refresh().manifest
    return MigrationReport(
        encoder_id=manifest.encoder_id,
        previous=manifest.previous.encoder_id if manifest.previous else "",
        records=table.snapshot.count(),
        embedded=counts.records,
        from_thumbs=counts.from_thumbs,
        without_picture=tuple(counts.without_picture),
        seconds=time.monotonic() - started,
    )


def _fill(
    migration: Migration, model: Model, counts: EmbeddingCounts, progress: Callable[[int, int], None] | None
) -> None:
    """Embeds what is pending now, and commits as it goes."""
    total = counts.records + migration.count()
    rows: list[Pending] = []
    images: list[Embedding | None] = []
    texts: list[Embedding | None] = []
    committed = time.monotonic()

    def commit() -> None:
        nonlocal committed
        migration.store(rows, images, texts)
        for done in (rows, images, texts):
            done.clear()
        committed = time.monotonic()

    for batch in migration.pending():
        embedded = embed_records(batch, model, counts)
        rows += batch
        images += embedded.images
        texts += embedded.texts
        if len(rows) >= _COMMIT_ROWS or time.monotonic() - committed > _COMMIT_SECONDS:
            commit()
        if progress:
            progress(counts.records, max(total, counts.records))
    if rows:
        commit()
