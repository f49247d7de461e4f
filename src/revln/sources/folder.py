"""Photos in folders."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from revln.errors import InputError
from revln.images import IMAGE_SUFFIXES, os_reason
from revln.sources.exclude import Exclusion
from revln.sources.matching import CaptionMatcher
from revln.sources.walk import Entry, printable, walk
from revln.types import Candidate, Skipped

__all__ = ["FolderSource"]


class FolderSource:
    """The images in folders and below, and single files, in a stable order.

    Symbolic links are followed, and each folder is entered once, however many links or given paths lead to it. Hidden
    files and folders, trash and memories are left out (see ``Exclusion``).

    Args:
        paths: folders and files; a file is taken whatever its name.
        name: what the records call their source.
        exclude: patterns, see ``Exclusion``.
        labels_from_folders: makes the name of the folder that a file lies in its label, underscores as spaces; files
            right in a given folder get none.
        captions: captions by image name, matched by path below the given folder, then by file name.

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
    ) -> None:
        self._roots = [_absolute(Path(path)) for path in paths]
        for root in self._roots:
            if not root.exists():
                raise InputError(f"{printable(root)}: no such file or folder: check the path")
        self._name = name
        self._exclusion = Exclusion(exclude)
        self._labels_from_folders = labels_from_folders
        self._captions = captions or {}

    def scan(self) -> Iterator[Candidate | Skipped | None]:
        """Yields each image as a candidate, each unusable file with the reason, and ``None`` for other files.

        Last come the captions that no image was found for.
        """
        matcher = CaptionMatcher(self._captions)
        files = dict.fromkeys(root for root in self._roots if not root.is_dir())
        for file in files:
            yield self._candidate(Entry(file, file.name), matcher)
        for entry in walk((root for root in self._roots if root.is_dir()), self._exclusion.matches):
            if isinstance(entry, Skipped):
                yield entry
            elif entry.path.suffix.lower() not in IMAGE_SUFFIXES:
                yield None
            elif entry.path not in files:
                yield self._candidate(entry, matcher)
        yield from matcher.unused()

    def _candidate(self, entry: Entry, matcher: CaptionMatcher) -> Candidate | Skipped:
        uri = printable(entry.path)
        if uri != str(entry.path):
            return Skipped(uri, "name is not UTF-8")
        texts = matcher.find(entry.relative)
        try:
            status = entry.path.stat()
        except FileNotFoundError:
            return Skipped(uri, "link to a missing file" if entry.path.is_symlink() else "no such file")
        except OSError as error:
            return Skipped(uri, os_reason(error))
        if not stat.S_ISREG(status.st_mode):
            return Skipped(uri, "not a regular file")
        return Candidate(
            source=self._name,
            kind="image",
            uri=uri,
            path=entry.path,
            size=status.st_size,
            mtime_ns=status.st_mtime_ns,
            texts=texts,
            label=self._label(entry.relative),
        )

    def _label(self, relative: str) -> str | None:
        folder = PurePosixPath(relative).parent.name
        return folder.replace("_", " ").strip() or None if self._labels_from_folders else None


def _absolute(path: Path) -> Path:
    """Absolute with links kept, except where ``..`` would go astray behind one."""
    return path.resolve() if ".." in path.parts else path.absolute()
