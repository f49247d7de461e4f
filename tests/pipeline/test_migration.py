"""Another model for a memory, and the way back: resumable, without losing a record or a search."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from revln.errors import BundleError, MemoryStoreError
from revln.models import Model, list_bundles, load_model
from revln.pipeline import Memory, index
from revln.store.manifest import Manifest, VectorColumns
from revln.store.migration import Migration
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Another model: it sees eight pixels a side instead of sixteen."""
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "other", name="other", photo_side=8))


def names(memory: Memory, query: str = "red", **options) -> list[str]:
    return [Path(hit.record.uri).stem for hit in memory.search(query, **options)]


def columns(memory: Memory) -> set[str]:
    return {name for name in memory.table.refresh().dataset.schema.names if "vector" in name}


def test_there_and_back(filled: Memory, other: Model, tiny_model: Model) -> None:
    filled.add(texts=["a blue thing"])
    before = names(filled)
    seen = []
    report = filled.migrate(other, progress=lambda done, total: seen.append((done, total)))
    assert (report.encoder_id, report.previous) == (other.id, tiny_model.id)
    assert (report.records, report.embedded, report.from_thumbs, report.without_picture) == (5, 5, 0, ())
    assert seen[-1] == (5, 5)
    assert names(filled) == before
    assert filled.model.id == filled.info().encoder_id == other.id
    assert Memory.open(filled.path).model.id == other.id
    assert {bundle.card.id for bundle in list_bundles()} >= {other.id, tiny_model.id}
    assert filled.search("blue", kinds=["text"])[0].text == "a blue thing"

    back = filled.rollback()
    assert (back.encoder_id, back.previous, back.embedded) == (tiny_model.id, other.id, 0)
    assert filled.model.id == tiny_model.id
    assert names(filled) == before


def test_photos_in_an_archive_are_read_where_they_are(memory: Memory, other: Model, photo_folder: Path) -> None:
    with tarfile.open(photo_folder / "s.tar", "w") as tar:
        for name in ("red.png", "blue.png"):
            tar.add(photo_folder / name, f"in/{name}")
    index(photo_folder / "s.tar", memory=memory)
    report = memory.migrate(other)
    assert (report.embedded, report.from_thumbs, report.without_picture) == (2, 0, ())
    assert names(memory) == ["red", "blue"]
    memory.rollback()
    (photo_folder / "s.tar").unlink()
    memory.compact(drop_old=True)
    report = memory.migrate(other)
    assert (report.embedded, report.from_thumbs, report.without_picture) == (2, 2, ())


def test_what_comes_after_a_migration_survives_the_rollback(
    filled: Memory, other: Model, photo_folder: Path, make_photo: Callable[..., Path]
) -> None:
    filled.migrate(other)
    make_photo(photo_folder / "crimson.png", (220, 0, 0))
    make_photo(photo_folder / "blue.png", "yellow", size=(30, 30))
    index(photo_folder, memory=filled)
    filled.delete(where="uri LIKE '%green%'")
    assert filled.rollback().embedded == 2
    assert sorted(names(filled)) == ["blue", "crimson", "orange", "red"]
    scores = {Path(hit.record.uri).stem: hit.score for hit in filled.search("red")}
    assert scores["blue"] == pytest.approx(2**-0.5, abs=1e-3)  # yellow by now: as red as it is green


def test_records_that_come_in_meanwhile_are_caught_up_with(
    filled: Memory, other: Model, photo_folder: Path, make_photo: Callable[..., Path]
) -> None:
    second = Memory.open(filled.path)
    searched = []

    def write_once(done: int, total: int) -> None:
        if not searched:
            make_photo(photo_folder / "crimson.png", (220, 0, 0))
            second.add(image=photo_folder / "crimson.png")
            second.add(image=photo_folder / "blue.png", texts=["red sea"])
            second.delete(where="uri LIKE '%green%'")
            searched.append(sorted(names(second)))

    report = filled.migrate(other, progress=write_once)
    assert searched == [["blue", "crimson", "orange", "red"]]
    assert report.records == 4
    assert sorted(names(filled)) == ["blue", "crimson", "orange", "red"]
    assert filled.info().text_vectors == 1
    assert not [check for check in filled.verify() if not check.ok]


