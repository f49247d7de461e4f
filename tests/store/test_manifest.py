from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from revln.errors import MemoryStoreError
from revln.store import RecordTable, Row
from revln.store.manifest import FORMAT_VERSION, MANIFEST_FILE, Manifest, VectorColumns


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    manifest = Manifest(encoder_id="fake-1", dim=4)
    manifest.save(tmp_path)
    assert Manifest.load(tmp_path) == manifest
    assert [path.name for path in tmp_path.iterdir()] == [MANIFEST_FILE]


def test_a_switch_remembers_where_the_vectors_were(tmp_path: Path) -> None:
    made = Manifest(encoder_id="fake-1", dim=4)
    made.save(tmp_path)
    assert "previous" not in json.loads((tmp_path / MANIFEST_FILE).read_text())  # as before there were migrations
    target = VectorColumns.of_encoder("my model/2", 8)
    assert target.names == ("image_vector_my_model_2", "text_vectors_my_model_2")
    switched = made.switched(target)
    switched.save(tmp_path)
    loaded = Manifest.load(tmp_path)
    assert loaded == switched
    assert (loaded.active, loaded.previous, loaded.created_at) == (target, made.active, made.created_at)
    assert loaded.switched(made.active).active == made.active


def test_a_missing_memory_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MemoryStoreError, match=r"no memory at .*: make one with `revln index FOLDER --memory"):
        RecordTable.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"format_version": "1"}',
        b'{"format_version": 2}',
        json.dumps({"format_version": 2, "encoder_id": "x", "dim": 0}).encode(),
        json.dumps({"format_version": 2, "encoder_id": "x", "dim": 4, "surprise": 1}).encode(),
        json.dumps({"format_version": 2, "encoder_id": "x", "dim": 4, "previous": {"dim": 4}}).encode(),
        json.dumps({"format_version": 2, "encoder_id": "x", "dim": 4, "previous": 7}).encode(),
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / MANIFEST_FILE).write_bytes(content)
    with pytest.raises(MemoryStoreError, match=r"memory\.json is damaged"):
        RecordTable.open(tmp_path)


def test_an_older_format_is_told_apart_from_damage(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({"format_version": 1, "encoder_id": "x", "dim": 4}))
    with pytest.raises(MemoryStoreError, match="format 1, from before the first release: index the photos"):
        Manifest.load(tmp_path)


def test_a_newer_format_asks_for_an_upgrade(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text(json.dumps({"format_version": FORMAT_VERSION + 1, "new": True}))
    with pytest.raises(MemoryStoreError, match="upgrade revln"):
        RecordTable.open(tmp_path)


def test_a_manifest_without_a_table_is_an_error(tmp_path: Path) -> None:
    Manifest(encoder_id="fake-1", dim=4).save(tmp_path)
    with pytest.raises(MemoryStoreError, match="cannot open"):
        RecordTable.open(tmp_path)


def test_a_folder_of_other_things_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "beach.jpg").write_bytes(b"photo")
    with pytest.raises(MemoryStoreError, match=r"holds other things \(beach.jpg\)"):
        RecordTable.create(tmp_path, "fake-1", 4)
    assert [path.name for path in tmp_path.iterdir()] == ["beach.jpg"]


def test_a_memory_is_not_made_twice(table: RecordTable) -> None:
    with pytest.raises(MemoryStoreError, match="is a memory already"):
        RecordTable.create(table.directory, "fake-2", 4)


def test_a_killed_creation_is_done_again(table: RecordTable) -> None:
    (table.directory / MANIFEST_FILE).unlink()
    (table.directory / f".{MANIFEST_FILE}.1").write_text("{")
    again = RecordTable.create(table.directory, "fake-2", 8)
    assert again.snapshot.manifest.dim == 8
    assert again.snapshot.count() == 0


def test_records_without_a_manifest_are_not_overwritten(table: RecordTable, make_row: Callable[..., Row]) -> None:
    table.upsert([make_row("/1")])
    (table.directory / MANIFEST_FILE).unlink()
    with pytest.raises(MemoryStoreError, match=r"holds 1 records but no memory.json"):
        RecordTable.create(table.directory, "fake-2", 8)
