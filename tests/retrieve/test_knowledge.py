"""Texts that fit a query lead to photos.

The query points along the first axis, what knowledge is about along the second: photos near to the latter are far from
the query, so only knowledge can find them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from revln.retrieve import QueryVector, Searcher
from revln.store import RecordTable, Row
from revln.types import Candidate, SearchResult

QUERY = QueryVector(np.array([1, 0], np.float32), "text")
FITS = (0.95, 0.3122)  # a text probability of 1
NAMES = {"tench, Tinca tinca": (0.0, 1.0), "tench": (0.6, 0.8), "owl": (0.0, -1.0)}


def encode_names(names: Sequence[str]) -> np.ndarray:
    return np.array([NAMES[name] for name in names], np.float32)


def knowledge(
    uri: str, kind: str, texts: dict[str, tuple[float, ...]], label: str | None = None, source: str = "wordnet", **extra
) -> Row:
    return Row(
        candidate=Candidate(source, kind, uri, Path(uri), 0, 0, tuple(texts), label),
        texts=tuple(texts),
        text_vectors=np.array(list(texts.values()), np.float32),
        extra=extra,
    )


def label_record() -> Row:
    texts = {"tench, Tinca tinca": (0.0, 1.0), "freshwater game fish": FITS}
    return knowledge("wordnet:1", "label", texts, "tench")


def uris(result: SearchResult) -> list[str]:
    return [hit.record.uri for hit in result]


@pytest.fixture
def photos(table: RecordTable, make_photo: Callable[..., Row]) -> RecordTable:
    """One that looks like the name, one that fits the query a little, one that is far from both."""
    table.upsert(
        [make_photo("/fish", (0.0, 1.0)), make_photo("/near", (0.4, -0.9165)), make_photo("/far", (-1.0, 0.0))]
    )
    return table


def search(make_searcher: Callable[..., Searcher], table: RecordTable, **options) -> SearchResult:
    return make_searcher(table, encode_texts=encode_names).search(QUERY, "a fish of rivers", **options)


def test_a_definition_leads_to_the_photo_that_looks_like_the_name(photos, make_searcher) -> None:
    before = search(make_searcher, photos)
    assert uris(before) == ["/near", "/fish", "/far"]
    photos.upsert([label_record()])
    found = search(make_searcher, photos)
    assert uris(found) == ["/fish", "/near", "/far"]
    hit = found[0]
    assert hit.via is not None
    assert (hit.via.kind, hit.via.text, hit.via.label) == ("label", "freshwater game fish", "tench")
    assert hit.via.probability == pytest.approx(1)
    # The chance of the text times that of the photo for the name; the score stays that of the photo itself.
    assert hit.probability == pytest.approx(1.0)
    assert hit.score == pytest.approx(0.0)
    assert hit.fused_score == hit.probability
    assert found[1].via is None
    assert found[1].probability == pytest.approx(before[0].probability)


def test_the_json_of_a_hit_names_what_led_to_it(photos, make_searcher) -> None:
    photos.upsert([label_record()])
    first, second, *_ = search(make_searcher, photos).to_dict()["hits"]
    assert set(first["via"]) == {"id", "kind", "text", "label", "uri", "probability"}
    assert first["via"]["uri"] == "wordnet:1"
    assert "via" not in second


def test_links_need_no_likeness(photos, make_photo, make_searcher) -> None:
    photos.upsert([
        make_photo("/labelled", (-1.0, 0.0), label="ada"),
        knowledge("k:1", "text", {"the girl next door": FITS}, "ada"),
        knowledge("k:2", "qa", {"who is it? a stranger": FITS}, image="/far"),
        knowledge("/fish", "text", {"caught in May": (0.93, 0.3676)}),
    ])  # fmt: skip
    found = make_searcher(photos).search(QUERY, "words", k=3)
    assert set(uris(found)) == {"/labelled", "/far", "/fish"}
    assert {hit.record.uri: hit.via.kind for hit in found} == {"/labelled": "text", "/far": "qa", "/fish": "text"}
    assert all(hit.probability == pytest.approx(hit.via.probability) for hit in found)


def test_what_does_not_clearly_fit_leads_nowhere(photos, make_searcher) -> None:
    photos.upsert([knowledge("w", "triple", {"tench is a kind of fish": (0.85, 0.5268)}, "tench")])  # probability 0.8
    assert uris(search(make_searcher, photos)) == ["/near", "/fish", "/far"]


def test_it_can_be_switched_off(photos, make_searcher) -> None:
    photos.upsert([label_record()])
    assert all(hit.via is None for hit in search(make_searcher, photos, knowledge=False))
    image = QueryVector(QUERY.vector, "image")
    assert all(hit.via is None for hit in make_searcher(photos, encode_texts=encode_names).search(image, "x"))
    assert all(hit.via is None for hit in make_searcher(photos, encode_texts=encode_names).search(QUERY))


def test_a_memory_of_photos_alone_asks_for_no_knowledge(photos, make_searcher) -> None:
    def refuse(names: Sequence[str]) -> np.ndarray:
        raise AssertionError(names)

    assert uris(make_searcher(photos, encode_texts=refuse).search(QUERY, "x")) == ["/near", "/fish", "/far"]


def test_filters_hold_for_what_knowledge_leads_to(photos, make_searcher) -> None:
    photos.upsert([label_record()])
    assert uris(search(make_searcher, photos, where="uri != '/fish'")) == ["/near", "/far"]
    assert uris(search(make_searcher, photos, kinds=["label"])) == ["wordnet:1"]


def test_knowledge_in_hybrid_search(photos, make_searcher) -> None:
    photos.upsert([label_record()])
    found = search(make_searcher, photos, mode="hybrid")
    assert found[0].record.uri == "/fish"
    assert found[0].via is not None


def test_pages_join_up_with_knowledge(photos, make_photo, make_searcher) -> None:
    photos.upsert([label_record(), *(make_photo(f"/{n}", (n / 150, (1 - (n / 150) ** 2) ** 0.5)) for n in range(150))])
    whole = uris(search(make_searcher, photos, k=200))
    pages = [uris(search(make_searcher, photos, k=40, offset=offset)) for offset in range(0, 200, 40)]
    assert [uri for page in pages for uri in page] == whole
    assert len(set(whole)) == len(whole) == 153


def test_sources_limit_hits_and_knowledge(photos, make_photo, make_searcher) -> None:
    photos.upsert([label_record()])
    assert uris(search(make_searcher, photos, sources=["photos"])) == ["/near", "/fish", "/far"]
    assert uris(search(make_searcher, photos, sources=["photos", "wordnet"]))[0] == "/fish"
    assert uris(search(make_searcher, photos, sources=["wordnet"])) == []


def test_weights_multiply_the_odds(table, make_photo, make_searcher) -> None:
    other = make_photo("/b", (0.35, 0.9367))
    table.upsert([make_photo("/a", (0.4, 0.9165)), make_photo("/c", (0.4, -0.9165), "image_text")])
    table.upsert([Row(Candidate("mine", "image", "/b", Path("/b"), 1, 1), image_vector=other.image_vector)])
    plain = {hit.record.uri: hit.probability for hit in search(make_searcher, table)}
    assert plain == pytest.approx({"/a": 0.7, "/b": 0.6, "/c": 0.7}, abs=1e-4)
    found = search(make_searcher, table, weights={"mine": 4.0, "image": 0.5, "image_text": 0.0})
    assert uris(found) == ["/b", "/a", "/c"]
    odds = {hit.record.uri: hit.probability / (1 - hit.probability) for hit in found}
    assert odds == pytest.approx({"/b": 1.5 * 2, "/a": 7 / 3 / 2, "/c": 0}, rel=1e-3)  # 4 for its source, 1/2 its kind
    assert [hit.fused_score for hit in found] == [hit.probability for hit in found]
    assert uris(search(make_searcher, table, weights={"mine": 4.0}, k=1)) == ["/b"]
    by_words = search(make_searcher, table, weights={"mine": 4.0}, mode="hybrid", min_score=0.0)
    assert uris(by_words)[0] == "/b"


def test_weights_reach_the_knowledge(photos, make_searcher) -> None:
    photos.upsert([label_record(), knowledge("w", "text", {"a fish": (0.8, 0.6)}, "owl")])
    assert search(make_searcher, photos, weights={"wordnet": 0.0})[0].via is None
    photos.upsert([knowledge("w", "text", {"a fish": (0.8, 0.6)}, "owl", source="mine")])  # probability 0.7
    assert {hit.record.uri for hit in search(make_searcher, photos) if hit.via} == {"/fish"}
    led = [hit for hit in search(make_searcher, photos, weights={"mine": 9.0}) if hit.via]
    assert {hit.record.uri for hit in led} == {"/fish", "/near"}
