"""Photos without a text get the tiny generator's caption, marked as generated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from revln.errors import BundleError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Memory, caption, describe, index
from tiny_bundle import make_tiny_bundle

MakePhoto = Callable[..., Path]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "speaking", generator=True))


@pytest.fixture
def photos(tmp_path: Path, make_photo: MakePhoto) -> Path:
    make_photo(tmp_path / "photos" / "1.png", RED)
    make_photo(tmp_path / "photos" / "2.png", GREEN)
    return tmp_path / "photos"


@pytest.fixture
def memory(tmp_path: Path, speaking: Model, photos: Path) -> Memory:
    """Two photos without a text."""
    memory = Memory.open(tmp_path / "memory.revln", model=speaking)
    index(photos, memory=memory)
    return memory


def said(memory: Memory) -> dict[str, tuple[str, ...]]:
    return {Path(hit.record.uri).name: hit.record.texts for hit in memory.search("a photo", k=10)}


def test_words_find_what_was_described(memory: Memory) -> None:
    assert not memory.search("green", mode="text").hits
    assert describe(memory) == 2
    (hit,) = memory.search("green", mode="text")
    assert (Path(hit.record.uri).name, hit.text) == ("2.png", "A green photo.")
    assert hit.record.meta["generated"] == ["A green photo."]
    assert hit.record.told == ()
    # It has a vector as well.
    assert memory.info().text_vectors == 2


def test_only_photos_without_a_text_are_described(memory: Memory, photos: Path) -> None:
    memory.add(image=photos / "1.png", texts=["Ada's wall"])
    memory.add(texts=["a note"])
    seen: list[tuple[int, int]] = []
    assert describe(memory, progress=lambda done, total: seen.append((done, total))) == 1
    assert seen == [(1, 1)]
    assert said(memory)["1.png"] == ("Ada's wall",)
    assert describe(memory) == 0


def test_no_answer_rests_on_what_was_generated(memory: Memory, photos: Path) -> None:
    describe(memory)
    answer = caption(photos / "1.png", memory=memory)
    assert (answer.text, answer.evidence, answer.none_weight) == ("A red photo.", (), 1.0)


def test_what_somebody_says_takes_its_place(memory: Memory, photos: Path) -> None:
    describe(memory)
    memory.add(image=photos / "1.png", texts=["Ada's wall"])
    assert said(memory)["1.png"] == ("Ada's wall",)
    answer = caption(photos / "1.png", memory=memory)
    assert [evidence.hit.text for evidence in answer.evidence] == ["Ada's wall"]


def test_indexing_again_keeps_descriptions(memory: Memory, photos: Path) -> None:
    describe(memory)
    report = index(photos, memory=memory)
    assert (report.unchanged, report.updated) == (2, 0)
    assert said(memory)["2.png"] == ("A green photo.",)


def test_the_language_of_descriptions(memory: Memory) -> None:
    assert describe(memory, language="zh") == 2
    assert said(memory)["1.png"] == ("一张红色照片。",)
    with pytest.raises(QueryError, match="does not speak 'de'"):
        describe(memory, language="de")


def test_a_model_without_a_generator(tmp_path: Path, tiny_model: Model, photos: Path) -> None:
    memory = Memory.open(tmp_path / "mute.revln", model=tiny_model)
    index(photos, memory=memory)
    with pytest.raises(BundleError, match="has no generator"):
        describe(memory)
