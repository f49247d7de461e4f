"""Walking through folders: in a stable order, once through each, however many links lead there."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from revln.images import os_reason
from revln.sources.files import printable
from revln.sources.sidecars import find_sidecar
from revln.types import Skipped

__all__ = ["Entry", "walk"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder.

    Attributes:
        path: absolute.
        relative: path below the folder that the walk began in, with ``/`` between its parts; empty for that folder.
        sidecar: the XMP file that lies beside it and bears its name.
    """

    path: Path
    relative: str
    sidecar: Path | None = None


@dataclass(frozen=True, slots=True)
class _Listing:
    files: list[Entry] = field(default_factory=list)
    folders: list[Entry] = field(default_factory=list)
    links: list[Entry] = field(default_factory=list)


def walk(roots: Iterable[Path], leave_out: Callable[[str], bool]) -> Iterator[Entry | Skipped]:
    """Every file below some folders, and every folder that cannot be read.

    A folder's files come before its folders, both by name. Links to folders come after all else, so that a file is
    known by its own path where it has one, and a new link renames nothing.

    Args:
        roots: existing folders.
        leave_out: told the path of a file or folder below its root, whether to pass it over.
    """
    entered: set[tuple[int, int]] = set()
    pending = deque(Entry(root, "") for root in roots)
    while pending:
        stack = [pending.popleft()]  # no recursion: a tree may be deeper than Python's stack
        while stack:
            listing = _list(stack.pop(), entered, leave_out)
            if isinstance(listing, Skipped):
                yield listing
                continue
            yield from listing.files
            stack.extend(reversed(listing.folders))
            pending.extend(listing.links)


def _list(folder: Entry, entered: set[tuple[int, int]], leave_out: Callable[[str], bool]) -> _Listing | Skipped:
    listing = _Listing()
    try:
        status = folder.path.stat()
        identity = (status.st_dev, status.st_ino)
        if identity in entered:
            return listing
        entered.add(identity)
        with os.scandir(folder.path) as entries:
            children = sorted(entries, key=lambda child: child.name)
    except OSError as error:
        return Skipped(printable(folder.path), os_reason(error))
    xmp = {name.lower(): folder.path / name for child in children if (name := child.name).lower().endswith(".xmp")}
    for child in children:
        relative = f"{folder.relative}/{child.name}" if folder.relative else child.name
        if leave_out(relative):
            continue
        entry = Entry(folder.path / child.name, relative, find_sidecar(child.name, xmp) if xmp else None)
        if not _is_folder(child):
            listing.files.append(entry)
        elif child.is_symlink():
            listing.links.append(entry)
        else:
            listing.folders.append(entry)
    return listing


def _is_folder(child: os.DirEntry[str]) -> bool:
    try:
        return child.is_dir()
    except OSError:  # a link to itself
        return False
