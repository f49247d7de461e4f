"""Photos in folders, with what lies beside them: captions, sidecars, notes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from revln.errors import InputError
from revln.images import IMAGE_SUFFIXES
from revln.sources.captions import is_caption_table
from revln.sources.exclude import Exclusion
from revln.sources.files import absolute, photo_candidate, printable
from revln.sources.matching import CaptionMatcher
from revln.sources.notes import NOTE_SUFFIXES, NoteSource
from revln.sources.sidecars import find_sidecar
from revln.sources.walk import Entry, walk
from revln.types import Candidate, Skipped

__all__ = ["FolderSource"]


class FolderSource:
    """The images in folders and below, and single files, in a stable order; a photo's XMP sidecar goes with it.

    Symbolic links are followed, and each folder is entered once, however many links or given paths lead to it. Hidden
    files and folders, trash and memories are left out (see ``Exclusion``).

    Args:
        paths: folders and files; a file is taken whatever its name.
        name: what the records call their source.
        exclude: patterns, see ``Exclusion``.
        labels_from_folders: makes the name of the folder that a file lies in its label, underscores as spaces; files
            right in a given folder get none.
        captions: captions by image name, matched by path below the given folder, then by file name.
        notes: takes the Markdown and text files in the folders too, see ``NoteSource``.

    Raises:
        InputError: one of ``paths`` does not exist.
    """

    def __init__(
        self,
        paths: Sequence[Path | str],
        *,
        name: str = "files",
        exclude: Sequence[str] = (),
        labels_from_folders: bool = False,
        captions: Mapping[str, Sequence[str]] | None = None,
        notes: bool = False,
    ) -> None:
        self._roots = [absolute(Path(path)) for path in paths]
        for root in self._roots:
            if not root.exists():
                raise InputError(f"{printable(root)}: no such file or folder: check the path")
        self._name = name
        self._exclusion = Exclusion(exclude)
        self._labels_from_folders = labels_from_folders
        self._captions = captions or {}
        self._notes = notes

    def scan(self) -> Iterator[Candidate | Skipped | None]:
        """Yields each image as a candidate, each unusable file with the reason, and ``None`` for other files.

        Last come the captions that no image was found for.
        """
        matcher = CaptionMatcher(self._captions)
        files = dict.fromkeys(root for root in self._roots if not root.is_dir())
        for file in files:
            yield self._candidate(Entry(file, file.name, _sidecar(file)), matcher)
        for entry in walk((root for root in self._roots if root.is_dir()), self._exclusion.matches):
            if isinstance(entry, Skipped):
                yield entry
            elif entry.path.suffix.lower() not in IMAGE_SUFFIXES:
                yield from self._other(entry.path)
            elif entry.path not in files:
                yield self._candidate(entry, matcher)
        yield from matcher.unused()

    def _candidate(self, entry: Entry, matcher: CaptionMatcher) -> Candidate | Skipped:
        return photo_candidate(
            entry.path,
            source=self._name,
            texts=matcher.find(entry.relative),
            label=self._label(entry.relative),
            sidecar=entry.sidecar,
        )

    def _other(self, file: Path) -> Iterator[Candidate | Skipped | None]:
        if self._notes and file.suffix.lower() in NOTE_SUFFIXES and not _is_caption_table(file):
            return NoteSource(file, name=self._name).scan()
        return iter([None])

    def _label(self, relative: str) -> str | None:
        folder = PurePosixPath(relative).parent.name
        return folder.replace("_", " ").strip() or None if self._labels_from_folders else None


def _is_caption_table(file: Path) -> bool:
    try:
        return is_caption_table(file)
    except OSError:  # told by the one who reads it
        return False


def _sidecar(file: Path) -> Path | None:
    names = (f"{file.name}.xmp", f"{file.stem}.xmp")
    there = [file.with_name(name) for name in names if os.path.exists(file.with_name(name))]  # noqa: PTH110
    return find_sidecar(file.name, {path.name.lower(): path for path in there})
