"""What could not be indexed, remembered as long as it is so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from revln.store import RecordTable, Row
from revln.store.skips import SKIPS_FILE, read_skips
from revln.types import Skipped

MakeRow = Callable[..., Row]


def remembered(table: RecordTable) -> list[tuple[str, str, str]]:
    return sorted((skip.source, Path(skip.path).name, skip.reason) for skip in read_skips(table.refresh()))


@pytest.fixture
def bad(tmp_path: Path) -> list[str]:
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg", "it's.jpg")]
    for path in paths:
        path.touch()
    return [str(path) for path in paths]


def test_each_source_speaks_for_itself(table: RecordTable, bad: list[str]) -> None:
    assert remembered(table) == []
    table.remember_skips("photos", [Skipped(bad[0], "empty file"), Skipped(bad[2], "not an image")])
    table.remember_skips("phone", [Skipped(bad[0], "permission denied")])
    table.remember_skips("photos", [Skipped(bad[1], "empty file"), Skipped(bad[2], "truncated")])
    assert remembered(table) == [
        ("phone", "a.jpg", "permission denied"),
        ("photos", "a.jpg", "empty file"),  # of a folder that the second run did not look into
        ("photos", "b.jpg", "empty file"),
        ("photos", "it's.jpg", "truncated"),
    ]


def test_what_is_indexed_later_or_gone_leaves_the_list(table: RecordTable, make_row: MakeRow, bad: list[str]) -> None:
    table.upsert([make_row(bad[1])])
    table.remember_skips("photos", [Skipped(path, "empty file") for path in bad])
    assert len(remembered(table)) == 3  # the record of b.jpg is older than the skip
    table.upsert([make_row(bad[2])])
    Path(bad[0]).unlink()
    assert remembered(table) == [("photos", "b.jpg", "empty file")]
    table.upsert([make_row(bad[1])])
    table.remember_skips("photos", [])
    assert not (table.directory / SKIPS_FILE).exists()


def test_names_out_of_a_caption_file_are_forgotten_by_the_next_run(table: RecordTable) -> None:
    table.remember_skips("photos", [Skipped("beach.jpg", "caption file names it, but there is no such image")])
    assert len(remembered(table)) == 1
    table.remember_skips("photos", [])
    assert remembered(table) == []


def test_a_damaged_list_is_no_obstacle(table: RecordTable, bad: list[str]) -> None:
    (table.directory / SKIPS_FILE).write_text('{"path": 1}\n{\n[]\n\xff')
    assert remembered(table) == []
    table.remember_skips("photos", [Skipped(bad[0], "empty file")])
    assert len(remembered(table)) == 1
    (table.directory / SKIPS_FILE).write_bytes(b"\xff\xfe")
    assert remembered(table) == []
