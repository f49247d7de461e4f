from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.store import RecordTable, Row
from revln.types import Candidate, PhotoMeta

DIM = 4


def unit(*values: float) -> np.ndarray:
    vector = np.zeros(DIM, np.float32)
    vector[: len(values)] = values
    return vector / max(np.linalg.norm(vector), 1e-12)


@pytest.fixture
def make_row() -> Callable[..., Row]:
    """A row at ``uri`` whose image vector is the unit vector along ``direction``."""

    def make(
        uri: str,
        direction: tuple[float, ...] | None = (1.0,),
        texts: dict[str, tuple[float, ...]] | None = None,
        *,
        source: str = "photos",
        kind: str = "image",
        label: str | None = None,
        mtime_ns: int = 1,
        extra: dict[str, object] | None = None,
        thumb: bytes | None = b"webp",
        **photo: object,
    ) -> Row:
        texts = texts or {}
        return Row(
            candidate=Candidate(source, kind, uri, Path(uri), size=10, mtime_ns=mtime_ns, label=label),
            texts=tuple(texts),
            photo=PhotoMeta(**photo),
            content_hash="9f86d081",
            thumb=thumb,
            image_vector=None if direction is None else unit(*direction),
            text_vectors=np.stack([unit(*vector) for vector in texts.values()]) if texts else None,
            extra=extra or {},
        )

    return make


@pytest.fixture
def table(tmp_path: Path) -> RecordTable:
    return RecordTable.create(tmp_path / "memory", "fake-1", DIM, lock_seconds=5)