def test_compaction_in_the_middle_of_a_migration(filled: Memory, other: Model, photo_folder: Path) -> None:
    migration = Migration(filled.table, VectorColumns.of_encoder(other.id, other.dim))
    (batch,) = migration.pending()
    vectors = [np.array([1, 0, 0, 0], np.float32)] * 2
    migration.store(batch[:2], vectors, [None, None])
    filled.delete(ids=[record for record, uri in filled.table.snapshot.uris() if uri.endswith("blue.png")])
    filled.add(image=photo_folder / "blue.png")
    filled.compact(purge=True)
    assert migration.count() == 2 + (Path(batch[0].uri).stem == "blue" or Path(batch[1].uri).stem == "blue")
    assert not migration.switch()
    assert filled.migrate(other).records == 4
    assert filled.info().image_vectors == 4


def test_an_open_reader_follows_the_switch(filled: Memory, other: Model) -> None:
    reader = Memory.open(filled.path)
    searcher = reader.searcher()
    filled.migrate(other)
    query = reader.model.encode_texts(["red"])[0]
    assert len(searcher.index.search(query, 9, "image").row_ids) == 4  # what it has opened stays as it was
    assert names(reader)[0] == "red"
    assert reader.model.id == other.id


def test_a_writer_of_old_vectors_is_refused(filled: Memory, other: Model, photo_folder: Path) -> None:
    writer = Memory.open(filled.path)
    old = writer.model
    filled.migrate(other)
    writer.search("red")
    with pytest.raises(MemoryStoreError, match="migrated to another encoder meanwhile: run again"):
        writer.table.upsert(_rows(writer, photo_folder), encoder_id=old.id)


def _rows(memory: Memory, folder: Path) -> list:
    from revln.pipeline.photos import encode_photo
    from revln.types import Candidate

    candidate = Candidate("files", "image", str(folder / "red.png"), folder / "red.png", 1, 1)
    return [encode_photo(candidate, memory.model.encoder).row(np.zeros((0, 4), np.float32))]


def test_photos_that_are_gone_are_embedded_from_their_thumbs(
    filled: Memory, other: Model, photo_folder: Path, make_photo: Callable[..., Path]
) -> None:
    (photo_folder / "red.png").unlink()
    make_photo(photo_folder / "green.png", "blue")  # another picture under the name
    report = filled.migrate(other)
    assert (report.embedded, report.from_thumbs) == (4, 2)
    assert names(filled, k=1) == ["red"]
    assert filled.search("green", k=1)[0].score == pytest.approx(1, abs=0.01)


def test_a_photo_without_file_and_thumb_is_named(filled: Memory, other: Model, photo_folder: Path) -> None:
    _forget_thumbs(filled)
    (photo_folder / "red.png").unlink()
    report = filled.migrate(other)
    assert [Path(uri).name for uri in report.without_picture] == ["red.png"]
    assert filled.info().image_vectors == 3


def _forget_thumbs(memory: Memory) -> None:
    import pyarrow as pa

    from revln.store.columns import update_rows

    snapshot = memory.table.snapshot
    rows = snapshot.row_ids()
    update_rows(snapshot.dataset, pa.table({"_rowid": rows, "thumb": pa.nulls(len(rows), pa.binary())}))


def test_wrong_ways(filled: Memory, other: Model, tiny_model: Model) -> None:
    with pytest.raises(MemoryStoreError, match=r"is made with tiny-1-.* already"):
        filled.migrate(tiny_model)
    with pytest.raises(MemoryStoreError, match="holds no vectors of an earlier model"):
        filled.rollback()
    with pytest.raises(BundleError, match="no model 'nonsense'"):
        filled.migrate("nonsense")
    assert columns(filled) == {"image_vector", "text_vectors"}


