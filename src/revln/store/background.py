"""What calibration learns from a memory: a sample of its vectors, and the file that keeps what was learned.

``calibration.npz`` is derived: a memory without it, or with one that cannot be used, does as well as its model alone.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from revln.store.failures import store_failures
from revln.store.lock import write_lock
from revln.store.snapshot import Snapshot
from revln.types import Embedding

__all__ = ["CALIBRATION_FILE", "Learned", "VectorSample", "sample_photos"]

CALIBRATION_FILE = "calibration.npz"
_PHOTOS = "kind IN ('image', 'image_text')"


@dataclass(frozen=True, slots=True, eq=False)
class VectorSample:
    """Vectors of some photos.

    Attributes:
        images: unit rows [n, dim].
        texts: unit rows [m, dim] of their captions.
        owners: index [m] of the photo that each caption describes.
    """

    images: Embedding
    texts: Embedding
    owners: npt.NDArray[np.int64]


def sample_photos(snapshot: Snapshot, limit: int) -> VectorSample:
    """The vectors of at most ``limit`` photos, drawn at random but alike for the same records.

    Raises:
        MemoryStoreError: the memory cannot be read.
    """
    manifest = snapshot.manifest
    rows = snapshot.row_ids(_PHOTOS)
    if len(rows) > limit:
        rows = np.random.default_rng(0).choice(rows, limit, replace=False)
    columns = [manifest.image_column, manifest.text_column]
    wanted = f"_rowid IN ({', '.join(map(str, rows.tolist()))})" if len(rows) else "false"
    with store_failures(snapshot.directory, "read the vectors of"):
        table = snapshot.dataset.to_table(columns=columns, filter=wanted)
    table = table.filter(table[manifest.image_column].is_valid())
    images, captions = (table[column].combine_chunks() for column in columns)
    counts = captions.value_lengths().fill_null(0).to_numpy()
    return VectorSample(
        images=images.flatten().to_numpy().reshape(-1, manifest.dim),
        texts=captions.flatten().flatten().to_numpy().reshape(-1, manifest.dim),
        owners=np.repeat(np.arange(len(counts)), counts),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What was learned from a memory.

    Attributes:
        encoder_id: encoder of the vectors.
        records: records of the memory then.
        arrays: what was learned, by name.
    """

    encoder_id: str
    records: int
    arrays: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def load(cls, directory: Path, encoder_id: str) -> Learned | None:
        """Reads a memory's file; ``None`` when it is missing, damaged or about another encoder's vectors."""
        try:
            # Opened here, since NumPy leaves a damaged file open.
            with (directory / CALIBRATION_FILE).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                if str(arrays["encoder_id"]) != encoder_id:
                    return None
                kept = {name: arrays[name] for name in arrays.files if name not in {"encoder_id", "records"}}
                return cls(encoder_id, int(arrays["records"]), kept)
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, directory: Path) -> None:
        """Writes the file, which appears as a whole or not at all.

        Raises:
            MemoryStoreError: it cannot be written.
            MemoryLockedError: another writer held the memory for too long.
        """
        draft = directory / f".{CALIBRATION_FILE}.{os.getpid()}"
        # Under the lock, since a draft that is there while nobody writes was left by a process that was killed.
        with write_lock(directory), store_failures(directory, "write"):
            try:
                with draft.open("wb") as file:
                    facts = {"encoder_id": np.array(self.encoder_id), "records": np.array(self.records)}
                    np.savez(file, allow_pickle=False, **facts, **self.arrays)
                draft.replace(directory / CALIBRATION_FILE)
            finally:
                draft.unlink(missing_ok=True)
