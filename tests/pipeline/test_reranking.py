"""A search whose best hits the tiny generator looks at again: it says "a red photo" of what is red."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.errors import BundleError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Memory, index
from revln.pipeline.reranking import log_likelihoods
from tiny_bundle import make_tiny_bundle

MakePhoto = Callable[..., Path]
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "speaking", generator=True))


@pytest.fixture
def memory(tmp_path: Path, speaking: Model, make_photo: MakePhoto) -> Memory:
    memory = Memory.open(tmp_path / "memory.revln", model=speaking)
    for name, colour in COLOURS.items():
        make_photo(tmp_path / "photos" / f"{name}.png", colour)
    index(tmp_path / "photos", memory=memory)
    return memory


def names(memory: Memory, text: str, **options: object) -> list[str]:
    return [Path(hit.record.uri).stem for hit in memory.search(text, **options)]


@pytest.mark.parametrize("colour", COLOURS)
def test_what_the_generator_would_say_comes_first(memory: Memory, colour: str) -> None:
    found = memory.search(f"a {colour} photo", rerank=True)
    assert Path(found[0].record.uri).stem == colour
    scores = [hit.fused_score for hit in found]
    assert scores == sorted(scores, reverse=True)
    assert [hit.rank for hit in found] == [1, 2, 3]
    # What is known of each hit stays: its cosine and its probability.
    plain = {hit.record.id: hit for hit in memory.search(f"a {colour} photo")}
    for hit in found:
        assert (hit.score, hit.probability) == (plain[hit.record.id].score, plain[hit.record.id].probability)


def test_words_count_where_they_are_joined_with_the_meaning(memory: Memory, tmp_path: Path) -> None:
    memory.add(image=tmp_path / "photos" / "blue.png", texts=["Ada by the door"])
    plain = memory.search("a red photo of Ada", mode="hybrid")
    again = memory.search("a red photo of Ada", mode="hybrid", rerank=True)
    odds = {hit.record.id: hit.fused_score for hit in plain}
    # Nothing but how likely the sentence is of each is added to what meaning and words have said.
    gained = {hit.record.uri: hit.fused_score - odds[hit.record.id] for hit in again}
    assert sum(gained.values()) == pytest.approx(0, abs=1e-3)


def test_pages_of_one_order(memory: Memory) -> None:
    whole = names(memory, "a blue photo", rerank=True)
    assert names(memory, "a blue photo", rerank=True, k=1) == whole[:1]
    assert names(memory, "a blue photo", rerank=True, k=2, offset=1) == whole[1:]
    assert memory.search("a blue photo", rerank=True, k=2, offset=1)[0].rank == 2


def test_likelihoods_are_those_of_the_words(speaking: Model) -> None:
    seen = list(speaking.look([np.full((8, 8, 3), colour, np.uint8) for colour in COLOURS.values()]))
    right = log_likelihoods(speaking, ["a red photo.", "a green photo", "a blue photo"], seen)
    wrong = log_likelihoods(speaking, ["a green photo", "a blue photo", "a red photo"], seen)
    assert (right > wrong + 5).all()
    # Of one image for all texts, too; the order of the texts does not matter.
    of_red = log_likelihoods(speaking, ["a green photo", "a red photo"], seen[:1])
    assert of_red == pytest.approx([wrong[0], right[0]], abs=1e-4)


def test_what_cannot_be_reranked(memory: Memory, tmp_path: Path, tiny_model: Model) -> None:
    with pytest.raises(QueryError, match="rerank sorts by how likely a text is: give a text"):
        memory.search(image=tmp_path / "photos" / "red.png", rerank=True)
    with pytest.raises(QueryError, match="leave other sorting out"):
        memory.search("red", sort="-taken_at", rerank=True)
    with pytest.raises(QueryError, match="does not read this text: search in en or zh, or without rerank"):
        memory.search("красный", rerank=True)
    mute = Memory.open(tmp_path / "mute.revln", model=tiny_model)
    index(tmp_path / "photos", memory=mute)
    with pytest.raises(BundleError, match="has no generator"):
        mute.search("red", rerank=True)


def test_an_empty_memory(tmp_path: Path, speaking: Model) -> None:
    assert not Memory.open(tmp_path / "empty.revln", model=speaking).search("a red photo", rerank=True).hits
