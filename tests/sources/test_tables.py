from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from revln.sources import TableSource

ROWS = [
    {"image": "photos/a.jpg", "captions": ["Ada", " on the beach "], "label": "person"},
    {"question": "Where was Ada?", "answer": "in Sète", "image": "photos/a.jpg"},
    {"question": "How many?", "answer": 2},
    {"subject": "Ada", "relation": "is the sister of", "object": "Ben"},
    {"label": "tench", "text": "a fish"},
    {"label": 7},
    {"text": "The door is blue.", "colour": "blue"},
]


def jsonl(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def table(write):
    write("photos/a.jpg", b"x")
    return lambda name, content: TableSource(write(name, content))


def test_the_columns_tell_the_kind(table, scan, tmp_path) -> None:
    found = scan(table("t.jsonl", jsonl(*ROWS)))
    photo = str(tmp_path / "photos" / "a.jpg")
    uri = str(tmp_path / "t.jsonl")
    assert [(each.kind, each.uri, each.number, each.texts, each.label) for each in found.candidates] == [
        ("image", photo, 0, ("Ada", "on the beach"), "person"),
        ("qa", uri, 2, ("Where was Ada? in Sète",), None),
        ("qa", uri, 3, ("How many? 2",), None),
        ("triple", uri, 4, ("Ada is the sister of Ben",), None),
        ("label", uri, 5, ("a fish",), "tench"),
        ("label", uri, 6, ("7",), "7"),
        ("text", uri, 7, ("The door is blue.",), None),
    ]
    assert [dict(each.facts) for each in found.candidates[:4]] == [
        {},
        {"question": "Where was Ada?", "answer": "in Sète", "image": photo},
        {"question": "How many?", "answer": "2"},
        {"subject": "Ada", "relation": "is the sister of", "object": "Ben"},
    ]
    assert found.skipped == []


@pytest.mark.parametrize("kind", ["jsonl", "ndjson", "json", "parquet"])
def test_every_format_gives_the_same(scan, write, tmp_path, kind: str) -> None:
    write("photos/a.jpg", b"x")
    path = tmp_path / f"t.{kind}"
    rows = [{**row, "answer": str(row["answer"])} if "answer" in row else row for row in ROWS]
    rows = [{**row, "label": str(row["label"])} if "label" in row else row for row in rows]
    if kind == "parquet":
        names = dict.fromkeys(name for row in rows for name in row)
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    else:
        path.write_text(json.dumps(rows) if kind == "json" else jsonl(*rows))
    write("same.jsonl", jsonl(*rows))
    expected = scan(TableSource(tmp_path / "same.jsonl"))
    found = scan(TableSource(path))
    assert found.texts == expected.texts
    assert [each.facts for each in found.candidates] == [each.facts for each in expected.candidates]


def test_bad_rows_are_named_and_stop_nothing(table, scan) -> None:
    lines = [b'{"text": "one"}', b"", b'{"text": "tw', b"[1]", b'{"text": "caf\xe9"}', b'{"colour": "red"}',
             b'{"image": "gone.jpg", "text": "x"}', b'{"image": {"bytes": ""}}', b'{"text": "last"}']  # fmt: skip
    found = scan(table("t.jsonl", b"\n".join(lines)))
    assert found.texts == [("one",), ("last",)]
    assert [each.number for each in found.candidates] == [1, 9]
    *reasons, missing, no_path = found.reasons
    assert reasons == [
        "row 3: is no valid JSON",
        "row 4: is no JSON object",
        "row 5: is not UTF-8",
        "row 6: has no columns that make a record",
    ]
    assert missing.startswith("row 7: ")
    assert missing.endswith("gone.jpg: no such file")
    assert no_path == "row 8: its image is not given by a path"


def test_a_line_without_end_is_one_bad_row(table, scan, monkeypatch) -> None:
    monkeypatch.setattr("revln.sources.tables._ROW_BYTES", 100)
    found = scan(table("t.jsonl", '{"text": "' + "x" * 990 + '"}\n{"text": "after"}\n'))
    assert (found.texts, found.reasons) == ([("after",)], ["row 1: is longer than 100 bytes"])


def test_rows_of_one_photo_are_joined_where_they_follow_each_other(table, scan, write) -> None:
    write("photos/b.jpg", b"x")
    rows = [
        {"image": "photos/a.jpg", "text": "one"},
        {"image": "./photos/../photos/a.jpg", "text": "two", "label": "x"},
        {"file_name": "photos/b.jpg"},
        {"text": "between"},
        {"path": "photos/a.jpg", "text": "three"},
    ]
    found = scan(table("t.jsonl", jsonl(*rows)))
    assert [(Path(each.uri).name, each.texts, each.label) for each in found.candidates] == [
        ("a.jpg", ("one", "two"), "x"),
        ("b.jpg", None, None),
        ("t.jsonl", ("between",), None),
    ]
    (reason,) = found.reasons
    assert reason.startswith("row 5: ")
    assert reason.endswith("put the rows of a photo one after the other")


def test_rows_that_are_added_change_no_other(table, scan) -> None:
    before = scan(table("t.jsonl", jsonl(*ROWS[1:]))).candidates
    after = scan(table("t.jsonl", jsonl(*ROWS[1:], {"text": "new"}))).candidates
    assert [each.fingerprint for each in after[:-1]] == [each.fingerprint for each in before]


def test_tables_that_cannot_be_read(table, scan, tmp_path) -> None:
    assert scan(TableSource(tmp_path / "gone.jsonl")).reasons == ["no such file"]
    assert scan(table("t.json", "[{")).reasons[0].startswith("is no valid JSON")
    assert scan(table("t.parquet", b"PAR1 and no more")).reasons[0].startswith("is no sound Parquet")
    pq.write_table(pa.table({"colour": ["red"]}), tmp_path / "other.parquet")
    assert scan(TableSource(tmp_path / "other.parquet")).reasons[0].startswith("has none of the columns image")


def test_a_parquet_file_that_is_damaged_within(scan, tmp_path) -> None:
    path = tmp_path / "t.parquet"
    texts = [f"text {number} {'x' * 50}" for number in range(10_000)]
    pq.write_table(pa.table({"text": texts}), path, row_group_size=1000, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 80_000] = b"\xff" * 80_000
    path.write_bytes(data)
    found = scan(TableSource(path))
    assert 0 < len(found.candidates) < len(texts)
    assert found.reasons[-1].startswith("is no sound Parquet after row ")


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_memory_does_not_grow_with_the_table(tmp_path, kind: str) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.{kind}"
        texts = (f"a text of its own, number {number} " * 5 for number in range(rows))
        if kind == "jsonl":
            with path.open("w") as file:
                file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        else:
            pq.write_table(pa.table({"text": list(texts)}), path, row_group_size=2000)
        source = TableSource(path)
        tracemalloc.start()
        assert sum(1 for _ in source.scan()) == rows
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(2000)  # what is loaded once
    assert peak(20_000) < peak(4000) + 500_000
