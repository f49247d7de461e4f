"""The photos that ship with the package."""

from __future__ import annotations

from pathlib import Path

from revln.errors import InputError

__all__ = ["captions_file", "samples_directory"]

_SAMPLES = Path(__file__).parents[1] / "samples"


def samples_directory() -> Path:
    """Folder of the sample photos.

    Raises:
        InputError: the package was installed without them.
    """
    if not _SAMPLES.is_dir():
        raise InputError(f"{_SAMPLES}: no sample photos: install revln again")
    return _SAMPLES


def captions_file() -> Path:
    """Caption file of the sample photos."""
    return samples_directory() / "captions.csv"
