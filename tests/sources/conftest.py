"""Reading what a source gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from revln.protocols import Source
from revln.types import Candidate, Skipped


class Scanned(NamedTuple):
    candidates: list[Candidate]
    skipped: list[tuple[str, str]]
    ignored: int

    @property
    def texts(self) -> list[tuple[str, ...] | None]:
        return [candidate.texts for candidate in self.candidates]

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.skipped]


@pytest.fixture
def scan() -> Callable[[Source], Scanned]:
    """What a source yields, which has to be the same when it is asked again."""

    def scan(source: Source) -> Scanned:
        found = list(source.scan())
        assert found == list(source.scan())
        candidates = [item for item in found if isinstance(item, Candidate)]
        assert len({candidate.id for candidate in candidates}) == len(candidates)
        skipped = [(item.path, item.reason) for item in found if isinstance(item, Skipped)]
        return Scanned(candidates, skipped, found.count(None))

    return scan


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """Writes a file."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
