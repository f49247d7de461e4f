"""The write lock of a memory: held for one transaction, released by the operating system when its holder dies."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from revln.errors import MemoryLockedError
from revln.store.failures import store_failures

__all__ = ["LOCK_SECONDS", "OWNER_FILE", "LockState", "lock_state", "write_lock"]

LOCK_SECONDS = 30.0
_LOCK_FILE = "writer.lock"
OWNER_FILE = "writer.json"  # beside, since Windows lets nobody read a locked file


@dataclass(frozen=True, slots=True)
class LockState:
    """Whether somebody writes.

    Attributes:
        held: the lock is taken at this moment.
        owner: the process that took it, as in "process 42 on ada-laptop since ... (12 s)"; of a lock that is not held,
            one that died while it wrote. ``None`` when nobody left a name.
    """

    held: bool
    owner: str | None

    @property
    def is_stale(self) -> bool:
        """Whether a name was left behind. It holds nobody up: the system released the lock itself."""
        return self.owner is not None and not self.held


def lock_state(directory: Path) -> LockState:
    """Looks at the lock of the memory at ``directory`` without waiting."""
    owner = _owner(directory / OWNER_FILE)
    if not (directory / _LOCK_FILE).exists():
        return LockState(False, owner)
    lock = FileLock(directory / _LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return LockState(True, owner)
    except OSError:  # a directory without permission to write: nobody can tell
        return LockState(False, None)
    try:
        return LockState(False, _owner(directory / OWNER_FILE))  # read again: its writer may have ended just now
    finally:
        lock.release()


@contextmanager
def write_lock(directory: Path, timeout: float = LOCK_SECONDS) -> Iterator[None]:
    """Holds the write lock of the memory at ``directory``.

    Args:
        directory: the memory.
        timeout: seconds to wait for another writer.

    Raises:
        MemoryLockedError: another writer still held it after ``timeout`` seconds.
        MemoryStoreError: the lock file cannot be written.
    """
    # Not re-entrant on purpose: each transaction has a lock object of its own, so threads exclude each other too.
    lock = FileLock(directory / _LOCK_FILE, timeout=timeout)
    owner = directory / OWNER_FILE
    with store_failures(directory, "lock"):
        try:
            lock.acquire()
        except Timeout as error:
            raise MemoryLockedError(_held(directory, owner, timeout)) from error
    try:
        with suppress(OSError):  # who holds the lock is a courtesy; a full disk shows in the transaction itself
            owner.write_text(json.dumps(_me()), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            owner.unlink(missing_ok=True)
        lock.release()


def _me() -> dict[str, str | int]:
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _held(directory: Path, owner: Path, timeout: float) -> str:
    who = _owner(owner) or "another process"
    return f"{directory} is being written by {who} (waited {timeout:g} s): try again when it has ended"


def _owner(path: Path) -> str | None:
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        age = datetime.now(UTC) - datetime.fromisoformat(facts["since"])
        return f"process {facts['pid']} on {facts['host']} since {facts['since']} ({_duration(age.total_seconds())})"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _duration(seconds: float) -> str:
    """An age as people say it: ``12 s``, ``5 min``, ``3 h``, ``2 days``."""
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
