"""A memory that was tampered with in each way that a check is for."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from revln.errors import MemoryStoreError
from revln.models import Model
from revln.pipeline import Memory
from revln.pipeline.verification import verify
from revln.store.columns import update_rows
from revln.store.lock import write_lock
from revln.store.rows import image_array


def wrong(memory: Memory, **options) -> dict[str, str]:
    return {check.check: check.detail for check in verify(memory.path, **options) if not check.ok}


def rewrite(memory: Memory, uri: str, **columns: pa.Array) -> None:
    snapshot = memory.table.refresh()
    rows = snapshot.row_ids(f"uri LIKE '%{uri}%'")
    update_rows(snapshot.dataset, pa.table({"_rowid": rows, **columns}))


@pytest.fixture
def taught(filled: Memory, photo_folder: Path) -> Memory:
    filled.add(image=photo_folder / "red.png", texts=["a red door", "red"], label="door")
    filled.add(texts=["roses are red"])
    return filled


def test_a_sound_memory(taught: Memory) -> None:
    checks = taught.verify(full=True)
    assert wrong(taught) == {}
    assert all(check.repair is None for check in checks)
    found = {check.check: check.detail for check in checks}
    assert found["records readable"].startswith("5 in ")
    assert found["thumbs"] == "4 decoded"
    assert found["vectors"] == "7 of unit length"
    assert found["model"] == taught.model.id


def test_no_memory_at_all(tmp_path: Path) -> None:
    with pytest.raises(MemoryStoreError, match="no memory at"):
        verify(tmp_path)


def test_a_damaged_manifest(taught: Memory) -> None:
    (taught.path / "memory.json").write_text("{")
    assert "damaged" in wrong(taught)["manifest and table"]


def test_a_manifest_of_another_memory(taught: Memory) -> None:
    path = taught.path / "memory.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dim": 5}))
    assert wrong(taught)["manifest and table"].endswith("in the columns image_vector, text_vectors")


def test_previous_vectors_that_are_not_there(taught: Memory) -> None:
    path = taught.path / "memory.json"
    previous = {"encoder_id": "old-1", "dim": 4, "image_column": "image_vector_old", "text_column": "text_vectors"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"previous": previous}))
    assert wrong(taught)["manifest and table"].endswith("in the columns image_vector_old")


def test_data_that_cannot_be_read_names_the_records(taught: Memory) -> None:
    for path in (taught.path / "records.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:100])
    checks = {check.check: check for check in verify(taught.path)}
    assert "fragment 0" in checks["records readable"].detail
    assert "restore the directory from a copy" in (checks["records readable"].repair or "")


def test_one_column_that_cannot_be_read_names_the_photos(taught: Memory) -> None:
    data = taught.path / "records.lance" / "data"
    before = set(data.iterdir())
    rewrite(taught, "green", thumb=pa.array([b"x" * 5000]))
    (new,) = set(data.iterdir()) - before
    new.write_bytes(new.read_bytes()[:50])
    assert "green.png" in wrong(taught)["records readable"]


def test_two_records_with_one_id_and_one_with_a_strange_one(taught: Memory) -> None:
    ids = {Path(uri).stem: record for record, uri in taught.table.snapshot.uris()}
    rewrite(taught, "green", id=pa.array([ids["blue"]]))
    rewrite(taught, "orange", id=pa.array(["0" * 20]))
    found = wrong(taught)["ids"]
    assert f"{ids['blue']} is the id of several records" in found
    assert f"{'0' * 20} of " in found


def test_vectors_that_are_no_unit_vectors(taught: Memory) -> None:
    rewrite(taught, "green", image_vector=image_array([np.array([np.nan, 0, 0, 0])], 4))
    rewrite(taught, "blue", image_vector=image_array([np.array([3.0, 0, 0, 0])], 4))
    found = wrong(taught)["vectors"]
    assert "green.png" in found
    assert "blue.png" in found
    assert "orange" not in found


def test_a_text_without_its_vector(taught: Memory) -> None:
    rewrite(taught, "red.png", texts=pa.array([["one", "two", "three"]]))
    assert "red.png" in wrong(taught)["texts"]


def test_a_thumb_that_is_no_image(taught: Memory) -> None:
    rewrite(taught, "orange", thumb=pa.array([b"nonsense"]))
    assert "orange.png (not an image)" in wrong(taught, full=True)["thumbs"]


def test_a_full_text_index_is_made_anew(taught: Memory) -> None:
    shutil.rmtree(taught.path / "records.lance" / "_indices")
    assert "full text index" in wrong(Memory.open(taught.path))
    checks = {check.check: check for check in verify(taught.path, repair=True)}
    assert (checks["full text index"].ok, checks["full text index"].repair) == (True, "repaired")
    assert wrong(taught) == {}
    assert len(Memory.open(taught.path).search("door", mode="text")) == 1

    lance.dataset(taught.path / "records.lance").drop_index("text_idx")
    assert wrong(taught)["full text index"] == "there is none"
    taught.verify(repair=True)
    assert wrong(taught) == {}


def test_no_version_is_without_a_full_text_index_while_it_is_repaired(taught: Memory) -> None:
    table = taught.path / "records.lance"
    for path in (table / "_indices").glob("*/*"):
        path.write_bytes(path.read_bytes()[:20])
    before = lance.dataset(table).version
    checks = {check.check: check for check in verify(taught.path, repair=True)}
    assert checks["full text index"].repair == "repaired"
    versions = [version["version"] for version in lance.dataset(table).versions() if version["version"] >= before]
    assert len(versions) > 1
    assert all(lance.dataset(table, version=version).has_index for version in versions)
    assert len(Memory.open(taught.path).search("door", mode="text")) == 1


def test_what_a_killed_build_left_of_an_index_goes_after_a_week(taught: Memory) -> None:
    draft = taught.path / "records.lance" / "_indices" / "killed" / "part.lance"
    draft.parent.mkdir()
    draft.write_bytes(b"x" * 1000)
    taught.compact()
    assert draft.exists()  # for all that Lance knows, it may still be written
    a_week_ago = time.time() - 8 * 86_400
    os.utime(draft, (a_week_ago, a_week_ago))
    taught.compact()
    assert not draft.exists()
    assert wrong(taught) == {}
    assert len(taught.search("door", mode="text")) == 1


def test_left_overs_are_shown_and_removed(taught: Memory) -> None:
    (taught.path / ".memory.json.4711").write_text("{")
    (taught.path / ".skips.jsonl.4711").write_text("{")
    (taught.path / "records.lance" / "data" / "0101killed.lance").write_bytes(b"x" * 1000)
    assert wrong(taught)["left-overs"].startswith("3 files of killed writers")
    with write_lock(taught.path):
        assert "left-overs" not in wrong(taught)  # they may be that writer's
    checks = {check.check: check for check in verify(taught.path, repair=True)}
    assert checks["left-overs"].repair == "repaired"
    assert wrong(taught) == {}
    assert len(taught) == 5
    assert taught.search("red", k=1)[0].record.label == "door"


def test_the_name_of_a_dead_writer(taught: Memory) -> None:
    (taught.path / "writer.json").write_text(
        json.dumps({"pid": 4711, "host": "ada", "since": "2024-06-01T12:00:00+00:00"})
    )
    assert "process 4711 on ada since 2024-06-01" in wrong(taught)["lock"]
    assert taught.add(texts=["it holds nobody up"])
    assert wrong(taught) == {}


def test_a_model_that_is_not_at_hand(taught: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVLN_DATA", str(tmp_path / "another user's"))
    assert wrong(taught)["model"] == f"{taught.table.snapshot.manifest.encoder_id} is not at hand"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs permissions that bind")
def test_a_directory_without_permission_to_write(taught: Memory, tiny_model: Model) -> None:
    taught.path.chmod(0o500)
    try:
        assert len(taught.search("red")) == 4
        with pytest.raises(MemoryStoreError, match="no permission to write"):
            taught.add(texts=["x"])
    finally:
        taught.path.chmod(0o700)
