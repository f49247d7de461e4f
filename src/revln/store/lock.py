"""The write lock of a memory: held for one transaction, released by the operating system when its holder dies."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from revln.errors import MemoryLockedError
from revln.store.failures import store_failures

__all__ = ["LOCK_SECONDS", "write_lock"]

LOCK_SECONDS = 30.0
_LOCK_FILE = "writer.lock"
_OWNER_FILE = "writer.json"  # beside, since Windows lets nobody read a locked file


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
    owner = directory / _OWNER_FILE
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
    try:
        facts = json.loads(owner.read_text(encoding="utf-8"))
        who = f"process {facts['pid']} on {facts['host']} since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        who = "another process"
    return f"{directory} is being written by {who} (waited {timeout:g} s): try again when it has ended"
