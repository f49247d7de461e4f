from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa
import pytest

from revln.errors import MemoryStoreError, QueryError
from revln.store import RecordTable, Row, UpsertCounts, VectorIndex
from revln.store.columns import update_rows
from revln.store.manifest import Manifest
from revln.types import record_id

MakeRow = Callable[..., Row]


def uris(table: RecordTable) -> list[str]:
    return sorted(uri for _, uri in table.snapshot.uris())


def test_a_record_comes_back_as_it_went_in(table: RecordTable, make_row: MakeRow) -> None:
    row = make_row(
        "/a/Strand 1.jpg",
        texts={"a dog": (1.0,), "一只狗": (0.0, 1.0)},
        label="dog",
        kind="image_text",
        extra={"note": [1, "x"]},
        taken_at=datetime(2024, 6, 1, 12, 30),
        camera="Nikon",
        lat=0.0,
        keywords=("beach", "sun"),
        width=640,
        height=480,
    )
    table.upsert([row])
    snapshot = table.snapshot
    record = snapshot.records(snapshot.row_ids())[0]
    assert record.id == row.candidate.id
    assert (record.source, record.kind, record.uri) == ("photos", "image_text", "/a/Strand 1.jpg")
    assert record.texts == ("a dog", "一只狗")
    assert record.label == "dog"
    meta = dict(record.meta)
    assert datetime.fromisoformat(meta.pop("indexed_at")).year >= 2024
    assert meta == {
        "note": [1, "x"],
        "taken_at": "2024-06-01T12:30:00",
        "camera": "Nikon",
        "lat": 0.0,
        "keywords": ["beach", "sun"],
        "width": 640,
        "height": 480,
    }
    assert snapshot.thumbs(snapshot.row_ids()) == {0: b"webp"}


