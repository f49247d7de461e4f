"""Where a memory's bytes are, and what is going on with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import lance

from revln.store.catalog import INDEX_DIRECTORY
from revln.store.disk import bytes_below
from revln.store.failures import store_failures
from revln.store.lock import LockState, lock_state
from revln.store.schema import TABLE_DIRECTORY, VECTOR_PREFIXES
from revln.store.skips import read_skips
from revln.store.snapshot import Snapshot
from revln.store.upkeep import unused_vectors

__all__ = ["Storage", "storage_of"]

_DATA, _INDICES = "data", "_indices"


@dataclass(frozen=True, slots=True)
class Storage:
    """Bytes on disk by what they are, and the state of the memory.

    Attributes:
        sizes: bytes of ``facts`` (all columns but those that follow), ``thumbs``, ``vectors`` (in use),
            ``other_vectors`` (of the previous model, or of a migration under way), ``text_index``, ``vector_index``,
            ``old_versions`` (data that ``compact`` removes when it is an hour old, and what Lance keeps of versions).
        skipped: files that the last runs could not index.
        lock: who writes at the moment.
        previous: encoder that ``rollback`` returns to.
        unfinished: columns of a migration that has not ended.
    """

    sizes: Mapping[str, int]
    skipped: int
    lock: LockState
    previous: str | None
    unfinished: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "sizes": dict(self.sizes),
            "skipped": self.skipped,
            "lock": asdict(self.lock),
            "previous_encoder": self.previous,
            "unfinished": list(self.unfinished),
        }


def storage_of(snapshot: Snapshot) -> Storage:
    """Measures a memory.

    Raises:
        MemoryStoreError: it cannot be read.
    """
    directory, manifest = snapshot.directory, snapshot.manifest
    table = directory / TABLE_DIRECTORY
    with store_failures(directory, "measure"):
        columns = _column_bytes(snapshot.dataset)
        below = {name: bytes_below(table / name) for name in (_DATA, _INDICES)}
        whole = bytes_below(table)
    thumbs = columns.pop("thumb", 0)
    vectors = {name: columns.pop(name) for name in list(columns) if name.startswith(VECTOR_PREFIXES)}
    used = sum(vectors.get(name, 0) for name in manifest.active.names)
    live = sum(columns.values()) + thumbs + sum(vectors.values())
    sizes = {
        "facts": sum(columns.values()),
        "thumbs": thumbs,
        "vectors": used,
        "other_vectors": sum(vectors.values()) - used,
        "text_index": below[_INDICES],
        "vector_index": bytes_below(directory / INDEX_DIRECTORY),
        "old_versions": max(0, whole - below[_INDICES] - live),
    }
    return Storage(
        sizes=sizes,
        skipped=len(read_skips(snapshot)),
        lock=lock_state(directory),
        previous=manifest.previous.encoder_id if manifest.previous else None,
        unfinished=tuple(unused_vectors(snapshot.dataset, manifest)),
    )


def _column_bytes(dataset: lance.LanceDataset) -> dict[str, int]:
    """Bytes of the data of each column, with those of the fields within it."""
    statistics: Any = dataset.stats.data_stats()  # its fields are a list, whatever their annotation says
    by_field = {field.id: field.bytes_on_disk for field in statistics.fields}
    return {field.name(): _field_bytes(field, by_field) for field in dataset.lance_schema.fields()}


def _field_bytes(field: Any, by_field: Mapping[int, int]) -> int:
    return by_field.get(field.id(), 0) + sum(_field_bytes(child, by_field) for child in field.children())
