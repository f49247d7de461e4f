from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from revln.store import RecordTable, Row, VectorIndex

MakeRow = Callable[..., Row]
X = np.array([1, 0, 0, 0], np.float32)


def found(index: VectorIndex, table: RecordTable, query: np.ndarray = X, k: int = 10, modality: str = "image") -> list:
    matches = index.search(query, k, modality)
    records = table.snapshot.records(matches.row_ids)
    return [
        (records[row_id].uri, round(score, 4), number)
        for row_id, score, number in zip(
            matches.row_ids.tolist(), matches.scores.tolist(), matches.text_numbers.tolist(), strict=True
        )
    ]


def test_images_by_cosine(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/half", (3.0, 4.0)), make_row("/same", (2.0,)), make_row("fact", None, {"t": (1.0,)})])
    table.upsert([make_row("/not", (0.0, 1.0))])
    index = VectorIndex(table.snapshot)
    assert found(index, table) == [("/same", 1.0, -1), ("/half", 0.6, -1), ("/not", 0.0, -1)]
    assert found(index, table, k=1) == [("/same", 1.0, -1)]
    assert (index.count("image"), index.count("text")) == (3, 1)


def test_a_record_with_many_texts_comes_once_with_its_best(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert(
        [
            make_row("/none"),
            make_row("/a", texts={"a0": (0.0, 1.0), "a1": (3.0, 4.0), "a2": (0.0, 0.0, 1.0)}),
            make_row("/b", None, {"b0": (1.0,), "b1": (4.0, 3.0)}),
        ]
    )
    table.upsert([make_row("/c", texts={"c0": (4.0, 3.0)})])
    index = VectorIndex(table.snapshot)
    assert found(index, table, modality="text") == [("/b", 1.0, 0), ("/c", 0.8, 0), ("/a", 0.6, 1)]
    assert found(index, table, k=2, modality="text") == [("/b", 1.0, 0), ("/c", 0.8, 0)]


def test_only_allowed_records(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{n}", (1.0, n / 10), {"x": (0.0, 1.0), "y": (1.0, n / 10)}) for n in range(10)])
    index = VectorIndex(table.snapshot)
    allowed = np.array([3, 7], np.uint64)
    assert index.search(X, 10, "image", allowed).row_ids.tolist() == [3, 7]
    texts = index.search(X, 10, "text", allowed)
    assert texts.row_ids.tolist() == [3, 7]
    assert texts.text_numbers.tolist() == [1, 1]
    assert index.search(X, 10, "image", np.empty(0, np.uint64)).scores.shape == (0,)


def test_several_queries_at_once_equal_one_by_one(table: RecordTable, make_row: MakeRow) -> None:
    random = np.random.default_rng(0)

    def texts(count: int) -> dict[str, tuple[float, ...]]:
        return {str(number): tuple(random.normal(size=4)) for number in range(count)}

    for start in (0, 20):
        table.upsert([make_row(f"/{n}", tuple(random.normal(size=4)), texts(n % 4)) for n in range(start, start + 20)])
    index = VectorIndex(table.snapshot)
    queries = random.normal(size=(3, 4)).astype(np.float32)
    for modality in ("image", "text"):
        together = index.search(queries, 5, modality)
        assert together.scores.shape == (3, 5)
        for row, query in enumerate(queries):
            alone = index.search(query, 5, modality)
            np.testing.assert_array_equal(together.row_ids[row], alone.row_ids)
            np.testing.assert_array_equal(together.text_numbers[row], alone.text_numbers)
            np.testing.assert_allclose(together.scores[row], alone.scores, rtol=1e-5)


def test_equal_scores_make_pages_that_do_not_overlap(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{number}") for number in range(30)])
    index = VectorIndex(table.snapshot)
    whole = index.search(X, 30, "image").row_ids.tolist()
    assert whole == list(range(30))
    assert index.search(X, 7, "image").row_ids.tolist() == whole[:7]


def test_an_empty_memory(table: RecordTable) -> None:
    index = VectorIndex(table.snapshot)
    for modality in ("image", "text"):
        assert index.search(X, 5, modality).scores.shape == (0,)
        assert index.search(np.stack([X, X]), 5, modality).row_ids.shape == (2, 0)


def test_a_query_of_another_width(table: RecordTable) -> None:
    with pytest.raises(ValueError, match="3 dimensions"):
        VectorIndex(table.snapshot).search(np.ones(3, np.float32), 1, "image")


def test_a_refreshed_index_is_a_fresh_one(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row(f"/{n}", (1.0, n), {"t": (n, 1.0)}) for n in range(6)])
    index = VectorIndex(table.snapshot)
    assert index.refreshed(table.snapshot) is index
    steps = [
        lambda: table.upsert([make_row("/2", (0.0, 0.0, 1.0)), make_row("/9", (1.0,))]),
        lambda: table.delete("uri = '/0'"),
        lambda: table.upsert([make_row("/9", (0.0, 1.0), {"u": (1.0,)})]),
        table.compact,
        lambda: table.relocate("/9", "/10"),
        lambda: table.delete("true"),
    ]
    for step in steps:
        old = found(index, RecordTable(index_snapshot := table.snapshot))
        step()
        assert found(index, RecordTable(index_snapshot)) == old  # the old index still answers as before
        index = index.refreshed(table.snapshot)
        for modality in ("image", "text"):
            assert found(index, table, modality=modality) == found(
                VectorIndex(table.snapshot), table, modality=modality
            )


def test_vectors_are_aligned_for_fast_products(table: RecordTable, make_row: MakeRow) -> None:
    for start in range(0, 300, 100):
        table.upsert([make_row(f"/{n}", texts={"t": (1.0,)}, thumb=bytes(n)) for n in range(start, start + 100)])
    table.compact()
    modalities = VectorIndex(table.snapshot)._modal.values()
    assert all(block.vectors.flags.aligned for modality in modalities for block in modality.blocks)


def test_refreshing_reads_new_fragments_only(table: RecordTable, make_row: MakeRow) -> None:
    table.upsert([make_row("/1")])
    index = VectorIndex(table.snapshot)
    table.upsert([make_row("/2")])
    refreshed = index.refreshed(table.snapshot)
    assert index._modal["image"].blocks[0] in refreshed._modal["image"].blocks
    assert len(refreshed._modal["image"].blocks) == 2
