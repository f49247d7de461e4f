from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest

from revln.errors import QueryError
from revln.retrieve import QueryVector, Searcher
from revln.retrieve import search as search_module
from revln.store import RecordTable, Row
from revln.types import SearchResult

MakePhoto = Callable[..., Row]
MakeSearcher = Callable[..., Searcher]
QUERY = QueryVector(np.array([1, 0], np.float32), "text")


def at(cosine: float) -> tuple[float, float]:
    """Unit vector with this cosine to ``QUERY``."""
    return cosine, (1 - cosine**2) ** 0.5


def uris(result: SearchResult) -> list[str]:
    return [hit.record.uri for hit in result.hits]


@pytest.fixture
def filled(table: RecordTable, make_photo: MakePhoto) -> RecordTable:
    """Best by image: /a .4, /b .3, /c .1; by texts: /b .75, /c .6; and a fact that is no photo."""
    table.upsert([
        make_photo("/a", at(0.4), label="dog", taken_at=datetime(2024, 1, 1)),
        make_photo("/b", at(0.3), "image_text", "cat", {"snow": at(0.1), "a dog": at(0.75)}),
        make_photo("/c", at(0.1), "image_text", texts={"a dog in snow": at(0.6)}, taken_at=datetime(2023, 1, 1)),
        make_photo("fact", None, "text", texts={"dogs bark": at(1.0)}),
    ])  # fmt: skip
    return table