def test_old_vectors_go_when_asked_or_with_the_next_migration(
    filled: Memory, other: Model, tiny_model: Model, tmp_path: Path
) -> None:
    filled.migrate(other)
    assert len(columns(filled)) == 4
    assert filled.storage().previous == tiny_model.id
    assert filled.storage().sizes["other_vectors"] > 0
    third = load_model(make_tiny_bundle(tmp_path / "third", name="third", photo_side=4))
    filled.migrate(third)
    assert columns(filled) == set(
        VectorColumns.of_encoder(other.id, 4).names + VectorColumns.of_encoder(third.id, 4).names
    )
    before = {hit.record.id: hit.score for hit in filled.search("red")}
    rows = filled.table.snapshot.row_ids().tolist()
    filled.compact(drop_old=True, purge=True)
    assert columns(filled) == set(VectorColumns.of_encoder(third.id, 4).names)
    assert {hit.record.id: hit.score for hit in filled.search("red")} == before
    assert filled.table.snapshot.row_ids().tolist() == rows
    assert names(filled, mode="text") == ["red"]
    assert all(-2 not in file.fields for fragment in filled.table.snapshot.dataset.get_fragments()
               for file in fragment.data_files())  # fmt: skip
    with pytest.raises(MemoryStoreError, match="no vectors of an earlier model"):
        filled.rollback()
    assert names(filled, k=1) == ["red"]
    assert Manifest.load(filled.path).previous is None


def test_migrating_to_the_previous_model_is_a_rollback(filled: Memory, other: Model, tiny_model: Model) -> None:
    filled.migrate(other)
    report = filled.migrate(tiny_model)
    assert (report.embedded, filled.model.id) == (0, tiny_model.id)
    assert {"image_vector", "text_vectors"} < columns(filled)


def test_a_rollback_needs_the_earlier_model(filled: Memory, other: Model, monkeypatch, tmp_path: Path) -> None:
    filled.migrate(other)
    monkeypatch.setenv("REVLN_DATA", str(tmp_path / "empty"))
    with pytest.raises(MemoryStoreError, match="which is not at hand"):
        Memory.open(filled.path, model=other).rollback()


def test_a_memory_whose_model_is_lost_can_migrate(filled: Memory, other: Model, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("REVLN_DATA", str(tmp_path / "empty"))
    opened = Memory.open(filled.path)
    assert opened.migrate(other).embedded == 4
    assert names(opened, k=1) == ["red"]


def test_an_unfinished_migration_is_shown_and_can_be_dropped(filled: Memory, other: Model) -> None:
    Migration(filled.table, VectorColumns.of_encoder(other.id, other.dim))
    assert len(filled.storage().unfinished) == 2
    assert any("has not ended" in check.detail for check in filled.verify())
    filled.compact(drop_old=True)
    assert columns(filled) == {"image_vector", "text_vectors"}
    assert names(filled, k=1) == ["red"]


RUN = """
import sys
import revln
import revln.pipeline.migration as migration

migration._COMMIT_ROWS = 40  # many commits to be killed in
memory = revln.Memory.open(sys.argv[1], create=False)
report = memory.migrate(sys.argv[2], progress=lambda done, total: print(done, flush=True))
print("embedded", report.embedded, report.records, flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_a_killed_migration_goes_on_where_it_stopped(
    memory: Memory, tmp_path: Path, other: Model, tiny_model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("revln.store.migration._BATCH_ROWS", 40)
    folder = tmp_path / "photos"
    folder.mkdir()
    for place, colour in enumerate(np.random.default_rng(0).integers(0, 256, (1200, 3)).tolist()):
        Image.new("RGB", (8, 8), tuple(colour)).save(folder / f"{place}.png")
    index(folder, memory=memory)
    before = [hit.record.id for hit in memory.search("red", k=50)]
    code = "import revln.store.migration as store\nstore._BATCH_ROWS = 40\n" + RUN
    command = [sys.executable, "-c", code, memory.path, other.bundle.directory]
    left = [1200]
    for _ in range(3):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline(), process.communicate()[1]
        time.sleep(0.05)
        process.kill()
        process.communicate()
        assert [hit.record.id for hit in memory.search("red", k=50)] == before  # the old vectors are in use
        assert memory.model.id == tiny_model.id
        left.append(Migration(memory.table, VectorColumns.of_encoder(other.id, 4)).count())
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < 1200, f"no kill came in the middle: {left}"
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split()[-3:] == ["embedded", str(left[-1]), "1200"], done.stderr
    assert [hit.record.id for hit in memory.search("red", k=50)] == before
    assert memory.model.id == other.id
    shutil.rmtree(folder)
