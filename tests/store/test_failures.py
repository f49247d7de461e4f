from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.errors import MemoryStoreError, QueryError
from revln.store import RecordTable, Row, VectorIndex
from revln.store.failures import filter_failures, store_failures
from revln.store.verification import verify_store

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


FULL_WHILE_MIGRATING = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from revln.errors import MemoryStoreError
from revln.store import RecordTable
from revln.store.manifest import VectorColumns
from revln.store.migration import Migration
from revln.store.transfer import write_export
from revln.types import Skipped
table = RecordTable.open(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

def fails(action):
    try:
        action()
    except MemoryStoreError as error:
        print(error)

def migrate():
    migration = Migration(table, VectorColumns.of_encoder("wide", 4096))
    (rows,) = migration.pending()
    migration.store(rows, [np.random.rand(4096).astype(np.float32) for _ in rows], [None] * len(rows))

fails(migrate)
fails(lambda: write_export(table.snapshot, Path(sys.argv[2]), vectors=True))
fails(lambda: table.remember_skips("photos", [Skipped(f"/{number}.jpg", "not an image") for number in range(1000)]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs file size limits")
def test_a_full_disk_stops_upkeep_and_leaves_what_was(table: RecordTable, make_row: MakeRow, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    table.upsert([make_row(f"/{number}", thumb=random.bytes(9000)) for number in range(9)])
    done = subprocess.run(
        [sys.executable, "-c", FULL_WHILE_MIGRATING, str(table.directory), str(tmp_path / "out.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.count("the disk is full") == 3, done.stdout + done.stderr
    assert [path.name for path in tmp_path.iterdir()] == [table.directory.name]
    assert not (table.directory / "skips.jsonl").exists()
    assert table.refresh().manifest.encoder_id == "fake-1"
    assert len(VectorIndex(table.snapshot).search(np.ones(4, np.float32), 20, "image").scores) == 9
    checks = verify_store(table.directory, full=False, repair=True)
    assert [check.check for check in checks if not check.ok] == ["thumbs"]  # which are no pictures here
    assert [path.name for path in table.directory.glob(".*")] == []
