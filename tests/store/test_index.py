"""The index of segments against a plain NumPy search, through everything that can happen to a table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from revln.errors import MemoryStoreError
from revln.protocols import VectorMatches
from revln.store import RecordTable, Row, VectorIndex
from revln.store.catalog import IndexLimits, covering_segments, index_directory, keep_index
from revln.store.segment import VECTORS, Probe, Segment, SegmentFacts, lists_file
from revln.types import Candidate, Embedding, Modality

LIMITS = IndexLimits(exact=0, uncovered=64, segment=300, merged=2)
DIM, TEXT_DIM = 24, 10

Rows = dict[str, Row]


@pytest.fixture
def table(tmp_path: Path) -> RecordTable:
    return RecordTable.create(tmp_path / "m.revln", "model-1", DIM)


def unit(rows: Embedding) -> Embedding:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def rows_of(names: Sequence[int], rng: np.random.Generator) -> Rows:
    """Some photos with up to three texts, which are zero beyond ``TEXT_DIM``."""
    rows = {}
    for name in names:
        texts = tuple(f"text {number}" for number in range(rng.integers(0, 4)))
        vectors = np.zeros((len(texts), DIM), np.float32)
        vectors[:, :TEXT_DIM] = unit(rng.standard_normal((len(texts), TEXT_DIM)))
        rows[str(name)] = Row(
            Candidate("photos", "image", f"/{name}", Path(f"/{name}"), 1, 1),
            texts,
            image_vector=unit(rng.standard_normal(DIM)) if name % 7 else None,
            text_vectors=vectors if texts else None,
        )
    return rows


def expected(rows: Rows, query: Embedding, k: int, modality: Modality) -> list[tuple[str, float, int]]:
    """Names, scores and text numbers of the best, by plain NumPy."""
    found = []
    for name, row in rows.items():
        if modality == "image" and row.image_vector is not None:
            found.append((name, float(row.image_vector @ query), -1))
        if modality == "text" and row.text_vectors is not None:
            scores = row.text_vectors @ query
            found.append((name, float(scores.max()), int(scores.argmax())))
    return sorted(found, key=lambda entry: -entry[1])[:k]


def check(table: RecordTable, rows: Rows, index: VectorIndex | None, rng: np.random.Generator) -> VectorIndex:
    """Compares searches by image, by text, and among a few records."""
    snapshot = table.refresh()
    index = VectorIndex(snapshot) if index is None else index.refreshed(snapshot)
    ids = snapshot.row_ids()
    names = {row: uri[1:] for row, uri in snapshot.column("uri", ids).items()}
    few = np.sort(rng.choice(ids, min(9, len(ids)), replace=False))
    for modality in ("image", "text"):
        for narrow in (True, False):
            query = unit(rng.standard_normal(DIM))
            if narrow:
                query[TEXT_DIM:] = 0
            for allowed in (None, few):
                kept = rows if allowed is None else {names[int(row)]: rows[names[int(row)]] for row in allowed}
                wanted = expected(kept, query, 12, modality)
                found = index.search(query, 12, modality, allowed)
                assert [names[int(row)] for row in found.row_ids] == [name for name, _, _ in wanted]
                np.testing.assert_allclose(found.scores, [score for _, score, _ in wanted], atol=1e-6)
                assert found.text_numbers.tolist() == [number for _, _, number in wanted]
    pictured = np.array([row for row, name in names.items() if rows[name].image_vector is not None], np.uint64)
    np.testing.assert_array_equal(
        index.image_vectors(pictured), np.stack([rows[names[int(row)]].image_vector for row in pictured])
    )
    assert index.count("image") == len(pictured)
    assert index.count("text") == sum(len(row.texts) for row in rows.values())
    return index


@pytest.fixture(autouse=True)
def _every_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks into every list, so that the result is exact; how many are needed is measured by a benchmark."""
    monkeypatch.setattr("revln.store.segment._PROBED", 1.0)


