"""Photos that a caption file names, found beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from revln.sources.captions import read_captions
from revln.sources.files import absolute, first_existing, photo_candidate
from revln.types import Candidate, Skipped

__all__ = ["CaptionedSource"]


class CaptionedSource:
    """The photos of a caption file with their captions, looked for in its folder, then in ``images`` there.

    Args:
        path: COCO captions JSON, Karpathy JSON, or CSV with the columns ``image,caption``.
        name: what the records call their source.

    Raises:
        CaptionFileError: the file cannot be used.
    """

    def __init__(self, path: Path | str, *, name: str = "files") -> None:
        self._path = absolute(Path(path))
        self._name = name
        self._captions = read_captions(self._path)

    def scan(self) -> Iterator[Candidate | Skipped]:
        """Yields each photo in the order of the file, and each that cannot be used with the reason."""
        for image, texts in self._captions.items():
            yield photo_candidate(self._find(image), source=self._name, texts=texts)

    def _find(self, image: str) -> Path:
        relative = image.replace("\\", "/").replace("\0", "\ufffd")
        places = [absolute(folder / relative) for folder in (self._path.parent, self._path.parent / "images")]
        return first_existing(places)
