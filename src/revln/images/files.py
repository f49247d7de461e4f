"""Reading a file once, whole, and never waiting for it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from revln.errors import ImageError

__all__ = ["os_reason", "read_file"]

# A pipe named like a photo would otherwise block the reader until somebody writes to it.
_FLAGS = getattr(os, "O_NONBLOCK", 0)


def os_reason(error: OSError) -> str:
    """What the operating system refused, in a few words without the path."""
    match error:
        case FileNotFoundError():
            return "no such file"
        case PermissionError():
            return "permission denied"
        case IsADirectoryError():
            return "is a directory"
        case _:
            return (error.strerror or str(error) or type(error).__name__).lower()


def read_file(path: Path, *, limit: int) -> bytes:
    """Reads a regular file.

    Args:
        path: where it is; links are followed.
        limit: size in bytes above which it is refused unread.

    Raises:
        ImageError: it is missing, unreadable, empty, too large or no regular file.
    """
    try:
        with open(path, "rb", buffering=0, opener=_open) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError(path, "not a regular file")
            if status.st_size > limit:
                raise ImageError(path, f"{status.st_size:,} bytes are over the limit of {limit:,}")
            data = file.read()
    except OSError as error:
        raise ImageError(path, os_reason(error)) from error
    except ValueError as error:  # a NUL within the path
        raise ImageError(path, "not a valid path") from error
    if not data:
        raise ImageError(path, "empty file")
    return data


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | _FLAGS)