def test_text_vectors_of_the_rows_that_have_some(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/1", texts={"a": (1.0,), "b": (0.0, 1.0)}), make_row("/2")])
    table.upsert([make_row("/3", None, {"c": (0.6, 0.8)}, kind="text"), make_row("/4", texts={"d": (0.0, 0.0, 1.0)})])
    table.delete("uri = '/4'")
    found = table.snapshot.text_vectors(np.array([3, 2, 0, 1, 99], np.uint64))
    assert {row: vectors.tolist() for row, vectors in found.items()} == {
        0: [[1, 0, 0, 0], [0, 1, 0, 0]],
        2: [pytest.approx([0.6, 0.8, 0, 0])],
    }
    assert all(vectors.dtype == np.float32 for vectors in found.values())
    assert table.snapshot.text_vectors(np.array([1, 99], np.uint64)) == {}
    assert table.snapshot.text_vectors(np.array([], np.uint64)) == {}


def test_text_vectors_that_a_migration_has_still_to_make_are_none(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{number}", texts={"a": (1.0,)}) for number in range(3)])
    column = table.snapshot.manifest.text_column
    nothing = pa.nulls(1, table.snapshot.dataset.schema.field(column).type)
    update_rows(table.snapshot.dataset, pa.table({"_rowid": pa.array([1], pa.uint64()), column: nothing}))
    assert set(table.refresh().text_vectors(np.arange(3, dtype=np.uint64))) == {0, 2}


def test_an_unreadable_file_name_survives(table: RecordTable, make_row: MakeRow) -> None:
    uri = "/a/caf\udce9.jpg"  # Latin-1 bytes on a UTF-8 system
    table.upsert([make_row(uri)])
    assert uris(table) == [uri]
    assert record_id("photos", "image", uri) in table.snapshot.known()


def test_upsert_keeps_one_row_an_id(table: RecordTable, make_row: MakeRow) -> None:
    assert table.upsert([make_row("/a/1"), make_row("/a/2")]) == UpsertCounts(added=2, updated=0)
    before = table.snapshot.row_ids("uri = '/a/1'")
    assert table.upsert([make_row("/a/1", label="new"), make_row("/a/3")]) == UpsertCounts(added=1, updated=1)
    assert table.snapshot.count() == 3
    assert table.snapshot.count("label = 'new'") == 1
    assert table.snapshot.row_ids("uri = '/a/1'") == before


def test_of_two_rows_with_one_id_the_later_is_kept(table: RecordTable, make_row: MakeRow) -> None:
    assert table.upsert([make_row("/a/1", label="old"), make_row("/a/1", label="new")]) == UpsertCounts(1, 0)
    assert table.snapshot.count("label = 'new'") == table.snapshot.count() == 1


def test_nothing_to_write_makes_no_version(table: RecordTable) -> None:
    version = table.snapshot.version
    assert table.upsert([]) == UpsertCounts(0, 0)
    assert table.delete_ids([]) == 0
    assert table.snapshot.version == version


def test_a_vector_of_another_width_is_refused(table: RecordTable, make_row: MakeRow) -> None:
    row = make_row("/a/1")
    wrong = Row(row.candidate, image_vector=np.ones(3, np.float32))
    with pytest.raises(MemoryStoreError, match=r"shape \(3,\), the memory takes \(4,\)"):
        table.upsert([wrong])


def test_each_text_needs_its_vector(make_row: MakeRow) -> None:
    with pytest.raises(ValueError, match="2 texts but 0 text vectors"):
        Row(make_row("/a/1").candidate, texts=("a", "b"))


def test_known_tells_unchanged_from_changed(table: RecordTable, make_row: MakeRow) -> None:
    rows = [make_row(f"/a/{number}", mtime_ns=number) for number in range(50)]
    table.upsert(rows[:25])
    table.upsert(rows[25:])
    known = table.snapshot.known()
    assert len(known) == 50
    assert set(known) == {row.candidate.id for row in rows}
    assert all(known[row.candidate.id] == row.candidate.fingerprint for row in rows)
    assert known.get(make_row("/a/7", mtime_ns=99).candidate.id) == rows[7].candidate.fingerprint
    assert known.get("0" * 20) is None
    assert "zz" not in known


def test_an_empty_memory_knows_nothing(table: RecordTable) -> None:
    assert len(table.snapshot.known()) == 0
    assert "a" not in table.snapshot.known()


def test_delete_by_filter_and_by_id(table: RecordTable, make_row: MakeRow) -> None:
    rows = [make_row(f"/a/{number}", label="even" if number % 2 == 0 else "odd") for number in range(6)]
    table.upsert(rows)
    assert table.delete("label = 'even'") == 3
    assert table.delete_ids([rows[1].candidate.id, rows[0].candidate.id, rows[1].candidate.id]) == 1
    assert uris(table) == ["/a/3", "/a/5"]
    with pytest.raises(QueryError, match="filter does not work"):
        table.delete("label = ")


def test_files_that_are_gone_can_be_pruned(table: RecordTable, make_row: MakeRow, tmp_path: Path) -> None:
    there = tmp_path / "there.jpg"
    there.touch()
    table.upsert([make_row(str(there)), make_row(str(tmp_path / "gone.jpg"))])
    gone = [record for record, uri in table.snapshot.uris() if not Path(uri).exists()]
    assert table.delete_ids(gone) == 1
    assert uris(table) == [str(there)]


def test_records_come_in_the_order_asked(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/a/{number}") for number in range(5)])
    records = table.snapshot.records(np.array([3, 0, 99, 4], np.uint64))
    assert [(row_id, record.uri) for row_id, record in records.items()] == [(3, "/a/3"), (0, "/a/0"), (4, "/a/4")]
    assert table.snapshot.column("uri", np.array([4, 1], np.uint64)) == {4: "/a/4", 1: "/a/1"}
    assert table.snapshot.records(np.empty(0, np.uint64)) == {}


def test_a_snapshot_stays_while_others_write(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/a/1", label="old")])
    reader = RecordTable.open(table.directory)
    own = table.snapshot
    table.upsert([make_row("/a/1", label="new"), make_row("/a/2")])
    table.delete("uri = '/a/2'")
    for snapshot in (reader.snapshot, own):
        assert snapshot.count() == snapshot.count("label = 'old'") == 1
    assert reader.refresh().count("label = 'new'") == 1


def test_two_tables_write_in_turn(table: RecordTable, make_row: MakeRow) -> None:
    other = RecordTable.open(table.directory)
    table.upsert([make_row("/a/1", label="first")])
    assert other.upsert([make_row("/a/1", label="second")]) == UpsertCounts(added=0, updated=1)
    assert table.refresh().count("label = 'second'") == 1


def test_a_migration_meanwhile_refuses_old_vectors(table: RecordTable, make_row: MakeRow) -> None:
    Manifest(encoder_id="fake-2", dim=4).save(table.directory)
    with pytest.raises(MemoryStoreError, match="migrated"):
        table.upsert([make_row("/a/1")])
    assert table.refresh().manifest.encoder_id == "fake-2"
    table.upsert([make_row("/a/1")])


def test_relocation_moves_ids_and_keeps_vectors(table: RecordTable, make_row: MakeRow) -> None:
    rows = [
        make_row("/old/a/1.jpg", (0.0, 1.0), mtime_ns=7),
        make_row("/old/a", (0.0, 0.0, 1.0)),
        make_row("/old/ab/1.jpg"),
    ]
    table.upsert(rows[:1])
    table.upsert(rows[1:])
    index = VectorIndex(table.snapshot)
    assert table.relocate("/old/a/", "/new") == 2
    assert uris(table) == ["/new", "/new/1.jpg", "/old/ab/1.jpg"]
    snapshot = table.snapshot
    assert snapshot.known()[record_id("photos", "image", "/new/1.jpg")] == rows[0].candidate.fingerprint
    matches = index.refreshed(snapshot).search(np.array([0, 1, 0, 0], np.float32), 1, "image")
    assert snapshot.records(matches.row_ids)[int(matches.row_ids[0])].uri == "/new/1.jpg"
    # later writes and compaction find the new ids
    assert table.upsert([make_row("/new/1.jpg")]) == UpsertCounts(added=0, updated=1)
    table.compact()
    assert uris(table) == ["/new", "/new/1.jpg", "/old/ab/1.jpg"]
    assert table.relocate("/nowhere", "/else") == 0


def test_records_about_photos_follow_them(table: RecordTable, make_row: MakeRow) -> None:
    def about(photo: str, uri: str) -> Row:
        return make_row(uri, None, {"Who? Ada": (1.0,)}, kind="qa", extra={"question": "Who?", "image": photo})

    elsewhere = [about("/old/a/1.jpg", "/q/1.json"), about("/old/ab/1.jpg", "/q/2.json"), about("/old/a", "/q/3.json")]
    table.upsert([make_row("/old/a/1.jpg"), about("/old/a/1.jpg", "/old/a/1.jpg"), *elsewhere])
    ids = set(table.snapshot.known())
    assert table.relocate("/old/a", "/nëw") == 2
    found = table.snapshot.records(table.snapshot.row_ids())
    named = sorted((record.uri, record.meta.get("image", "")) for record in found.values())
    assert named == [
        ("/nëw/1.jpg", ""),
        ("/nëw/1.jpg", "/nëw/1.jpg"),
        ("/q/1.json", "/nëw/1.jpg"),
        ("/q/2.json", "/old/ab/1.jpg"),
        ("/q/3.json", "/nëw"),
    ]
    assert {row.candidate.id for row in elsewhere} == ids & {record.id for record in found.values()}
    assert all(record.meta["question"] == "Who?" for record in found.values() if record.kind == "qa")


def test_what_moves_onto_a_record_that_only_follows_a_photo_is_not_there_twice(
    table: RecordTable, make_row: MakeRow
) -> None:
    def about(uri: str) -> Row:
        return make_row(uri, None, {"Who? Ada": (1.0,)}, kind="qa", extra={"image": "/old/1.jpg"})

    table.upsert([make_row("/old/1.jpg"), about("/old/q.json"), about("/new/q.json")])
    assert table.relocate("/old", "/new") == 1
    found = table.snapshot.records(table.snapshot.row_ids()).values()
    assert sorted(record.uri for record in found) == ["/new/1.jpg", "/new/q.json"]
    assert len({record.id for record in found}) == 2
    assert {record.meta["image"] for record in found if record.kind == "qa"} == {"/new/1.jpg"}


def test_links_by_id_follow_as_well(table: RecordTable, make_row: MakeRow) -> None:
    photo = make_row("/old/1.jpg")
    table.upsert([photo, make_row("/f", None, {"Ada": (1.0,)}, kind="text", extra={"image": photo.candidate.id})])
    table.relocate("/old", "/new")
    found = table.snapshot.records(table.snapshot.row_ids()).values()
    (fact,) = (record for record in found if record.kind == "text")
    assert fact.meta["image"] in {record.id for record in found if record.kind == "image"}


def test_relocation_onto_indexed_photos_leaves_no_twins(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/old/1", label="stale"), make_row("/old/2"), make_row("/new/1", label="fresh")])
    assert table.relocate("/old", "/new") == 1
    assert uris(table) == ["/new/1", "/new/2"]
    assert table.snapshot.count("label = 'fresh'") == 1


def test_a_folder_can_move_into_itself(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/a/1"), make_row("/a/a/1")])
    assert table.relocate("/a", "/a/a") == 2
    assert uris(table) == ["/a/a/1", "/a/a/a/1"]


def test_compaction_bounds_fragments_and_keeps_readers(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/a/0")])
    reader = RecordTable.open(table.directory)
    for number in range(1, 70):
        table.upsert([make_row(f"/a/{number}")])
    assert table.snapshot.count() == 70
    assert table.snapshot.info().fragments < 64
    assert reader.snapshot.count() == 1
    assert len(reader.snapshot.records(reader.snapshot.row_ids())) == 1
    assert len(VectorIndex(table.snapshot).search(np.ones(4, np.float32), 100, "image").scores) == 70


def test_a_purge_leaves_no_trace_of_the_deleted(table: RecordTable, make_row: MakeRow) -> None:
    secret = b"SECRET-THUMB" * 20
    table.upsert([make_row("/a/1", thumb=secret), *(make_row(f"/a/{number}") for number in range(2, 40))])
    table.delete("uri = '/a/1'")
    table.compact(purge=True)
    held = b"".join(path.read_bytes() for path in table.directory.rglob("*") if path.is_file())
    assert b"SECRET-THUMB" not in held
    assert table.snapshot.count() == 38


def test_old_versions_go_when_they_are_old_enough(table: RecordTable, make_row: MakeRow) -> None:
    for number in range(5):
        table.upsert([make_row(f"/a/{number}")])
    table.upkeep()
    assert len(lance.dataset(table.directory / "records.lance").versions()) > 5
    table.compact(keep=timedelta(0))
    assert len(lance.dataset(table.directory / "records.lance").versions()) == 1


def test_info_counts(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert(
        [
            make_row("/a/1", texts={"x": (1.0,), "y": (1.0,)}, kind="image_text", taken_at=datetime(2020, 1, 2)),
            make_row("/a/2", source="phone", taken_at=datetime(2021, 1, 2)),
            make_row("fact", None, {"z": (1.0,)}, kind="text"),
        ]
    )
    info = table.snapshot.info()
    assert (info.records, info.image_vectors, info.text_vectors) == (3, 2, 3)
    assert info.kinds == {"image_text": 1, "image": 1, "text": 1}
    assert info.sources == {"photos": 2, "phone": 1}
    assert (info.taken_from, info.taken_to) == ("2020-01-02T00:00:00", "2021-01-02T00:00:00")
    assert info.bytes > 1000
    assert info.to_dict()["encoder_id"] == "fake-1"


def test_info_of_an_empty_memory(table: RecordTable) -> None:
    info = table.snapshot.info()
    assert (info.records, info.image_vectors, info.text_vectors, info.taken_from) == (0, 0, 0, None)
