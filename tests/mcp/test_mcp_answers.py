"""Captions and answers, what they rest on, and what teaching changes about them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

from revln.pipeline import Memory, ask, caption
from tiny_bundle import make_tiny_bundle
from tiny_generator import FACTS

ANSWERS = pytest.mark.skipif(not FACTS["answers"], reason="the tiny generator answers no questions")


def test_a_photo_of_the_memory(served: Any, ids: dict[str, str], memory: Memory, photos: Path) -> None:
    described = served.data("describe_image", id=ids["red"])
    assert (described["text"], described["lang"]) == ("A red photo.", "en")
    assert (described["uri"], described["none_weight"]) == (str(photos / "red" / "red.jpg"), 1.0)
    assert described["evidence"] == []
    expected = caption(photos / "red" / "red.jpg", memory=memory)
    assert math.isclose(described["confidence"], expected.confidence, abs_tol=1e-4)


def test_an_image_file_in_chinese(served: Any, photos: Path) -> None:
    described = served.data("describe_image", image_path=str(photos / "green" / "green.jpg"), lang="zh")
    assert (described["text"], described["lang"]) == ("一张绿色照片。", "zh")


def test_what_is_taught_changes_the_next_description(served: Any, ids: dict[str, str]) -> None:
    assert served.data("describe_image", id=ids["red"])["text"] == "A red photo."
    taught = served.data("add_to_memory", id=ids["red"], text="Ada on the wall")
    assert (taught["id"], taught["texts"]) == (ids["red"], ["Ada on the wall"])
    described = served.data("describe_image", id=ids["red"])
    assert described["text"] == "Ada on the wall."
    first = described["evidence"][0]
    assert (first["id"], first["text"]) == (ids["red"], "Ada on the wall")
    assert math.isclose(sum(rested["weight"] for rested in described["evidence"]) + described["none_weight"], 1)
    alone = served.data("describe_image", id=ids["red"], use_memory=False)
    assert (alone["text"], alone["none_weight"], alone["evidence"]) == ("A red photo.", 1.0, [])


@ANSWERS
def test_an_answer(served: Any, ids: dict[str, str], memory: Memory, photos: Path) -> None:
    answered = served.data("ask_image", id=ids["blue"], question="What is it?")
    expected = ask(photos / "blue" / "blue.jpg", "What is it?", memory=memory)
    assert (answered["text"], answered["question"]) == (expected.text, "What is it?")
    assert answered["abstained"] is expected.abstained
    assert math.isclose(answered["confidence"], expected.confidence, abs_tol=1e-4)


@ANSWERS
def test_it_says_when_it_does_not_know(served: Any, ids: dict[str, str]) -> None:
    answered = served.data("ask_image", id=ids["blue"], question="What is it?", threshold=1)
    assert (answered["text"], answered["abstained"]) == ("I don't know", True)


@ANSWERS
def test_what_is_taught_changes_the_next_answer(served: Any, ids: dict[str, str], photos: Path) -> None:
    asked = {"id": ids["red"], "question": "the dog"}
    before = served.data("ask_image", **asked)
    taught = served.data("add_to_memory", id=ids["red"], question="the dog", answer="Ada")
    assert (taught["kind"], taught["uri"]) == ("qa", str(photos / "red" / "red.jpg"))
    assert (taught["meta"]["question"], taught["meta"]["answer"]) == ("the dog", "Ada")
    after = served.data("ask_image", **asked)
    assert "Ada" in after["text"]
    assert "Ada" not in before["text"]
    assert taught["id"] in [rested["id"] for rested in after["evidence"]]
    assert "Ada" not in served.data("ask_image", **asked, use_memory=False)["text"]


def test_a_photo_whose_file_is_gone_is_seen_by_its_thumb(
    served: Any, memory: Memory, tmp_path: Path, make_photo: Callable[..., Path]
) -> None:
    photo = make_photo(tmp_path / "gone.png", "blue")
    record = memory.add(image=photo)
    photo.unlink()
    assert served.data("describe_image", id=record.id)["text"] == "A blue photo."


def test_a_record_that_is_no_photo(served: Any) -> None:
    record = served.data("add_to_memory", text="Ada on the beach")
    assert served.error("describe_image", id=record["id"]) == f"{record['uri']}: no photo"


def test_a_model_that_only_finds(serve: Callable[..., Any], tmp_path: Path, photos: Path) -> None:
    memory = Memory.open(tmp_path / "plain.revln", model=make_tiny_bundle(tmp_path / "plain", name="plain"))
    record = memory.add(image=photos / "red" / "red.jpg")
    served = serve(memory)
    for tool, asked in (("describe_image", {}), ("ask_image", {"question": "What is it?"})):
        assert "has no generator, so it cannot describe photos: use one that has" in served.error(
            tool, id=record.id, **asked
        )


def test_a_model_that_answers_no_questions(serve: Callable[..., Any], tmp_path: Path, photos: Path) -> None:
    silent = make_tiny_bundle(tmp_path / "silent", name="silent", generator=True, facts={"answers": False})
    memory = Memory.open(tmp_path / "silent.revln", model=silent)
    record = memory.add(image=photos / "red" / "red.jpg")
    assert "answers no questions" in serve(memory).error("ask_image", id=record.id, question="What is it?")
