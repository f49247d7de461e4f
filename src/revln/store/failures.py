"""Turns what Lance and the operating system raise into errors that name the memory and the way out."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from revln.errors import MemoryStoreError, QueryError

__all__ = ["filter_failures", "store_failures"]

# Windows: 112 is ERROR_DISK_FULL, 5 is ERROR_ACCESS_DENIED (and EIO elsewhere, where it is told apart by its text).
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, 112}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
# FAISS says so in words, NumPy by the numbers alone.
_FULL_WORDS = re.compile(r"No space left on device|File too large|\d+ requested and \d+ written")
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_RUST_SOURCE = re.compile(r",? ?/[^ ,]*\.rs:\d+(:\d+)?")
_PREFIX = re.compile(r"(Invalid user input|LanceError\(IO\)|Schema error): ")
_FILTER_EXAMPLE = "taken_at >= '2024-06-01' AND label = 'dog'"


@contextmanager
def store_failures(directory: Path, action: str) -> Iterator[None]:
    """Raises what goes wrong inside as ``MemoryStoreError``.

    Args:
        directory: the memory.
        action: what was tried, as in "cannot ``action``".

    Raises:
        MemoryStoreError: instead of ``OSError``, ``ValueError`` and ``RuntimeError``, which is all that Lance raises.
    """
    try:
        yield
    except (OSError, ValueError, RuntimeError) as error:
        raise MemoryStoreError(f"cannot {action} {directory}: {_way_out(error)}") from error


@contextmanager
def filter_failures(where: str | None) -> Iterator[None]:
    """Raises Lance's complaints about a filter as ``QueryError``; failures of the storage pass unchanged.

    Args:
        where: the filter in use; with ``None`` everything passes unchanged.

    Raises:
        QueryError: for a filter that Lance cannot parse or type.
    """
    try:
        yield
    except (OSError, ValueError) as error:  # OSError is what ``delete`` raises for the same mistake
        if where is None or "Invalid user input" not in str(error):
            raise
        raise QueryError(f"the filter does not work ({_short(error)}): write it like {_FILTER_EXAMPLE}") from error


def _way_out(error: Exception) -> str:
    number = _os_error_number(error)
    text = str(error)
    if number in _FULL or _FULL_WORDS.search(text):
        return "the disk is full: free some space and run again, what was reported done is kept"
    if number in _DENIED or "Access is denied" in text:
        return "no permission to write: check the owner and the mount, or choose another directory with --memory"
    return f"{_short(error)}: restore the directory from a copy, or index the photos into a new memory"


def _os_error_number(error: Exception) -> int | None:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    found = _OS_ERROR.search(str(error))  # Lance keeps the number in its text only
    return int(found.group(1)) if found else None


def _short(error: Exception) -> str:
    """The first line of a Lance message, without its prefixes and the places in its source."""
    lines = _RUST_SOURCE.sub("", str(error)).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    text = _PREFIX.sub("", text)
    return text if len(text) <= 200 else text[:197] + "..."
