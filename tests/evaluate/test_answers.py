"""What the command line does not show: the single answers, in their order."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from revln.errors import InputError
from revln.evaluate import evaluate_answers
from revln.pipeline import Model, load_model
from revln.sources import write_questions
from revln.text.questions import Question
from tiny_bundle import make_tiny_bundle


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Says of every photo its colour, as in "red photo"."""
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "answering", generator=True))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Questions about the photos in turn: the first and the third are answered right."""
    asked = [
        Question("red/red.png", "What is it?", "red photo", "object", "en"),
        Question("blue/blue.png", "Which colour?", "red photo", "colour", "en"),
        Question("red/red.png", "红色？", "RED Photo", "colour", "zh"),
        Question("blue/blue.png", "Why is it blue?", "blue", "object", "en"),
    ]
    write_questions(tmp_path / "dev.jsonl", asked)
    return tmp_path / "dev.jsonl"


def test_answers_come_in_the_order_of_the_file(answering: Model, photos: Path, questions: Path) -> None:
    scores = evaluate_answers(questions, images=photos, model=answering)
    assert [(answer.question, answer.text, right) for answer, right in scores.answers] == [
        ("What is it?", "red photo", True),
        ("Which colour?", "blue photo", False),
        ("红色？", "red photo", True),
        ("Why is it blue?", "blue photo", False),
    ]
    assert [Path(answer.uri).name for answer, _ in scores.answers] == ["red.png", "blue.png"] * 2
    assert (scores.accuracy, scores.questions) == (50.0, 4)
    assert (dict(scores.by_type), dict(scores.counts)) == ({"object": 50.0, "colour": 50.0}, {"object": 2, "colour": 2})


def test_progress_counts_photos(answering: Model, photos: Path, questions: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluate_answers(questions, images=photos, model=answering, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


def test_more_photos_and_questions_than_are_answered_at_once(answering: Model, tmp_path: Path) -> None:
    colours = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
    names = [list(colours)[number * number % 3] for number in range(90)]
    for number, name in enumerate(names):
        Image.new("RGB", (16, 16), colours[name]).save(tmp_path / f"{number}.png")
    asked = [
        Question(f"{number}.png", "why? " * (number % 5 + 1), f"{name} photo", "colour", "en")
        for number, name in [*enumerate(names), *enumerate(names)]
    ]
    write_questions(tmp_path / "many.jsonl", asked)
    scores = evaluate_answers(tmp_path / "many.jsonl", model=answering)
    assert [right for _, right in scores.answers] == [True] * 180
    assert [answer.question for answer, _ in scores.answers] == [question.question for question in asked]


def test_missing_images_are_named(answering: Model, photos: Path, tmp_path: Path) -> None:
    write_questions(tmp_path / "q.jsonl", [Question("pink.png", "What?", "pink", "colour", "en")])
    for images in (None, photos):
        with pytest.raises(InputError, match=r"pink\.png is missing"):
            evaluate_answers(tmp_path / "q.jsonl", images=images, model=answering)
