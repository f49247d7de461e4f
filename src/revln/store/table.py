"""Writing the records: each call is one transaction under the lock, each transaction one atomic Lance commit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Final

import lance
import pyarrow as pa

from revln.errors import MemoryStoreError
from revln.store.failures import filter_failures, store_failures
from revln.store.lock import LOCK_SECONDS, write_lock
from revln.store.manifest import MANIFEST_FILE, Manifest
from revln.store.relocation import moves_of, relocate
from revln.store.rows import Row, completed, rows_to_arrow, utc_now
from revln.store.schema import TABLE_DIRECTORY, record_schema
from revln.store.skips import remember_skips
from revln.store.snapshot import Snapshot
from revln.store.upkeep import (
    KEEP_VERSIONS,
    compact,
    create_text_index,
    drop_derived,
    drop_unused_vectors,
    needs_upkeep,
    reclaim,
    tidy,
)
from revln.types import Skipped

__all__ = ["RecordTable", "UpsertCounts"]

# Named rather than "stable", so that a memory written today is not of a format that yesterday's Lance cannot read.
_STORAGE_VERSION: Final = "2.2"
_SETTLING_NS: Final = 2_000_000_000

_State = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class UpsertCounts:
    """What an upsert did.

    Attributes:
        added: records with new ids.
        updated: records that were replaced.
    """

    added: int
    updated: int


class RecordTable:
    """A memory open for reading and writing.

    Reading goes through ``snapshot``, which stays as it is until this table writes or is refreshed. Several processes
    may have the same memory open; their transactions take turns.
    """

    def __init__(self, snapshot: Snapshot, lock_seconds: float = LOCK_SECONDS) -> None:
        """Use ``open`` or ``create``.

        Args:
            snapshot: the version to start from.
            lock_seconds: how long a transaction waits for another writer.
        """
        self._snapshot = snapshot
        self._state: _State | None = None
        self._lock_seconds = lock_seconds

    @classmethod
    def create(cls, directory: Path, encoder_id: str, dim: int, lock_seconds: float = LOCK_SECONDS) -> RecordTable:
        """Makes an empty memory.

        Args:
            directory: missing or empty, or left by a ``create`` that was killed.
            encoder_id: encoder of the vectors to come.
            dim: their width.
            lock_seconds: how long a transaction waits for another writer.

        Raises:
            MemoryStoreError: the directory is a memory already, holds other things, or cannot be written.
            MemoryLockedError: another process is making it.
        """
        with store_failures(directory, "create"):
            directory.mkdir(parents=True, exist_ok=True)
            foreign = [path.name for path in directory.iterdir() if not _is_ours(path)]
        if foreign:
            raise MemoryStoreError(
                f"{directory} holds other things ({foreign[0]}): choose a new or empty directory for the memory"
            )
        manifest = Manifest(encoder_id=encoder_id, dim=dim)
        with write_lock(directory, lock_seconds):
            if (directory / MANIFEST_FILE).exists():
                raise MemoryStoreError(f"{directory} is a memory already: open it, or choose another directory")
            with store_failures(directory, "create"):
                # memory.json comes last: with it the memory exists.
                dataset = lance.write_dataset(
                    record_schema(dim, manifest.image_column, manifest.text_column).empty_table(),
                    directory / TABLE_DIRECTORY,
                    mode="overwrite" if _left_over(directory) else "create",
                    enable_stable_row_ids=True,
                    data_storage_version=_STORAGE_VERSION,
                )
                create_text_index(dataset)
            manifest.save(directory)
        return cls(Snapshot(directory, manifest, dataset), lock_seconds)

    @classmethod
    def open(cls, directory: Path, lock_seconds: float = LOCK_SECONDS) -> RecordTable:
        """Opens a memory at its latest version.

        Raises:
            MemoryStoreError: there is none, or it is foreign, damaged or of a newer revln.
        """
        return cls(Snapshot.latest(directory), lock_seconds)

    @property
    def directory(self) -> Path:
        """Where it is."""
        return self._snapshot.directory

    @property
    def snapshot(self) -> Snapshot:
        """The version that this table is at."""
        return self._snapshot

    def refresh(self) -> Snapshot:
        """Moves on to the latest version, and gives its snapshot.

        Raises:
            MemoryStoreError: the memory is gone or damaged.
        """
        state = _state(self.directory)
        if state is None or state != self._state:
            latest = Snapshot.latest(self.directory, self._snapshot.dataset.session())
            # A migration switches the active columns without a new version.
            if (latest.version, latest.manifest) != (self._snapshot.version, self._snapshot.manifest):
                self._snapshot = latest
            self._state = state
        return self._snapshot

    def upsert(self, rows: Sequence[Row], *, encoder_id: str | None = None) -> UpsertCounts:
        """Adds rows, replacing those with the same id, in one commit.

        Args:
            rows: what to store; of two rows with one id the later is kept.
            encoder_id: encoder of the rows' vectors; that of the table's snapshot if not given.

        Raises:
            MemoryStoreError: a vector has a wrong shape, the memory changed its encoder meanwhile, or cannot be
                written.
            MemoryLockedError: another writer held the memory for too long.
        """
        if not rows:
            return UpsertCounts(0, 0)
        manifest = self._snapshot.manifest
        table = rows_to_arrow(rows, manifest, utc_now())
        return self.upsert_arrow(table, encoder_id=encoder_id or manifest.encoder_id)

    def upsert_arrow(self, rows: pa.Table, *, encoder_id: str, insert: bool = True) -> UpsertCounts:
        """Adds rows that are columns already, with unique ids; see ``upsert``.

        Args:
            rows: in the columns of ``record_schema``; of vectors those in use.
            encoder_id: encoder of the vectors.
            insert: False to leave out rows whose ids are not there, or no longer.

        Raises:
            MemoryStoreError: the memory changed its encoder meanwhile, or cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with self.transaction("write") as dataset:
            if Manifest.load(self.directory).encoder_id != encoder_id:
                raise MemoryStoreError(f"{self.directory} was migrated to another encoder meanwhile: run again")
            table = completed(rows, dataset.schema)
            merge = dataset.merge_insert("id").when_matched_update_all()
            done = (merge.when_not_matched_insert_all() if insert else merge).execute(table)
            if needs_upkeep(dataset):
                tidy(dataset)
        return UpsertCounts(added=done["num_inserted_rows"], updated=done["num_updated_rows"])

    def delete(self, where: str) -> int:
        """Deletes the records that pass an SQL filter, and returns their number.

        Raises:
            QueryError: the filter does not work.
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with self.transaction("delete from") as dataset, filter_failures(where):
            return int(dataset.delete(where)["num_deleted_rows"])

    def delete_ids(self, ids: Sequence[str]) -> int:
        """Deletes records by id, and returns the number of those that existed.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        if not ids:
            return 0
        with self.transaction("delete from") as dataset:
            return _delete_ids(dataset, ids)

    def relocate(self, old_prefix: str, new_prefix: str) -> int:
        """Follows a folder of photos to a new place: new uris and ids, all else kept; returns the number moved.

        Records about a photo there, such as questions, name its new place. A record that was indexed at the new place
        already wins over the one that would move there, which is deleted.

        Args:
            old_prefix: path of the folder, or of one file, as it was.
            new_prefix: path as it is now.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with self.transaction("relocate records of") as dataset:
            moves = moves_of(dataset, old_prefix, new_prefix)
            moving = {move.old_id for move in moves if move.itself}
            present = Snapshot(self.directory, self._snapshot.manifest, dataset).known()
            taken = [move for move in moves if move.itself and move.new_id in present and move.new_id not in moving]
            if taken:
                # A commit of its own: whatever happens after it, each photo still has its record at the new place.
                _delete_ids(dataset, [move.old_id for move in taken])
            gone = {move.row_id for move in taken}
            kept = [move for move in moves if move.row_id not in gone]
            relocate(dataset, kept)
            return sum(move.itself for move in kept)

    def upkeep(self) -> None:
        """What the end of a run calls for: takes its rows into the full text index, merges fragments if they piled up.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with self.transaction("tidy up") as dataset:
            tidy(dataset)

    def compact(self, keep: timedelta = KEEP_VERSIONS, *, purge: bool = False, drop_old: bool = False) -> None:
        """Brings the full text index up to date, merges small fragments and removes old versions.

        Args:
            keep: age up to which old versions stay, for the readers that hold them.
            purge: remove every trace of deleted records, also from what is derived; readers of older versions fail
                afterwards.
            drop_old: remove the vectors of former encoders and of unfinished migrations, which ends ``rollback``.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with self.transaction("compact") as dataset:
            if drop_old:
                manifest = replace(Manifest.load(self.directory), previous=None)
                manifest.save(self.directory)
                drop_unused_vectors(self.directory, dataset, manifest)
                reclaim(dataset)
            if purge:
                drop_derived(self.directory)
            compact(dataset, timedelta(0) if purge else keep, purge=purge)

    def remember_skips(self, source: str, skips: Sequence[Skipped]) -> None:
        """Keeps what a run could not index, for ``audit``; called at the end of a run.

        Args:
            source: name of the source.
            skips: what it skipped.

        Raises:
            MemoryStoreError: the memory cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        with write_lock(self.directory, self._lock_seconds), store_failures(self.directory, "write"):
            remember_skips(self.refresh(), source, skips)

    @contextmanager
    def transaction(self, action: str) -> Iterator[lance.LanceDataset]:
        """The latest version under the lock, for the layer's own use; the table moves on to what the block made of it.

        Snapshots keep the dataset objects that they have, so a writer never moves a reader of the same process.

        Args:
            action: what is tried, as in "cannot ``action``".
        """
        with write_lock(self.directory, self._lock_seconds):
            with store_failures(self.directory, action):
                yield self._latest()
            self.refresh()

    def _latest(self) -> lance.LanceDataset:
        return lance.dataset(self.directory / TABLE_DIRECTORY, session=self._snapshot.dataset.session())


