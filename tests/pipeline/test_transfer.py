"""Out of one memory into another, and what an import makes of what is there."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from revln.errors import InputError, MemoryStoreError
from revln.models import Model, load_model
from revln.pipeline import Memory
from tiny_bundle import make_tiny_bundle


def content(memory: Memory) -> list[dict]:
    names = [name for name in memory.table.refresh().dataset.schema.names if "vector" not in name]
    manifest = memory.table.snapshot.manifest
    rows = memory.table.snapshot.dataset.to_table(columns=[*names, *manifest.active.names])
    return sorted(rows.to_pylist(), key=lambda row: row["id"])


@pytest.fixture
def taught(filled: Memory, photo_folder: Path) -> Memory:
    filled.add(image=photo_folder / "red.png", texts=["a red door"], label="door")
    filled.add(texts=["roses are red"])
    return filled


def test_with_vectors_into_a_new_memory(taught: Memory, tmp_path: Path, tiny_model: Model) -> None:
    seen = []
    assert taught.export(tmp_path / "x.parquet", vectors=True, progress=lambda *it: seen.append(it)) == 5
    assert seen[-1] == (5, 5)
    new = Memory.open(tmp_path / "new", model=tiny_model)
    report = new.import_file(tmp_path / "x.parquet")
    assert (report.added, report.updated, report.unchanged, report.embedded, report.records) == (5, 0, 0, 0, 5)
    assert content(new) == content(taught)
    again = new.import_file(tmp_path / "x.parquet")
    assert (again.added, again.updated, again.unchanged) == (0, 0, 5)
    assert content(new) == content(taught)
    assert [hit.record.id for hit in new.search("red")] == [hit.record.id for hit in taught.search("red")]
    assert len(new.search("door", mode="text")) == 1


def test_without_vectors_records_are_embedded(taught: Memory, tmp_path: Path, tiny_model: Model) -> None:
    taught.export(tmp_path / "x.parquet")
    assert not any("vector" in name for name in pq.read_schema(tmp_path / "x.parquet").names)
    new = Memory.open(tmp_path / "new", model=tiny_model)
    assert new.import_file(tmp_path / "x.parquet").embedded == 5
    assert content(new) == content(taught)


def test_into_a_memory_of_another_model(taught: Memory, tmp_path: Path, photo_folder: Path) -> None:
    taught.export(tmp_path / "x.parquet", vectors=True)
    (photo_folder / "green.png").unlink()
    other = load_model(make_tiny_bundle(tmp_path / "other", name="other", photo_side=8))
    new = Memory.open(tmp_path / "new", model=other)
    report = new.import_file(tmp_path / "x.parquet")
    assert (report.added, report.embedded, report.from_thumbs) == (5, 5, 1)
    assert new.info().image_vectors == 4
    assert [check.check for check in new.verify() if not check.ok] == []


def test_of_two_states_of_a_record_the_later_is_kept(taught: Memory, tmp_path: Path, photo_folder: Path) -> None:
    taught.export(tmp_path / "old.parquet", vectors=True)
    taught.add(image=photo_folder / "red.png", texts=["repainted"], label="gate")
    taught.export(tmp_path / "new.parquet")
    assert taught.import_file(tmp_path / "old.parquet").unchanged == 5
    assert taught.search("red", k=1)[0].record.label == "gate"
    other = Memory.open(tmp_path / "other", model=taught.model)
    other.import_file(tmp_path / "old.parquet")
    report = other.import_file(tmp_path / "new.parquet")
    assert (report.added, report.updated, report.unchanged) == (0, 1, 4)
    assert content(other) == content(taught)


def test_what_comes_from_a_migrated_memory_has_plain_names(taught: Memory, tmp_path: Path, tiny_model: Model) -> None:
    before = content(taught)
    other = load_model(make_tiny_bundle(tmp_path / "other", name="other", photo_side=8))
    taught.migrate(other)
    taught.export(tmp_path / "x.parquet", vectors=True)
    assert {"image_vector", "text_vectors"} < set(pq.read_schema(tmp_path / "x.parquet").names)
    new = Memory.open(tmp_path / "new", model=other)
    assert new.import_file(tmp_path / "x.parquet").embedded == 0
    taught.rollback()
    assert content(taught) == before


def test_names_that_are_no_text_survive(memory: Memory, tmp_path: Path, make_photo: Callable[..., Path]) -> None:
    try:
        photo = make_photo(tmp_path / "p" / os.fsdecode(b"caf\xe9.png"), "red")
    except OSError:
        pytest.skip("this file system takes no such names")
    memory.add(image=photo)
    memory.export(tmp_path / "x.parquet", vectors=True)
    new = Memory.open(tmp_path / "new", model=memory.model)
    new.import_file(tmp_path / "x.parquet")
    assert new.search("red")[0].record.uri == str(photo)


def test_a_file_that_is_no_export(memory: Memory, tmp_path: Path) -> None:
    (tmp_path / "text.parquet").write_text("hello")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    for name, message in {
        "text.parquet": "not a Parquet file",
        "other.parquet": "no export of a memory",
        "gone.parquet": "No such file",
    }.items():
        with pytest.raises(InputError, match=message):
            memory.import_file(tmp_path / name)


def test_a_place_that_cannot_be_written(memory: Memory, tmp_path: Path) -> None:
    with pytest.raises(MemoryStoreError, match="cannot export to"):
        memory.export(tmp_path / "nowhere" / "x.parquet")
    assert memory.export(tmp_path / "empty.parquet") == 0
    assert memory.import_file(tmp_path / "empty.parquet").records == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
