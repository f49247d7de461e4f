from __future__ import annotations

from collections.abc import Callable

import pytest

from revln.errors import QueryError
from revln.store import RecordTable, Row
from revln.store.words import cjk_runs, decode_uri, encode_uri, name_words, query_words, segmented

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


def test_chinese_words_are_found(table: RecordTable, make_row: MakeRow) -> None:
    captions = {
        "/1": "一只棕色的狗在雪地里奔跑",
        "/2": "猫躺在草地上晒太阳",
        "/3": "孩子们在海边堆沙堡，天空很蓝",
        "/4": "雪山下的小木屋",
    }
    table.upsert([make_row(uri, texts={text: (1.0,)}) for uri, text in captions.items()])
    for _ in range(2):
        assert found(table, "狗") == ["/1"]
        assert found(table, "雪") == ["/1", "/4"]
        assert found(table, "雪地") == ["/1"]  # neither the snow of /4 nor the ground of /2
        assert found(table, "草地") == ["/2"]
        assert found(table, "小木屋") == ["/4"]
        assert found(table, "地上 雪山") == ["/2", "/4"]
        assert found(table, "沙堡 dog") == ["/3"]
        assert found(table, "太空") == []  # both characters are there, in different photos
        table.upkeep()


def test_neighbouring_characters_come_first(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert(
        [make_row("/apart", texts={"雪落在地": (1.0,)}), make_row("/word", texts={"走在很厚的雪地里": (1.0,)})]
    )
    row_ids, scores = table.snapshot.full_text("雪地", 10)
    assert [record.uri for record in table.snapshot.records(row_ids).values()] == ["/word", "/apart"]
    assert scores[0] > 3 * scores[1]


def test_japanese_and_korean(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert(
        [make_row("/ja", label="ひまわり畑"), make_row("/ko", label="해바라기 밭"), make_row("/zh", label="𠮷野家")]
    )
    assert found(table, "ひまわり") == ["/ja"]
    assert found(table, "해바라기") == ["/ko"]
    assert found(table, "𠮷野") == ["/zh"]


def test_rows_from_before_pairs_are_found(table: RecordTable, make_row: MakeRow, monkeypatch) -> None:
    apart = "revln.store.rows.segmented"
    monkeypatch.setattr(apart, lambda parts: " ".join(" ".join(part) for part in parts if part))
    table.upsert([make_row("/old", texts={"狗在雪地里": (1.0,)}), make_row("/ground", texts={"草地": (1.0,)})])
    monkeypatch.undo()
    table.upsert([make_row("/new", texts={"雪地": (1.0,)})])
    for _ in range(2):
        assert found(table, "雪地") == ["/new", "/old"]
        assert found(table, "狗") == ["/old"]
        table.upkeep()


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
    assert segmented(["a", "", "b狗c"]).split() == ["a", "b", "狗", "c"]
    assert segmented(["雪地里", "x"]).split() == ["雪", "地", "里", "雪地", "地里", "x"]
    assert query_words("雪地里 dogs 狗").split() == ["雪地", "地里", "dogs", "狗"]
    assert cjk_runs("雪地里 dogs 狗 海边") == ["雪地里", "海边"]


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
