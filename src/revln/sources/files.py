"""Photos and other files as candidates: what a look at them, without reading them, tells."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from revln.images import os_reason
from revln.types import Candidate, Sidecar, Skipped

__all__ = ["absolute", "first_existing", "photo_candidate", "printable", "stat_file"]


def absolute(path: Path) -> Path:
    """Absolute with links kept, except where ``..`` would go astray behind one."""
    try:
        return path.resolve() if ".." in path.parts else path.absolute()
    except RuntimeError:  # a link to itself
        return path.absolute()


def first_existing(places: Sequence[Path]) -> Path:
    """The first of some places where there is a file, else the first of all."""
    # Not ``Path.exists``, which raises for a name that is too long and for a closed folder.
    return next((place for place in places if os.path.exists(place)), places[0])  # noqa: PTH110


def printable(path: Path) -> str:
    """A path as text that any output takes, bytes that are no UTF-8 escaped."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def stat_file(path: Path) -> os.stat_result | Skipped:
    """Size and times of a regular file, or why it cannot be had."""
    uri = printable(path)
    if uri != str(path):
        return Skipped(uri, "name is not UTF-8")
    try:
        status = path.stat()
    except FileNotFoundError:
        return Skipped(uri, "link to a missing file" if path.is_symlink() else "no such file")
    except OSError as error:
        return Skipped(uri, os_reason(error))
    except ValueError:  # a NUL within the path
        return Skipped(uri.replace("\0", "\\0"), "not a valid path")
    return status if stat.S_ISREG(status.st_mode) else Skipped(uri, "not a regular file")


def photo_candidate(
    path: Path,
    *,
    source: str,
    texts: Sequence[str] | None = None,
    label: str | None = None,
    sidecar: Path | None = None,
) -> Candidate | Skipped:
    """A photo in a file of its own, or why there is none.

    Args:
        path: absolute.
        source: name of the source.
        texts: captions from outside the file, ``None`` if nothing is said.
        label: its class, ``None`` if nothing is said.
        sidecar: file that describes it; one that is gone meanwhile counts as none.
    """
    status = stat_file(path)
    if isinstance(status, Skipped):
        return status
    beside = None if sidecar is None else stat_file(sidecar)
    return Candidate(
        source=source,
        kind="image",
        uri=str(path),
        path=path,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        texts=None if texts is None else tuple(texts),
        label=label,
        sidecar=Sidecar(sidecar, beside.st_size, beside.st_mtime_ns)
        if sidecar is not None and isinstance(beside, os.stat_result)
        else None,
    )
