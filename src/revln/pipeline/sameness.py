"""Deciding whether two records are one picture: of the same bytes, or a version of it by its fingerprint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from revln.errors import ImageError
from revln.images import decode_thumb
from revln.pipeline.fingerprints import SAME_PICTURE, Fingerprint, distance, fingerprint
from revln.store import Snapshot

__all__ = ["DEFAULT_THRESHOLD", "Comparison", "PictureComparer", "Sameness"]

# With the base model all versions of the sample photos that ``SAME_PICTURE`` names are this near, at 0.95 only half of
# them; of 24 million pairs of 7,000 photos 6 are. The fingerprints decide.
DEFAULT_THRESHOLD = 0.75
"""Cosine from which it is worth to compare two pictures."""

Sameness = Literal["exact", "near"]
"""``exact`` when the files are the same to the byte, ``near`` for another version of the picture."""

_LOOKS = 4096  # kept in memory


class Comparison(NamedTuple):
    """What came out of comparing two records.

    Attributes:
        sameness: ``None`` when they are two pictures, or nobody knows.
        distance: bits of 128 that their fingerprints differ in; ``None`` when one has no thumb to look at.
    """

    sameness: Sameness | None
    distance: int | None


class _Look(NamedTuple):
    """What tells one record's picture from another's; no fingerprint where there is no thumb to take it of."""

    content_hash: str
    fingerprint: Fingerprint | None


class PictureComparer:
    """Compares the pictures of records, which are read when they are asked for; the last few thousand are kept.

    Args:
        snapshot: the memory.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._looks: dict[int, _Look] = {}

    def compare(self, one: int, others: Sequence[int]) -> list[Comparison]:
        """Compares a row with others, in their order.

        Raises:
            MemoryStoreError: the records cannot be read.
        """
        first, *rest = self._read([one, *others])
        return [_compare(first, other) for other in rest]

    def _read(self, rows: Sequence[int]) -> list[_Look]:
        if len(self._looks) > _LOOKS:
            self._looks = {row: look for row, look in self._looks.items() if row in rows}
        missing = np.array([row for row in rows if row not in self._looks], np.uint64)
        hashes, thumbs = self._snapshot.column("content_hash", missing), self._snapshot.thumbs(missing)
        for row in missing.tolist():
            self._looks[row] = _Look(hashes.get(row) or "", _fingerprint(thumbs.get(row)))
        return [self._looks[row] for row in rows]


def _compare(one: _Look, other: _Look) -> Comparison:
    """The one place where it is decided: by the bytes, else by the fingerprints."""
    if one.content_hash and one.content_hash == other.content_hash:
        return Comparison("exact", 0)
    if one.fingerprint is None or other.fingerprint is None:
        return Comparison(None, None)
    bits = distance(one.fingerprint, other.fingerprint)
    return Comparison("near" if bits <= SAME_PICTURE else None, bits)


def _fingerprint(thumb: bytes | None) -> Fingerprint | None:
    try:
        return None if thumb is None else fingerprint(decode_thumb(thumb))
    except ImageError:
        return None
