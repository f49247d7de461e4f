"""The tiny generator names the colour of a photo, so what it gets right is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from revln.errors import InputError
from revln.evaluate import evaluate_captions
from revln.models import Card
from revln.pipeline import Memory, Model, load_model
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "speaking", generator=True)


@pytest.fixture(scope="module")
def speaking(bundle: Path) -> Model:
    return load_model(bundle)


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    """Right captions for red and green, half a right one for blue."""
    path = tmp_path / "captions.csv"
    path.write_text(
        "image,caption\nred/red.png,A red photo .\ngreen/green.png,a green photo\nblue/blue.png,a blue dog\n",
        encoding="utf-8",
    )
    return path


def test_words_by_hand(speaking, photos, captions) -> None:
    scores = evaluate_captions(photos, captions, model=speaking)
    # Eight of nine words; "a blue" of "a blue photo" is two thirds of a sentence.
    assert scores.scores["BLEU-1"] == pytest.approx(100 * 8 / 9)
    assert scores.scores["ROUGE-L"] == pytest.approx(100 * (1 + 1 + 2 / 3) / 3)
    assert scores.images == 3


def test_an_images_own_record_is_no_help(speaking, photos, captions, tmp_path) -> None:
    memory = Memory.open(tmp_path / "memory.revln", model=speaking)
    memory.add(image=photos / "red" / "red.png", texts="Ada on the wall")
    (tmp_path / "split.txt").write_text("red/red.png\n")
    scores = evaluate_captions(photos, captions, split=tmp_path / "split.txt", memory=memory)
    assert scores.scores["BLEU-1"] == pytest.approx(100)
    everything = evaluate_captions(photos, captions, memory=memory)
    assert everything.scores["BLEU-1"] < 100 * 8 / 9  # it says of the others what it knows of Ada


def test_five_captions_an_image_at_most(speaking, photos, captions) -> None:
    others = "".join(f"blue/blue.png,dog {number}\n" for number in range(4))
    with captions.open("a") as file:
        file.write(f"{others}blue/blue.png,a blue photo\n")
    assert evaluate_captions(photos, captions, model=speaking).scores["BLEU-1"] == pytest.approx(100 * 8 / 9)


def test_the_words_are_those_of_the_language_that_is_spoken(bundle, photos, tmp_path) -> None:
    card = Card.read(bundle)
    chinese = make_tiny_bundle(tmp_path / "chinese", generator=True)
    dataclasses.replace(card, generator={**card.generator, "languages": ["zh"]}).write(chinese)
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\nred/red.png,一张绿色照片\n", encoding="utf-8")
    scores = evaluate_captions(photos, captions, model=chinese)
    assert scores.scores["BLEU-1"] == pytest.approx(100 * 5 / 6)  # five of six characters


def test_progress_counts_photos(speaking, photos, captions) -> None:
    seen: list[tuple[int, int]] = []
    evaluate_captions(photos, captions, model=speaking, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_missing_images_are_named(speaking, photos, tmp_path) -> None:
    captions = tmp_path / "captions.csv"
    captions.write_text("image,caption\npink.png,pink\n")
    with pytest.raises(InputError, match=r"pink\.png is missing"):
        evaluate_captions(photos, captions, model=speaking)
