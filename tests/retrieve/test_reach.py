"""Cut-offs and sorting find what looking through the whole memory finds, though they look no further than they must."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from revln.retrieve import QueryVector, Searcher, evidence
from revln.store import RecordTable, Row
from revln.types import Hit

QUERY = QueryVector(np.array([1, 0], np.float32), "text")
WEIGHTS = ({}, {"photos": 3.0}, {"image": 0.0, "image_text": 5.0})
EVERY = ["image", "image_text", "text"]


@pytest.fixture
def filled(table: RecordTable, make_photo: Callable[..., Row]) -> RecordTable:
    """Records with vectors of one modality or both, many with the same cosine; labelled texts lead to photos."""
    rng = np.random.default_rng(4)

    def at(cosine: float) -> tuple[float, float]:
        return cosine, (1 - cosine**2) ** 0.5

    rows = []
    for number in range(150):
        image, first, second = (rng.integers(-10, 11, 3) / 10).tolist()
        texts = [{}, {"red dog": at(first)}, {"red": at(first), "dog": at(second)}][number % 3]
        kind = EVERY[number % 7 % 3] if texts else "image"
        picture = None if kind == "text" else at(image)
        rows.append(make_photo(f"/{number}", picture, kind, f"l{number % 40}", texts, width=1 + number * 31 % 17))
    table.upsert(rows)
    return table


def facts(hits: Sequence[Hit]) -> list[tuple[Any, ...]]:
    return [(hit.record.id, hit.score, hit.probability, hit.fused_score, hit.text, hit.via) for hit in hits]


@pytest.mark.parametrize("mode", ["vector", "hybrid", "text"])
@pytest.mark.parametrize("kinds", [None, ["image"], EVERY])
@pytest.mark.parametrize("knowledge", [False, True])
def test_the_hits_are_those_of_the_whole_list(
    filled: RecordTable, make_searcher: Callable[..., Searcher], monkeypatch: pytest.MonkeyPatch, mode: str,
    kinds: list[str] | None, knowledge: bool,
) -> None:  # fmt: skip
    monkeypatch.setattr(evidence, "_FIRST_DEPTH", 2)
    search = make_searcher(filled).search
    for weights in WEIGHTS if mode != "text" else WEIGHTS[:1]:
        options = {"mode": mode, "kinds": kinds, "weights": weights, "knowledge": knowledge}
        whole = search(QUERY, "red", k=1000, **options).hits
        for least in (-2.0, -0.3, 0.0, 0.25, 0.5, 0.7, 0.9, 1.0, 1.1):
            found = search(QUERY, "red", k=1000, min_score=least, **options)
            wanted = [hit for hit in whole if hit.score >= least]
            assert facts(found.hits) == facts(wanted)
            told = {"vector": 99.0, "hybrid": 4.0, "text": -99.0}[mode]
            assert found.matched == any(hit.probability >= 0.5 or hit.fused_score >= told for hit in wanted)
            page = search(QUERY, "red", k=7, offset=5, min_score=least, sort="-width", **options).hits
            assert facts(page) == facts(sorted(wanted, key=lambda hit: -hit.record.meta["width"])[5:12])
        fitting = [hit for hit in whole if mode != "vector" or hit.probability >= 0.5]
        found = search(QUERY, "red", k=1000, sort="width", **options)
        assert facts(found.hits) == facts(sorted(fitting, key=lambda hit: hit.record.meta["width"]))


def test_no_list_is_read_far_beyond_what_passes(
    filled: RecordTable, make_searcher: Callable[..., Searcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "_FIRST_DEPTH", 4)
    searcher = make_searcher(filled)
    asked: list[int] = []
    search = searcher.index.search

    def spy(query: np.ndarray, k: int, *options: Any, **more: Any) -> Any:
        asked.append(k)
        return search(query, k, *options, **more)

    monkeypatch.setattr(searcher.index, "search", spy)
    few = searcher.search(QUERY, min_score=0.9, sort="width", k=1000)
    assert 0 < len(few) < 60
    assert max(asked) <= 4 * max(16, len(few))
    asked.clear()
    assert len(searcher.search(QUERY, min_score=1.1)) == 0
    assert max(asked) == 4
