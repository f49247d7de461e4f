"""Calibration of a memory: learned at its upkeep, read when it is searched."""

from __future__ import annotations

from revln.models import BackgroundCalibration, MemoryCalibration
from revln.protocols import Calibration
from revln.store import Snapshot
from revln.store.background import CALIBRATION_FILE, Learned, sample_photos

__all__ = ["CalibrationReader", "learn_calibration"]

_SAMPLE = 2000
_FEWEST = 100
_CHANGE = 0.5


def learn_calibration(snapshot: Snapshot, bundle: BackgroundCalibration) -> bool:
    """Learns from a memory's own photos and keeps it in ``calibration.npz``; returns whether there was need to.

    There is when the file is missing, damaged or of another encoder, or when the number of records has changed by
    half since. Memories of less than a hundred records go by the bundle's calibration alone.

    Args:
        snapshot: the memory as it is now.
        bundle: calibration of the model that it was made with.

    Raises:
        MemoryStoreError: the memory cannot be read or written.
    """
    encoder_id, records = snapshot.manifest.encoder_id, snapshot.count()
    kept = Learned.load(snapshot.directory, encoder_id)
    if records < _FEWEST:
        return False
    if kept and _usable(bundle, kept) and abs(records - kept.records) < _CHANGE * kept.records:
        return False
    sample = sample_photos(snapshot, _SAMPLE)
    learned = MemoryCalibration.learn(bundle, sample.images, sample.texts, sample.owners)
    Learned(encoder_id, records, learned.to_arrays()).save(snapshot.directory)
    return True


class CalibrationReader:
    """Reads a memory's calibration, anew when its file has changed."""

    def __init__(self) -> None:
        self._last: tuple[object, Calibration] | None = None

    def read(self, snapshot: Snapshot, bundle: BackgroundCalibration) -> Calibration:
        """The memory's own, or the bundle's when there is none that can be used."""
        encoder_id = snapshot.manifest.encoder_id
        try:
            status = (snapshot.directory / CALIBRATION_FILE).stat()
        except OSError:
            return bundle
        key = (encoder_id, status.st_mtime_ns, status.st_size, status.st_ino)
        last = self._last
        if last is None or last[0] != key:
            kept = Learned.load(snapshot.directory, encoder_id)
            last = self._last = (key, (kept and _usable(bundle, kept)) or bundle)
        return last[1]


def _usable(bundle: BackgroundCalibration, kept: Learned) -> MemoryCalibration | None:
    try:
        return MemoryCalibration.of_arrays(bundle, kept.arrays)
    except ValueError:
        return None
