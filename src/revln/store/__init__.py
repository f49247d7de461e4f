"""The memory on disk: one directory with a Lance table of records and ``memory.json``.

``RecordTable`` writes, ``Snapshot`` reads one version of it, ``VectorIndex`` searches that version's vectors.
"""

from revln.store.known import Known
from revln.store.rows import Row
from revln.store.snapshot import MemoryInfo, Snapshot
from revln.store.table import RecordTable, UpsertCounts
from revln.store.vectors import VectorIndex

__all__ = ["Known", "MemoryInfo", "RecordTable", "Row", "Snapshot", "UpsertCounts", "VectorIndex"]