def test_any_history_gives_the_answers_of_numpy(table: RecordTable) -> None:
    rng = np.random.default_rng(5)
    rows: Rows = {}
    index = None
    for step in range(14):
        start = 80 * step
        added = rows_of([*range(start, start + 80), *rng.integers(0, start + 1, 5)], rng)  # some anew
        table.upsert(list(added.values()))
        rows |= added
        gone = [str(name) for name in rng.choice(sorted(rows), 12, replace=False)]
        table.delete_ids([rows.pop(name).candidate.id for name in gone])
        index = check(table, rows, index, rng)
        if step % 2:
            keep_index(table.refresh(), TEXT_DIM, LIMITS)
            index = check(table, rows, index, rng)
        if step == 9:
            table.compact()
            index = check(table, rows, index, rng)
    assert len(covering_segments(table.snapshot, "image")) > 1
    check(table, rows, None, rng)


def test_an_older_version_is_searched_as_it_was(table: RecordTable) -> None:
    rng = np.random.default_rng(6)
    rows = rows_of(range(200), rng)
    table.upsert(list(rows.values()))
    old = table.refresh()
    table.delete_ids([row.candidate.id for row in rows.values()][:100])
    table.upsert(list(rows_of(range(300, 500), rng).values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    query = unit(rng.standard_normal(DIM))
    found = VectorIndex(old).search(query, 5, "image")
    names = {row: uri[1:] for row, uri in old.column("uri", found.row_ids).items()}
    assert [names[int(row)] for row in found.row_ids] == [name for name, _, _ in expected(rows, query, 5, "image")]


def test_small_segments_are_merged_and_large_ones_left_alone(table: RecordTable) -> None:
    rng = np.random.default_rng(7)
    most = 0
    for step in range(12):
        table.upsert(list(rows_of(range(70 * step, 70 * step + 70), rng).values()))
        keep_index(table.refresh(), TEXT_DIM, LIMITS)
        most = max(most, len(covering_segments(table.snapshot, "image")))
    sizes = [len(np.load(path / VECTORS, mmap_mode="r")) for path in covering_segments(table.snapshot, "image")]
    assert sum(sizes) == 720  # all photos but each seventh
    assert max(sizes) <= LIMITS.segment
    assert most <= 6


def test_small_memories_have_no_index(table: RecordTable) -> None:
    table.upsert(list(rows_of(range(100), np.random.default_rng(8)).values()))
    assert not keep_index(table.refresh(), TEXT_DIM)
    assert not (table.directory / "index").exists()


def damage_none(directory: Path) -> None:
    shutil.rmtree(directory)


def damage_catalogue(directory: Path) -> None:
    (directory / "catalog.json").write_text("{")


def damage_facts(directory: Path) -> None:
    next(directory.glob("*/segment.json")).write_text("[]")


def damage_vectors(directory: Path) -> None:
    path = next(directory.glob(f"*/{VECTORS}"))
    path.write_bytes(path.read_bytes()[:500])


def damage_lists(directory: Path) -> None:
    path = next(directory.glob("*/lists-24.faiss"))
    path.write_bytes(path.read_bytes()[:900])


@pytest.mark.parametrize("damage", [damage_none, damage_catalogue, damage_facts, damage_vectors, damage_lists])
def test_a_damaged_index_is_searched_around_and_built_anew(table: RecordTable, damage: Callable[[Path], None]) -> None:
    rng = np.random.default_rng(9)
    rows = rows_of(range(150), rng)
    table.upsert(list(rows.values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    assert covering_segments(table.snapshot, "image")
    damage(index_directory(table.snapshot, "image"))
    check(table, rows, None, rng)
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    check(table, rows, None, rng)


def test_the_catalogue_is_read_when_it_has_changed_only(table: RecordTable, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(12)
    table.upsert(list(rows_of(range(150), rng).values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    read: list[Path] = []
    plain = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **options: (read.append(path), plain(path, **options))[1])
    index = VectorIndex(table.snapshot)
    read.clear()
    assert all(index.refreshed(table.snapshot) is index for _ in range(3))
    assert read == []
    catalog = index_directory(table.snapshot, "image") / "catalog.json"
    listed = plain(catalog)
    for content, segments in (("[]", 0), ("{", 0), (listed, 1)):
        catalog.write_text(content)
        assert len(covering_segments(table.snapshot, "image")) == segments
    catalog.unlink()
    assert covering_segments(table.snapshot, "image") == []


def test_a_flipped_bit_is_noticed(table: RecordTable) -> None:
    table.upsert(list(rows_of(range(150), np.random.default_rng(10)).values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    (segment,) = covering_segments(table.snapshot, "image")
    SegmentFacts.read(segment).verify(segment)
    path = segment / VECTORS
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(MemoryStoreError, match="is damaged"):
        SegmentFacts.read(segment).verify(segment)


def test_an_exact_search_misses_nothing_however_few_lists_are_looked_at(
    table: RecordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(11)
    rows = rows_of(range(400), rng)
    table.upsert(list(rows.values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    table.delete_ids([rows.pop(str(name)).candidate.id for name in range(0, 400, 9)])
    monkeypatch.setattr("revln.store.segment._PROBED", 0.0)
    monkeypatch.setattr("revln.store.segment._FEWEST_PROBED", 1)
    monkeypatch.setattr("revln.store.segment._NARROW", 0)  # else what few rows may be found is compared one by one
    index = VectorIndex(table.refresh())
    names = {row: uri[1:] for row, uri in table.snapshot.column("uri", table.snapshot.row_ids()).items()}
    missed = 0
    for modality in ("image", "text"):
        for k in (1, 10, 60, 300):
            query = unit(rng.standard_normal(DIM))
            wanted = [name for name, _, _ in expected(rows, query, k, modality)]
            found = index.search(query, k, modality, exact=True)
            assert [names[int(row)] for row in found.row_ids] == wanted
            missed += wanted != [names[int(row)] for row in index.search(query, k, modality).row_ids]
    assert missed


def test_a_filter_finds_the_same_however_often_it_is_used(table: RecordTable) -> None:
    """From its second search on, the vectors that it lets pass are kept in memory."""
    rng = np.random.default_rng(12)
    table.upsert(list(rows_of(range(600), rng).values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    index, allowed = VectorIndex(table.refresh()), table.snapshot.row_ids()[::7]
    narrow, wide = unit(np.pad(rng.standard_normal(TEXT_DIM), (0, DIM - TEXT_DIM))), unit(rng.standard_normal(DIM))
    for modality in ("image", "text"):
        for query in (narrow, wide):
            first, *others = (index.search(query, 5, modality, allowed) for _ in range(4))
            for other in others:
                np.testing.assert_array_equal(first.row_ids, other.row_ids)
                np.testing.assert_allclose(first.scores, other.scores, rtol=1e-5)
                np.testing.assert_array_equal(first.text_numbers, other.text_numbers)


def indexed(table: RecordTable, rng: np.random.Generator) -> tuple[Rows, VectorIndex, Path]:
    """Photos in one segment, its index opened, and the directory of the segment."""
    rows = rows_of(range(150), rng)
    table.upsert(list(rows.values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    (directory,) = covering_segments(table.snapshot, "image")
    return rows, VectorIndex(table.snapshot), directory


def shared_query(rng: np.random.Generator) -> Embedding:
    """A query as texts give it."""
    query = unit(rng.standard_normal(DIM))
    query[TEXT_DIM:] = 0
    return query


def test_codes_are_kept_in_memory_from_the_second_search_on(table: RecordTable) -> None:
    rng = np.random.default_rng(13)
    _, index, directory = indexed(table, rng)
    query = shared_query(rng)
    first = index.search(query, 5, "image")
    assert index.refreshed(table.snapshot) is index  # as the second search of a memory does
    file = directory / lists_file(TEXT_DIM)
    with file.open("rb+") as stream:  # in place: a mapped file would show it
        stream.write(bytes(file.stat().st_size))
    again = index.search(query, 5, "image")
    np.testing.assert_array_equal(again.row_ids, first.row_ids)
    np.testing.assert_array_equal(again.scores, first.scores)


def test_a_segment_that_was_replaced_is_searched_on(table: RecordTable) -> None:
    rng = np.random.default_rng(14)
    _, index, directory = indexed(table, rng)
    query = shared_query(rng)
    first = index.search(query, 5, "image")
    shutil.rmtree(directory)
    for _ in range(3):
        index._keep_codes()
        np.testing.assert_array_equal(index.search(query, 5, "image").row_ids, first.row_ids)


def test_more_codes_are_fetched_until_none_that_was_left_out_can_be_among_the_best(
    table: RecordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With errors as large as this, every vector has to be compared."""
    rng = np.random.default_rng(15)
    rows, _, _ = indexed(table, rng)
    monkeypatch.setattr("revln.store.segment._DEVIATIONS", 1e6)
    monkeypatch.setattr("revln.store.vectors._CODES", 4)
    asked: list[int] = []
    probe = Segment.probe

    def counted(self: Segment, query: Embedding, wanted: int, *arguments: object, **options: object) -> Probe:
        asked.append(wanted)
        return probe(self, query, wanted, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Segment, "probe", counted)
    query = shared_query(rng)
    found = VectorIndex(table.snapshot).search(query, 3, "image")
    np.testing.assert_allclose(found.scores, [score for _, score, _ in expected(rows, query, 3, "image")], atol=1e-6)
    assert asked[0] == 12
    assert asked == sorted(set(asked))
    assert asked[-1] >= len(rows) * 6 // 7


def captioned(vectors: Sequence[Embedding]) -> Rows:
    """Records without pictures, each with captions [n, TEXT_DIM]."""
    rows = {}
    for number, own in enumerate(vectors):
        candidate = Candidate("photos", "text", f"/{number}", Path(f"/{number}"), 1, 1)
        wide = np.pad(own, ((0, 0), (0, DIM - TEXT_DIM)))
        rows[str(number)] = Row(candidate, tuple(map(str, range(len(own)))), text_vectors=wide)
    return rows


def test_one_and_the_same_caption_everywhere(table: RecordTable) -> None:
    """Codes without any error, and rough scores that differ from exact ones in the last digit."""
    caption = unit(np.arange(1, TEXT_DIM + 1, dtype=np.float32))[None]
    table.upsert(list(captioned([caption] * 200).values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    index, rng = VectorIndex(table.snapshot), np.random.default_rng(16)
    for _ in range(6):
        assert len(index.search(shared_query(rng), 10, "text").row_ids) == 10


def test_many_captions_of_a_record_do_not_lead_to_reading_all(
    table: RecordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(17)
    rows = captioned(
        [unit(rng.standard_normal(TEXT_DIM) + 0.02 * rng.standard_normal((20, TEXT_DIM))) for _ in range(250)]
    )
    table.upsert(list(rows.values()))
    keep_index(table.refresh(), TEXT_DIM, LIMITS)
    read: list[int] = []
    scored = Segment.scored

    def counted(self: Segment, query: Embedding, places: np.ndarray, k: int) -> VectorMatches:
        read.append(len(places))
        return scored(self, query, places, k)

    monkeypatch.setattr(Segment, "scored", counted)
    query = shared_query(rng)
    found = VectorIndex(table.snapshot).search(query, 10, "text")
    np.testing.assert_allclose(found.scores, [score for _, score, _ in expected(rows, query, 10, "text")], atol=1e-6)
    assert max(read) < 1500  # of 5,000


def test_lists_that_hold_too_few_rows_are_not_all_that_is_searched(
    table: RecordTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("revln.store.segment._PROBED", 0.0)
    monkeypatch.setattr("revln.store.segment._FEWEST_PROBED", 1)
    rng = np.random.default_rng(18)
    rows, index, _ = indexed(table, rng)
    queries = np.stack([shared_query(rng), shared_query(rng)])
    together = index.search(queries, 30, "image")
    assert together.row_ids.shape == (2, 30)
    for row, query in enumerate(queries):
        wanted = expected(rows, query, 30, "image")
        np.testing.assert_allclose(together.scores[row], [score for _, score, _ in wanted], atol=1e-6)
