"""Only what lies below some folders, wherever links lead."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from revln.protocols import Source
from revln.types import Candidate, Skipped

__all__ = ["ConfinedSource"]


class ConfinedSource:
    """A source without the files that lie elsewhere; for what is indexed on behalf of somebody else.

    Args:
        source: what is scanned.
        within: the folders.
    """

    def __init__(self, source: Source, within: Sequence[Path]) -> None:
        self._source = source
        self._within = [folder.resolve() for folder in within]

    def scan(self) -> Iterator[Candidate | Skipped | None]:
        """Yields what the source does, and the reason in the place of what lies elsewhere."""
        for found in self._source.scan():
            if isinstance(found, Candidate) and not self._holds(found):
                yield Skipped(found.uri, "a link to outside the folders that may be indexed")
            else:
                yield found

    def _holds(self, candidate: Candidate) -> bool:
        files = [candidate.path, *([candidate.sidecar.path] if candidate.sidecar else [])]
        try:
            return all(any(file.resolve().is_relative_to(folder) for folder in self._within) for file in files)
        except (OSError, RuntimeError):  # a link to itself
            return False
