"""What a memory already holds, in 40 bytes a record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pyarrow as pa

__all__ = ["Known"]


class Known(Mapping[str, str]):
    """Fingerprint of each record by id: two sorted arrays instead of a dictionary, for memories of millions."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        """Reads them in.

        Args:
            batches: with the columns ``id`` and ``fingerprint``.
        """
        parts = [(_ascii(batch["id"]), _ascii(batch["fingerprint"])) for batch in batches]
        ids = np.concatenate([np.empty(0, "S1"), *(part[0] for part in parts)])
        fingerprints = np.concatenate([np.empty(0, "S1"), *(part[1] for part in parts)])
        order = np.argsort(ids)
        self._ids = ids[order]
        self._fingerprints = fingerprints[order]

    def __getitem__(self, record_id: str) -> str:
        place = self.place(record_id)
        if place is None:
            raise KeyError(record_id)
        return bytes(self._fingerprints[place]).decode()

    def __iter__(self) -> Iterator[str]:
        return (bytes(record_id).decode() for record_id in self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def place(self, record_id: str) -> int | None:
        """Number of a record in the order of the ids; ``None`` for one that is not known."""
        key = np.bytes_(record_id.encode())
        place = int(np.searchsorted(self._ids, key))
        return place if place < len(self._ids) and self._ids[place] == key else None


def _ascii(column: pa.Array) -> np.ndarray[tuple[int], np.dtype[np.bytes_]]:
    return np.array(column.cast(pa.binary()).to_pylist(), dtype=np.bytes_)
