from __future__ import annotations

from collections.abc import Callable

import pytest

from revln.errors import QueryError
from revln.store import RecordTable, Row
from revln.store.words import decode_uri, encode_uri, name_words, segmented

MakeRow = Callable[..., Row]


def found(table: RecordTable, query: str, where: str | None = None) -> list[str]:
    row_ids, scores = table.snapshot.full_text(query, 100, where)
    assert list(scores) == sorted(scores, reverse=True)
    assert len(set(row_ids.tolist())) == len(row_ids)
    return sorted(record.uri for record in table.snapshot.records(row_ids).values())


def test_all_words_of_a_record_count(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([
        make_row("/holiday/IMG_2041-beach.jpg", texts={"a dog runs": (1.0,)}, label="poodle", keywords=("Ada",),
                 caption="Müller at sea"),
        make_row("/a/2.jpg"),
    ])  # fmt: skip
    for query in ("dogs", "running", "POODLE", "ada", "muller", "2041", "img", "beach", "cat dog"):
        assert found(table, query) == ["/holiday/IMG_2041-beach.jpg"], query
    for query in ("holiday", "jpg", "cat", "", '"; -- (', "the"):
        assert found(table, query) == [], query


def test_chinese_is_found_by_any_of_its_characters(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/1", texts={"一只狗在雪地里": (1.0,)}), make_row("/2", texts={"猫": (1.0,)})])
    assert found(table, "狗") == ["/1"]
    assert found(table, "雪地") == ["/1"]


def test_rows_are_found_before_during_and_after_indexing(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/1", label="dog"), make_row("/2", label="dog")])
    assert found(table, "dog") == ["/1", "/2"]
    table.upkeep()
    table.upsert([make_row("/3", label="dog")])
    assert found(table, "dog") == ["/1", "/2", "/3"]
    table.upsert([make_row("/1", label="cat")])
    assert found(table, "dog") == ["/2", "/3"]
    assert found(table, "cat") == ["/1"]
    table.upkeep()
    assert found(table, "dog") == ["/2", "/3"]
    table.delete("uri = '/2'")
    assert found(table, "dog") == ["/3"]
    table.compact()
    table.upsert([make_row("/4", label="dog"), make_row("/3", label="dog")])
    table.compact()
    assert found(table, "dog") == ["/3", "/4"]
    assert found(table, "cat") == ["/1"]


def test_a_filter_restricts_before_the_limit(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{number}", label="dog") for number in range(20)])
    table.upkeep()
    row_ids, _ = table.snapshot.full_text("dog", 1, "uri = '/19'")
    assert len(row_ids) == 1
    with pytest.raises(QueryError, match="nope"):
        table.snapshot.full_text("dog", 1, "nope = 1")


def test_an_empty_memory_finds_nothing(table: RecordTable) -> None:
    assert found(table, "dog") == []


def test_words() -> None:
    assert name_words("C:\\x\\IMG_20240601_beach2.tar.gz") == "IMG 20240601 beach 2 tar"
    assert name_words("/a/.hidden") == "hidden"
    assert segmented(["a", "", "b狗c"]) == "a b 狗 c"


@pytest.mark.parametrize("uri", ["/a/b", "/a/\udcff\udc80x", "/a/狗 '\"", ""])
def test_uris_are_encoded_reversibly(uri: str) -> None:
    encode_uri(uri).encode()
    assert decode_uri(encode_uri(uri)) == uri


def test_deleted_rows_stay_gone_when_the_index_was_not_rebuilt(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{number}", label="dog") for number in range(4)])
    table.upkeep()
    table.delete("uri in ('/0', '/2')")
    table.snapshot.dataset.optimize.compact_files()  # and here the writer is killed
    table.refresh()
    assert found(table, "dog") == ["/1", "/3"]
    row_ids, _ = table.snapshot.full_text("dog", 100)
    assert len(row_ids) == 2
    table.compact(purge=True)
    assert found(table, "dog") == ["/1", "/3"]
