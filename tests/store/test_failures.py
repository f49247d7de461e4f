from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from revln.errors import MemoryStoreError, QueryError
from revln.store import RecordTable, Row, VectorIndex
from revln.store.failures import filter_failures, store_failures

MakeRow = Callable[..., Row]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full: free some space"),
        (OSError("LanceError(IO): No space left on device (os error 28), /rust/x.rs:1:2"), "disk is full"),
        (OSError("LanceError(IO): Permission denied (os error 13)"), "no permission to write"),
        (PermissionError(errno.EACCES, "Permission denied"), "no permission to write"),
        (OSError(errno.EROFS, "Read-only file system"), "no permission to write"),
        (ValueError("LanceError(IO): file too short, /rust/x.rs:1:2"), r"write /m: file too short: restore"),
    ],
)
def test_failures_name_the_memory_and_the_way_out(error: Exception, message: str) -> None:
    with pytest.raises(MemoryStoreError, match=message) as caught, store_failures(Path("/m"), "write"):
        raise error
    assert caught.value.__cause__ is error
    assert ".rs" not in str(caught.value)


def test_only_complaints_about_the_filter_are_query_errors() -> None:
    with pytest.raises(QueryError, match=r"\(No field named x\)"), filter_failures("x = 1"):
        raise ValueError("Invalid user input: No field named x, /home/rust/lance/scanner.rs:842:32")
    with pytest.raises(ValueError, match="IO"), filter_failures("x = 1"):
        raise ValueError("LanceError(IO): gone")
    with pytest.raises(ValueError, match="other"), filter_failures(None):
        raise ValueError("other")


@pytest.mark.parametrize("where", ["label = ", "label", "width > 'x'", "taken_at > 'x'", "(label = 'a'"])
def test_lance_complaints_become_query_errors(table: RecordTable, where: str) -> None:
    with pytest.raises(QueryError, match="the filter does not work") as caught:
        table.snapshot.row_ids(where)
    assert "Invalid user input" not in str(caught.value)


def test_damaged_data_is_a_store_error(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{number}") for number in range(100)])
    for path in (table.directory / "records.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    damaged = RecordTable.open(table.directory).snapshot
    with pytest.raises(MemoryStoreError, match="restore the directory"):
        damaged.known()
    with pytest.raises(MemoryStoreError, match="restore the directory"):
        VectorIndex(damaged)


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from revln.errors import MemoryStoreError
from revln.store import RecordTable, Row
from revln.types import Candidate
table = RecordTable.open(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
row = Row(Candidate("photos", "image", "/2", Path("/2"), 1, 1), thumb=np.random.bytes(400_000))
try:
    table.upsert([row])
except MemoryStoreError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs file size limits")
def test_a_full_disk_loses_nothing(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/1")])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(table.directory)], capture_output=True, text=True, check=True
    )
    assert "the disk is full" in done.stdout
    assert table.refresh().count() == 1
    assert table.upsert([make_row("/2")]).added == 1
