"""Keeping what is derived from the records in step with them: fragments, indexes, calibration."""

from __future__ import annotations

import threading
from contextlib import suppress

from revln.errors import MemoryStoreError
from revln.models import Model
from revln.pipeline.calibration import learn_calibration
from revln.store import RecordTable
from revln.store.catalog import keep_index

__all__ = ["BackgroundIndexing", "keep_derived", "keep_up"]


def keep_up(table: RecordTable, model: Model) -> None:
    """What the end of a run calls for; quick when little has changed.

    Raises:
        MemoryStoreError: the memory cannot be written.
        MemoryLockedError: another writer held the memory for too long.
    """
    table.upkeep()
    keep_derived(table, model)


def keep_derived(table: RecordTable, model: Model) -> None:
    """The part of ``keep_up`` that is not in the table itself.

    Raises:
        MemoryStoreError: the memory cannot be written.
    """
    snapshot = table.refresh()
    if snapshot.manifest.encoder_id != model.id:
        return  # another process has migrated the memory, and does this itself
    keep_index(snapshot, model.card.text.dim)
    learn_calibration(snapshot, model.encoder.calibration)


class BackgroundIndexing:
    """Takes new records into the vector index while more are being added.

    Args:
        table: the records.
        model: what their vectors are made with.
    """

    def __init__(self, table: RecordTable, model: Model) -> None:
        self._table, self._text_dim = table, model.card.text.dim
        self._thread: threading.Thread | None = None

    def nudge(self) -> None:
        """Says that there are new records."""
        if self._thread is None or not self._thread.is_alive():
            # A daemon: whoever stops a run need not wait for the index, which can be built later.
            self._thread = threading.Thread(target=self._build, daemon=True, name="revln-index")
            self._thread.start()

    def wait(self) -> None:
        """Returns when nothing is being built."""
        if self._thread is not None:
            self._thread.join()

    def _build(self) -> None:
        with suppress(MemoryStoreError):  # which the end of the run will meet again, and raise
            keep_index(self._table.snapshot, self._text_dim)
