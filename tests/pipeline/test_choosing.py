"""Which caption is told: what the joint space, the memory and the vision model's classes have to say to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.answer import Decoding
from revln.models import Model, load_model
from revln.models.card import sha256_of
from revln.pipeline.captioning import caption
from revln.pipeline.memory import Memory
from revln.types import Answer
from tiny_bundle import make_tiny_bundle

RED, PURPLE, BLUE = (255, 0, 0), (120, 0, 130), (0, 0, 255)
MakePhoto = Callable[..., Path]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "speaking", generator=True)


@pytest.fixture
def memory(bundle: Path, tmp_path: Path) -> Memory:
    return Memory.open(tmp_path / "memory.revln", model=load_model(bundle))


def said(colour: tuple[int, int, int], memory: Memory | Model, **options: float) -> Answer:
    image, decoding = np.full((16, 16, 3), colour, np.uint8), Decoding(**options)
    if isinstance(memory, Memory):
        return caption(image, memory=memory, decoding=decoding)
    return caption(image, model=memory, decoding=decoding)


def teach(memory: Memory, make_photo: MakePhoto, folder: Path, *photos: tuple[tuple[int, int, int], str]) -> None:
    for number, (colour, text) in enumerate(photos):
        memory.add(image=make_photo(folder / f"{number}.png", colour, size=(16, 16 + number)), texts=[text])


def test_a_sentence_that_fits_the_photo_is_told(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    """And not the likeliest one, which the pictures of other things have brought up."""
    teach(memory, make_photo, tmp_path, *[(BLUE, "red on the green wall")] * 3)
    assert said(RED, memory).text == "Red photo."
    assert said(RED, memory, fit=0.0).text == "Red on the green wall."


def test_what_is_said_of_the_same_picture_need_not_fit(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    teach(memory, make_photo, tmp_path, *[(BLUE, "red on the green wall")] * 3)
    assert said(BLUE, memory).text == "Red on the green wall."


def test_what_is_said_of_like_photos_is_told(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    """Though the generator finds something else as likely."""
    dogs = [((120 + number, 0, 100), "a dog on the beach") for number in range(4)]
    teach(memory, make_photo, tmp_path, ((120, 10, 130), "Ada on the wall"), *dogs, (RED, "a wall"), (BLUE, "a wall"))
    assert said(PURPLE, memory, fit=0.0, agreement=8.0).text == "A dog on the beach."
    assert said(PURPLE, memory, fit=0.0, agreement=0.0).text == "Ada on the wall."


def test_what_no_sentence_says_is_named_by_the_vision_model(bundle: Path) -> None:
    """As sure as it is, and resting on no record."""
    (bundle / "classes.json").write_text(json.dumps([["Ada red"], ["green"], ["blue"]]), encoding="utf-8")
    card = json.loads((bundle / "card.json").read_text(encoding="utf-8"))
    card["files"]["classes.json"] = sha256_of(bundle / "classes.json")
    (bundle / "card.json").write_text(json.dumps(card), encoding="utf-8")
    model = load_model(bundle)
    answer = said(RED, model, fit=16.0)
    assert (answer.text, answer.none_weight) == ("Ada red.", 1.0)
    assert answer.confidence == pytest.approx(1 / (1 + 2 * np.exp(-10)), abs=1e-3)
    assert said(RED, model).text == said(RED, model, fit=0.0).text == "A red photo."