def _left_over(directory: Path) -> bool:
    """Whether a ``create`` that was killed left a table; one with records has lost its ``memory.json`` instead.

    Raises:
        MemoryStoreError: for a table with records, which nothing may overwrite.
    """
    path = directory / TABLE_DIRECTORY
    if not (path / "_versions").exists():
        return False
    records = lance.dataset(path).count_rows()
    if records:
        raise MemoryStoreError(
            f"{directory} holds {records} records but no {MANIFEST_FILE}: restore that file from a copy, "
            "or choose another directory"
        )
    return True


def _state(directory: Path) -> _State | None:
    """What changes with every commit and every migration; ``None`` when the next change could look the same.

    Much cheaper than opening the table, which a search would do every time. Clocks of file systems tick a few hundred
    times a second at best, so what has changed just now is not trusted.
    """
    try:
        state = tuple(
            (status.st_mtime_ns, status.st_size, status.st_ino)
            for status in ((directory / name).stat() for name in (f"{TABLE_DIRECTORY}/_versions", MANIFEST_FILE))
        )
    except OSError:
        return None
    settled = max(changed for changed, _, _ in state) < time.time_ns() - _SETTLING_NS
    return state if settled else None


def _is_ours(path: Path) -> bool:
    return path.name in {TABLE_DIRECTORY, MANIFEST_FILE} or path.name.lstrip(".").startswith(("writer.", MANIFEST_FILE))


def _delete_ids(dataset: lance.LanceDataset, ids: Sequence[str]) -> int:
    # A join instead of ``id IN (...)``: the time stays the same for ten ids and for a hundred thousand.
    doomed = pa.table({"id": pa.array(list(dict.fromkeys(ids)), pa.string())})
    return int(dataset.merge_insert("id").when_matched_delete().execute(doomed)["num_deleted_rows"])
