"""Perceptual hashes of thumbs: near for two versions of one picture, far for two pictures of one thing.

A difference hash (Krawetz, "Kind of like that", 2013) has a bit for each pair of neighbouring cells: is it getting
brighter? Here 64 bits across and 64 down, of the picture and of seven windows of it, so that one that was cropped a
little on a side, or on all, meets the window of the other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["SAME_PICTURE", "Fingerprint", "distance", "fingerprint"]

Fingerprint = npt.NDArray[np.bool_]

SAME_PICTURE = 18
"""Bits of 128 that two versions of one picture differ in at most. Measured on the sample photos: resized, recompressed,
brightened by a fifth, cropped by up to 8 % on each side at most 18; different photos at least 31."""

_SIDE = 8
_WINDOWS = (
    (0.0, 0.0, 1.0, 1.0),
    *((cut, cut, 1 - cut, 1 - cut) for cut in (0.03, 0.06, 0.1)),
    (0.07, 0.0, 1.0, 1.0),
    (0.0, 0.07, 1.0, 1.0),
    (0.0, 0.0, 0.93, 1.0),
    (0.0, 0.0, 1.0, 0.93),
)


def fingerprint(image: Image.Image) -> Fingerprint:
    """Hashes [8, 128] of a picture: the first of all of it, the others of its windows."""
    grey = image.convert("L")
    return np.array([_hash(grey, window) for window in _WINDOWS])


def distance(one: Fingerprint, other: Fingerprint) -> int:
    """Bits that two pictures differ in: either as a whole from the nearest window of the other."""
    return int(min((one[0] != other).sum(axis=1).min(), (other[0] != one).sum(axis=1).min()))


def _hash(grey: Image.Image, window: tuple[float, float, float, float]) -> Fingerprint:
    left, top, right, bottom = window
    box = (left * grey.width, top * grey.height, right * grey.width, bottom * grey.height)
    across = _cells(grey, (_SIDE + 1, _SIDE), box)
    down = _cells(grey, (_SIDE, _SIDE + 1), box)
    bits: Fingerprint = np.concatenate([np.diff(across, axis=1).ravel(), np.diff(down, axis=0).ravel()]) > 0
    return bits


def _cells(grey: Image.Image, size: tuple[int, int], box: tuple[float, float, float, float]) -> npt.NDArray[np.int16]:
    return np.asarray(grey.resize(size, Image.Resampling.BOX, box=box), np.int16)