def test_modalities_meet_on_the_scale_of_probability(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    result = make_searcher(filled).search(QUERY)
    # /a: .5 + 2 (.4 - .3); /b by its text: .5 + 2 (.75 - .7); /c by its text .3 rather than its image .1
    assert uris(result) == ["/a", "/b", "/c"]
    assert [hit.score for hit in result.hits] == pytest.approx([0.4, 0.75, 0.6])
    assert [hit.probability for hit in result.hits] == pytest.approx([0.7, 0.6, 0.3], abs=1e-6)
    assert [hit.fused_score for hit in result.hits] == [hit.probability for hit in result.hits]
    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert [hit.text for hit in result.hits] == [None, "a dog", "a dog in snow"]
    assert result.matched
    assert result.seconds > 0


def test_with_one_modality_the_cosine_is_the_fused_score(
    table: RecordTable, make_photo: MakePhoto, make_searcher: MakeSearcher
) -> None:
    table.upsert([make_photo(f"/{cosine}", at(cosine)) for cosine in (0.95, 0.8, 0.9, -0.5, -0.2)])
    result = make_searcher(table).search(QUERY)
    assert uris(result) == ["/0.95", "/0.9", "/0.8", "/-0.2", "/-0.5"]  # probabilities saturate at both ends
    assert [hit.fused_score for hit in result.hits] == [hit.score for hit in result.hits]


def test_pages_join_up(table: RecordTable, make_photo: MakePhoto, make_searcher: MakeSearcher) -> None:
    table.upsert([make_photo(f"/{n}", at(0.5), label="dog", texts={"dog": at(n % 3 / 3)}) for n in range(12)])
    search = make_searcher(table).search
    for mode in ("vector", "text", "hybrid"):
        whole = search(QUERY, "dog", k=100, mode=mode)
        pages = [search(QUERY, "dog", k=5, offset=offset, mode=mode) for offset in (0, 5, 10, 15)]
        assert [uri for page in pages for uri in uris(page)] == uris(whole)
        assert [hit.rank for page in pages for hit in page.hits] == list(range(1, 13))
        assert len(whole.hits) == 12


def test_text_mode_ranks_by_words(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    result = make_searcher(filled).search(text="dog snow", mode="text")
    assert set(uris(result)) == {"/a", "/b", "/c"}
    assert set(uris(result)[:2]) == {"/b", "/c"}  # both words
    assert result.hits[0].fused_score >= result.hits[1].fused_score > result.hits[2].fused_score > 0
    assert {(hit.score, hit.probability) for hit in result.hits} == {(0.0, 0.0)}
    assert result.matched
    assert uris(make_searcher(filled).search(text="unicorn", mode="text")) == []
    assert not make_searcher(filled).search(text="unicorn", mode="text").matched


def test_text_hits_get_their_cosines(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    result = make_searcher(filled).search(QUERY, "cat", mode="text")
    assert [(hit.record.uri, hit.text) for hit in result.hits] == [("/b", "a dog")]
    assert result.hits[0].score == pytest.approx(0.75)
    assert result.hits[0].probability == pytest.approx(0.6)


def test_hybrid_by_hand(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    result = make_searcher(filled).search(QUERY, "cat", mode="hybrid")
    # by vector /a, /b, /c; by words /b only
    assert uris(result) == ["/b", "/a", "/c"]
    (by_words,) = make_searcher(filled).search(QUERY, "cat", mode="text").hits
    meaning = [np.log(hit.probability / (1 - hit.probability)) for hit in result.hits]
    words = [2 * by_words.fused_score, 0, 0]
    assert [hit.fused_score for hit in result.hits] == pytest.approx(np.add(meaning, words), abs=1e-5)
    assert [hit.score for hit in result.hits] == pytest.approx([0.75, 0.4, 0.6])


def test_the_very_words_fit_though_the_meaning_does_not(
    table: RecordTable, make_photo: MakePhoto, make_searcher: MakeSearcher
) -> None:
    away = (0.15, 0.9887)
    table.upsert([make_photo("/ada", away, texts={"Ada": away}), *(make_photo(f"/{n}", away) for n in range(99))])
    search = make_searcher(table).search
    assert not search(QUERY).matched
    assert not search(QUERY, "nobody", mode="hybrid").matched
    found = search(QUERY, "Ada", mode="hybrid")
    assert found.matched
    assert uris(found)[0] == "/ada"


def test_words_count_behind_the_list_of_those_that_have_them_most(
    table: RecordTable, make_photo: MakePhoto, make_searcher: MakeSearcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_module, "_LIST_DEPTH", 5)
    away = (-1.0, 0.0)
    long = "a brown dog that runs over grass"
    dogs = [make_photo(f"/{number}", away, texts={"dog": away}) for number in range(8)]
    table.upsert([*dogs, make_photo("/right", (0.4, 0.9165), texts={long: away}), make_photo("/near", (0.41, 0.9121))])
    search = make_searcher(table).search
    found = {k: search(QUERY, "dog", mode="hybrid", k=k) for k in (1, 3, 10)}
    assert {k: uris(result)[0] for k, result in found.items()} == dict.fromkeys(found, "/right")
    assert len({result[0].fused_score for result in found.values()}) == 1


def test_of_a_weight_of_zero_no_words_remain(
    table: RecordTable, make_photo: MakePhoto, make_searcher: MakeSearcher
) -> None:
    table.upsert([make_photo("/ada", (0.4, 0.9165), "image_text", label="Ada"), make_photo("/b", (0.3, 0.9539))])
    search = make_searcher(table).search
    assert uris(search(QUERY, "Ada", mode="hybrid"))[0] == "/ada"
    assert uris(search(QUERY, "Ada", mode="hybrid", weights={"image_text": 0.0})) == ["/b", "/ada"]


def test_words_of_a_long_query_count_less_each(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    search = make_searcher(filled).search
    assert uris(search(QUERY, "cat", mode="hybrid"))[0] == "/b"
    assert uris(search(QUERY, "cat " + "nowhere " * 15, mode="hybrid"))[0] == "/a"


def test_filters_and_kinds(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    search = make_searcher(filled).search
    assert uris(search(QUERY, where="label = 'cat' or label is null")) == ["/b", "/c"]
    assert uris(search(QUERY, kinds=["text"])) == ["fact"]
    assert uris(search(QUERY, kinds=["text", "image"])) == ["fact", "/a"]
    assert uris(search(QUERY, "dog", where="label = 'dog'", mode="hybrid")) == ["/a"]
    assert uris(search(text="dog", where="taken_at < '2024'", mode="text")) == ["/c"]
    assert uris(search(QUERY, where="width > 1000000")) == []


def test_min_score_cuts_by_the_cosine_of_the_hit(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    search = make_searcher(filled).search
    assert uris(search(QUERY, min_score=0.5)) == ["/b", "/c"]
    assert uris(search(QUERY, min_score=0.5, k=1)) == ["/b"]
    assert uris(search(QUERY, "dog", mode="text", min_score=0.7)) == ["/b"]
    nothing = search(QUERY, min_score=0.99)
    assert (nothing.hits, nothing.matched) == ((), False)


def test_sorting_orders_what_fits(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    search = make_searcher(filled).search
    assert uris(search(QUERY, sort="-uri")) == ["/b", "/a"]  # /c does not fit
    assert uris(search(QUERY, sort="-uri", min_score=0.0)) == ["/c", "/b", "/a"]
    assert uris(search(QUERY, sort="taken_at", min_score=0.0)) == ["/c", "/a", "/b"]
    assert uris(search(QUERY, sort="-taken_at", min_score=0.0)) == ["/a", "/c", "/b"]
    assert uris(search(QUERY, "dog", sort="-uri", mode="text", k=2, offset=1)) == ["/b", "/a"]
    assert [hit.rank for hit in search(QUERY, sort="-uri", min_score=0.0, offset=1).hits] == [2, 3]


def test_nothing_fits(filled: RecordTable, make_searcher: MakeSearcher) -> None:
    away = QueryVector(np.array([0, -1], np.float32), "image")
    result = make_searcher(filled).search(away)
    assert len(result.hits) == 3
    assert not result.matched
    assert make_searcher(filled, matched_at=0.0).search(away).matched


def test_an_empty_memory(table: RecordTable, make_searcher: MakeSearcher) -> None:
    for mode in ("vector", "text", "hybrid"):
        result = make_searcher(table).search(QUERY, "dog", mode=mode, sort="uri", min_score=0.1)
        assert (result.hits, result.matched) == ((), False)


def test_records_without_vectors_are_found_by_words(
    table: RecordTable, make_photo: MakePhoto, make_searcher: MakeSearcher
) -> None:
    table.upsert([make_photo("/bare", label="dog")])
    search = make_searcher(table).search
    assert uris(search(QUERY)) == []
    result = search(QUERY, "dog", mode="hybrid")
    assert [(hit.score, hit.probability) for hit in result.hits] == [(0.0, 0.0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k is 0: ask for at least 1"),
        ({"k": -1}, "k is -1"),
        ({"offset": -1}, "offset is -1"),
        ({"mode": "magic"}, "unknown mode 'magic': choose from vector, text, hybrid"),
        ({"query": None}, "nothing to search for"),
        ({"mode": "text"}, "no words"),
        ({"mode": "hybrid", "text": " "}, "no words"),
        ({"mode": "text", "text": "dog", "query": None, "min_score": 0.1}, "leave it out"),
        ({"sort": "colour"}, "unknown sort key"),
        ({"where": "nope = 1"}, "unknown column 'nope'"),
        ({"where": "label"}, "the filter does not work"),
        ({"kinds": []}, "choose from image"),
        ({"kinds": ["film"]}, "film"),
        ({"sources": ["photo"]}, "unknown source 'photo': did you mean photos"),
        ({"sources": []}, "no sources given: choose from photos"),
        ({"weights": {"imagetext": 2.0}}, "unknown source or kind 'imagetext': did you mean image_text"),
        ({"weights": {"photos": -1.0}}, "the weight of photos is -1.0"),
        ({"weights": {"photos": float("nan")}}, "the weight of photos is nan"),
        ({"weights": {"photos": 2.0}, "mode": "text", "text": "dog"}, "mode text ranks by words"),
    ],
)
def test_what_cannot_be_searched(filled: RecordTable, make_searcher: MakeSearcher, options: dict, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        make_searcher(filled).search(**{"query": QUERY, **options})
