"""Which captions belong to which file."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from revln.types import Skipped

__all__ = ["CaptionMatcher"]

_NO_IMAGE = "caption file names it, but there is no such image"


class CaptionMatcher:
    """Finds captions by path relative to the indexed folder, then by file name, and remembers which were used.

    Args:
        captions: captions by image name, with or without folders.
    """

    def __init__(self, captions: Mapping[str, Sequence[str]]) -> None:
        self._captions = captions
        self._unused = dict.fromkeys(captions)
        self._by_path = {_normal(name): name for name in captions}
        self._by_name: dict[str, str | None] = {}
        for path, name in self._by_path.items():
            key = PurePosixPath(path).name
            # A file name in two folders of the caption file tells neither.
            self._by_name[key] = name if key not in self._by_name else None

    def find(self, relative: str) -> tuple[str, ...] | None:
        """Captions of the image at this path below the indexed folder, with ``/`` between its parts; None without."""
        path = _normal(relative)
        name = self._by_path.get(path) or self._by_name.get(PurePosixPath(path).name)
        if name is None:
            return None
        self._unused.pop(name, None)
        return tuple(self._captions[name])

    def unused(self) -> Iterator[Skipped]:
        """The images that the captions name and that ``find`` was never asked for."""
        return (Skipped(name, _NO_IMAGE) for name in self._unused)


def _normal(name: str) -> str:
    """One spelling of a path: caption files come from systems that write names differently."""
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./"))
