from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from revln.retrieve import Searcher
from revln.store import RecordTable, Row, VectorIndex
from revln.types import Candidate, PhotoMeta


class FakeCalibration:
    """Image vectors fit from a cosine of 0.3 on, texts from 0.7 on; saturates as a real one does."""

    def probability(self, query: np.ndarray, scores: np.ndarray, asked: str, stored: str) -> np.ndarray:
        middle = 0.3 if stored == "image" else 0.7
        return np.clip(0.5 + 2 * (scores - middle), 0, 1).astype(np.float32)


def photo(uri: str, image: tuple[float, ...] | None = None, kind: str = "image", label: str | None = None,
          texts: dict[str, tuple[float, ...]] | None = None, **meta: object) -> Row:  # fmt: skip
    texts = texts or {}
    return Row(
        candidate=Candidate("photos", kind, uri, Path(uri), size=10, mtime_ns=1, label=label),
        texts=tuple(texts),
        photo=PhotoMeta(**meta),
        image_vector=None if image is None else np.array(image, np.float32),
        text_vectors=np.array(list(texts.values()), np.float32) if texts else None,
    )


@pytest.fixture
def table(tmp_path: Path) -> RecordTable:
    return RecordTable.create(tmp_path / "memory", "fake-1", 2)


def searcher(table: RecordTable, **options: object) -> Searcher:
    return Searcher(table.snapshot, VectorIndex(table.snapshot), FakeCalibration(), **options)


@pytest.fixture
def make_photo():
    return photo


@pytest.fixture
def make_searcher():
    return searcher
