"""Answers by the tiny generator: "red photo" by itself, the text with the largest share when it recalls some.

A question that was taught with its answer is one text, so the tiny generator repeats both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import revln
from revln.errors import BundleError, ImageError, QueryError
from revln.models import Model, load_model
from revln.pipeline import Asked, Asker, Memory, ask, ask_all, index
from revln.sources import write_questions
from revln.text.questions import Question
from revln.types import Answer
from tiny_bundle import make_tiny_bundle
from tiny_generator import WORDS

MakePhoto = Callable[..., Path]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
WORD = 1 / (1 + (len(WORDS) - 1) * math.exp(-8))  # probability of a word said with e^8, against e^0 for each other
ALONE = WORD**3  # of "red", "photo" and the end, where nothing but red is in the photo


def of_colour(*colour: int) -> np.ndarray:
    return np.full((8, 8, 3), colour, np.uint8)


def sigmoid(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def recalled(answer: Answer) -> list[str | None]:
    return [evidence.hit.text for evidence in answer.evidence]


def gist(answer: Answer) -> tuple[object, ...]:
    """An answer, its numbers as exact as they are when photos are looked at in another company."""
    weights = [(evidence.hit.record.id, round(evidence.weight, 5)) for evidence in answer.evidence]
    return answer.uri, answer.question, answer.text, answer.language, round(answer.confidence, 5), weights


@pytest.fixture(scope="session")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "answering", generator=True))


@pytest.fixture
def memory(tmp_path: Path, answering: Model) -> Memory:
    """An empty memory of the answering model."""
    return Memory.open(tmp_path / "memory.revln", model=answering)


@pytest.fixture
def ada(tmp_path: Path, make_photo: MakePhoto) -> Path:
    """A red photo."""
    return make_photo(tmp_path / "ada.png", RED)


@pytest.fixture
def dog(tmp_path: Path, make_photo: MakePhoto) -> Path:
    """A blue photo."""
    return make_photo(tmp_path / "dog.png", BLUE)


# --- the photo alone


def test_a_photo_alone(answering: Model) -> None:
    answer = ask(of_colour(*RED), "What is it?", model=answering)
    assert (answer.text, answer.question, answer.language) == ("red photo", "What is it?", "en")
    assert (answer.uri, answer.abstained) == ("image 1", False)
    assert (answer.evidence, answer.none_weight) == ((), 1.0)
    assert answer.confidence == pytest.approx(ALONE, abs=1e-5)  # without a line on the card its own probability
    assert ask(of_colour(*BLUE), "What is it?", model=answering).text == "blue photo"


def test_the_confidence_lies_on_the_line_of_the_card(tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path / "doubtful", generator=True, facts={"answer_confidence": (0.5, -1.0)})
    answer = ask(of_colour(*RED), "What is it?", model=bundle)
    assert answer.confidence == pytest.approx(sigmoid(0.5 * math.log(ALONE / (1 - ALONE)) - 1), abs=1e-4)
    assert ALONE - answer.confidence > 0.2


@pytest.mark.parametrize(
    ("question", "language", "text"), [("What is it?", "en", "I don't know"), ("这是什么？", "zh", "我不知道")]
)
def test_an_unsure_answer_is_not_given(answering: Model, question: str, language: str, text: str) -> None:
    sure = ask(of_colour(*RED), question, model=answering)
    assert (sure.text, sure.language, sure.abstained) == ("red photo", language, False)
    unsure = ask(of_colour(*RED), question, model=answering, threshold=sure.confidence + 1e-6)
    assert (unsure.text, unsure.language, unsure.abstained) == (text, language, True)
    assert unsure.confidence == sure.confidence
    assert ask(of_colour(*RED), question, model=answering, threshold=sure.confidence) == sure


def test_it_says_that_it_does_not_know_below_a_fifth_unless_told_otherwise(tmp_path: Path) -> None:
    odds = math.log(ALONE / (1 - ALONE))
    lines = {"under": (1.0, math.log(0.19 / 0.81) - odds), "over": (1.0, math.log(0.21 / 0.79) - odds)}
    answers = {}
    for name, line in lines.items():
        bundle = make_tiny_bundle(tmp_path / name, generator=True, facts={"answer_confidence": line})
        answers[name] = ask(of_colour(*RED), "What is it?", model=bundle)
        assert ask(of_colour(*RED), "What is it?", model=bundle, threshold=0).text == "red photo"
    assert (answers["under"].abstained, answers["over"].abstained) == (True, False)
    assert answers["under"].confidence == pytest.approx(0.19, abs=1e-3)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_is_no_probability(answering: Model, threshold: float) -> None:
    with pytest.raises(QueryError, match=rf"threshold {threshold}: give a probability from 0 to 1"):
        ask(of_colour(*RED), "What is it?", model=answering, threshold=threshold)


# --- what was taught


def test_a_taught_answer_is_used_at_once(memory: Memory, ada: Path) -> None:
    question = "on the beach"
    assert ask(ada, question, memory=memory).text == "red photo"
    record = memory.add(image=ada, question=question, answer="Ada")
    answer = ask(ada, question, memory=memory)
    assert answer.text == "on the beach Ada"
    (evidence,) = answer.evidence
    assert (evidence.hit.record, evidence.hit.record.kind) == (record, "qa")
    # The photo is just like itself, it is not like the text, and the question is like it; and 1 for the photo.
    assert (evidence.weight, answer.none_weight) == pytest.approx((2 / 3, 1 / 3), abs=1e-5)
    memory.delete(ids=[record.id])
    assert ask(ada, question, memory=memory).text == "red photo"


def test_weights_of_many_records_sum_to_one(memory: Memory, ada: Path, dog: Path) -> None:
    memory.add(image=ada, texts=["a red wall"])
    memory.add(image=dog, texts=["a dog on the beach"])
    memory.add(image=ada, question="the dog", answer="Ada")
    memory.add(question="the red wall", answer="of Ada")
    answer = ask(of_colour(204, 0, 153), "red", memory=memory)
    kinds = [evidence.hit.record.kind for evidence in answer.evidence]
    assert sorted(kinds) == ["image", "image", "qa", "qa"]
    weights = [evidence.weight for evidence in answer.evidence]
    assert weights == sorted(weights, reverse=True)
    assert min(weights) > 0
    assert sum(weights) + answer.none_weight == pytest.approx(1)


def test_the_question_says_which_record_weighs_most(memory: Memory, ada: Path) -> None:
    memory.add(image=ada, question="red wall", answer="Ada")
    memory.add(image=ada, question="green wall", answer="dog")
    assert ask(ada, "red", memory=memory).text == "red wall Ada"
    assert ask(of_colour(255, 255, 0), "red", memory=memory).text == "red wall Ada"
    assert ask(of_colour(255, 255, 0), "green", memory=memory).text == "green wall dog"


def test_an_answer_without_a_photo_is_recalled_by_the_question(memory: Memory) -> None:
    record = memory.add(question="the wall", answer="Ada")
    answer = ask(of_colour(*RED), "the wall", memory=memory)
    assert answer.text == "the wall Ada"
    (evidence,) = answer.evidence
    assert (evidence.hit.record, evidence.hit.score) == (record, 0.0)  # it has no picture, its text is unlike this
    assert (evidence.weight, answer.none_weight) == pytest.approx((0.5, 0.5), abs=1e-5)


def test_another_answer_to_the_same_question_replaces_the_first(memory: Memory, ada: Path, dog: Path) -> None:
    first = memory.add(image=ada, question="on the wall", answer="dog")
    second = memory.add(image=ada, question=" on the wall ", answer="Ada")
    assert (second.id, len(memory)) == (first.id, 1)
    assert ask(ada, "on the wall", memory=memory).text == "on the wall Ada"
    # Another question, another photo and no photo are records of their own.
    memory.add(image=ada, question="on the beach", answer="dog")
    memory.add(image=dog, question="on the wall", answer="dog")
    memory.add(question="on the wall", answer="red")
    assert memory.add(question="on the wall", answer="green").texts == ("on the wall green",)
    texts = {"on the wall Ada", "on the beach dog", "on the wall dog", "on the wall green"}
    assert (set(recalled(ask(ada, "on the wall", memory=memory))), len(memory)) == (texts, 4)


def test_what_was_taught_is_no_photo_in_a_search(memory: Memory, ada: Path, dog: Path) -> None:
    memory.add(image=ada, question="the red dog", answer="Ada")
    for options in ({"text": "the red dog Ada"}, {"image": ada}, {"text": "Ada", "mode": "hybrid"}):
        assert len(memory.search(**options)) == 0
    photos = {memory.add(image=path, texts=["a photo"]).id for path in (ada, dog)}
    for options in ({"text": "the red dog Ada"}, {"image": ada}, {"text": "Ada", "mode": "hybrid"}):
        found = [hit.record for hit in memory.search(**options)]
        assert {record.id for record in found} <= photos
        assert len({record.id for record in found}) == len(found) > 0
        assert found[0].uri == str(ada)
    assert [hit.record.kind for hit in memory.search("Ada", kinds=["qa"])] == ["qa"]


def test_captions_and_answers_recall_the_same_records(memory: Memory, ada: Path) -> None:
    memory.add(image=ada, texts=["Ada on the wall"])
    memory.add(image=ada, question="the beach", answer="blue")
    assert set(recalled(ask(ada, "red", memory=memory))) == {"Ada on the wall", "the beach blue"}
    assert set(recalled(revln.caption(ada, memory=memory))) == {"Ada on the wall", "the beach blue"}


def test_the_texts_of_the_questions_language_are_recalled(memory: Memory, ada: Path) -> None:
    memory.add(image=ada, texts=["Ada on the wall", "墙上的狗"])
    assert ask(ada, "红色？", memory=memory).text == "墙上的狗"
    assert ask(ada, "red?", memory=memory).text == "Ada on the wall"


def test_k_says_how_many_are_recalled(memory: Memory, ada: Path) -> None:
    for number in range(3):
        memory.add(image=ada, question="the wall " * (number + 1), answer="Ada")
    assert [len(ask(ada, "the wall", memory=memory, k=k).evidence) for k in (1, 2, 100)] == [1, 2, 3]
    nothing = ask(ada, "the wall", memory=memory, k=0)
    assert (nothing.text, nothing.evidence, nothing.none_weight) == ("red photo", (), 1.0)
    with pytest.raises(QueryError, match="k is -1"):
        ask(ada, "the wall", memory=memory, k=-1)


def test_an_empty_memory_is_like_none(memory: Memory, answering: Model, ada: Path) -> None:
    assert ask(ada, "What is it?", memory=memory) == ask(ada, "What is it?", model=answering)


def test_a_photos_own_records_can_be_left_out(
    memory: Memory, ada: Path, dog: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.add(image=ada, texts=["Ada on the wall"])
    memory.add(image=ada, question="the dog", answer="Ada")
    memory.add(image=dog, question="the wall", answer="of the dog")
    memory.add(question="the beach", answer="red")
    write_questions(dog.parent / "questions.jsonl", [Question("ada.png", "on the", "photo", "object", "en")])
    index(dog.parent / "questions.jsonl", memory=memory)
    monkeypatch.chdir(dog.parent)
    everything = {"Ada on the wall", "the dog Ada", "the wall of the dog", "the beach red", "on the photo"}
    for path in (ada, "ada.png"):
        assert set(recalled(ask(path, "the dog", memory=memory))) == everything
        others = ask(path, "the dog", memory=memory, exclude_self=True)
        assert set(recalled(others)) == {"the wall of the dog", "the beach red"}


# --- odd questions


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question(answering: Model, question: str) -> None:
    with pytest.raises(QueryError, match="the question is empty: ask something about the photo"):
        ask(of_colour(*RED), question, model=answering)


def test_a_question_that_is_too_long(answering: Model) -> None:
    assert ask(of_colour(*RED), "why " * 75, model=answering).text == "red photo"
    with pytest.raises(QueryError, match="a question of 10,000 characters: ask in at most 300"):
        ask(of_colour(*RED), "why " * 2500, model=answering)


@pytest.mark.parametrize("question", ["Что делает собака?", "犬はどこにいますか", "¿" + "α" * 5])
def test_a_question_in_another_script(answering: Model, question: str) -> None:
    with pytest.raises(QueryError, match=r"the model tiny-1-\w+ does not read this question: ask in en or zh"):
        ask(of_colour(*RED), question, model=answering)


@pytest.mark.parametrize("question", ["2 + 2?", "?", "\N{DOG FACE}"])
def test_a_question_without_letters_is_asked_in_the_first_language(answering: Model, question: str) -> None:
    answer = ask(of_colour(*RED), question, model=answering)
    assert (answer.text, answer.language, answer.question) == ("red photo", "en", question)


@pytest.mark.parametrize("question", ["What \udcff?", "the\0wall", "<answer> </s> <pad>"])
def test_what_is_no_text_is_asked_all_the_same(answering: Model, question: str) -> None:
    assert ask(of_colour(*RED), question, model=answering).text == "red photo"


def test_a_bad_question_is_told_before_any_photo_is_read(answering: Model, tmp_path: Path) -> None:
    pairs = [(tmp_path / "gone.png", "What is it?"), (tmp_path / "gone.png", "")]
    with pytest.raises(QueryError, match="the question is empty"):
        list(ask_all(pairs, model=answering))


# --- models that cannot


def test_a_model_that_cannot_speak(tiny_model: Model) -> None:
    with pytest.raises(BundleError, match="has no generator"):
        ask(of_colour(*RED), "What is it?", model=tiny_model)


def test_a_model_that_describes_but_does_not_answer(tmp_path: Path, ada: Path) -> None:
    describing = load_model(make_tiny_bundle(tmp_path / "describing", generator=True, facts={"answers": False}))
    assert revln.caption(ada, model=describing).text == "A red photo."
    message = r"the model tiny-1-\w+ describes photos but answers no questions: use one that does"
    with pytest.raises(BundleError, match=message):
        ask(ada, "What is it?", model=describing)
    with pytest.raises(BundleError, match=message):
        ask(ada, "What is it?", memory=Memory.open(tmp_path / "m", model=describing))


# --- many questions


def test_questions_asked_together_are_answered_as_one_by_one(memory: Memory, ada: Path, dog: Path) -> None:
    memory.add(image=ada, question="the wall", answer="Ada")
    memory.add(image=dog, texts=["a dog on the beach", "一只狗"])
    questions = ["red?", "What is on the wall?", "这是什么颜色？", "the wall", "Why?", "blue " * 40, "2"]
    pairs = [(photo, question) for photo in (ada, dog) for question in questions]
    together = list(ask_all(pairs, memory=memory))
    alone = [ask(photo, question, memory=memory) for photo, question in pairs]
    assert [gist(answer) for answer in together] == [gist(answer) for answer in alone]
    assert len({answer.text for answer in alone}) > 2


def test_a_photo_is_read_once_for_all_that_is_asked_about_it(answering: Model, ada: Path, dog: Path) -> None:
    photos = [str(ada), Path(ada), ada, dog, dog, ada]
    seen: list[tuple[int, int]] = []
    answers = list(
        ask_all(
            [(photo, f"{number}?") for number, photo in enumerate(photos)],
            model=answering,
            progress=lambda done, total: seen.append((done, total)),
        )
    )
    assert [answer.uri for answer in answers] == [str(photo) for photo in photos]
    assert [answer.question for answer in answers] == [f"{number}?" for number in range(6)]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_images_in_memory_are_numbered(answering: Model) -> None:
    image = of_colour(*RED)
    pairs = [(image, "a"), (image, "b"), (Image.new("RGB", (9, 9), BLUE), "a")]
    assert [(answer.uri, answer.text) for answer in ask_all(pairs, model=answering)] == [
        ("image 1", "red photo"), ("image 1", "red photo"), ("image 2", "blue photo"),
    ]  # fmt: skip


def test_answers_come_before_all_photos_are_read(answering: Model) -> None:
    done: list[int] = []
    pairs = [(of_colour(number, 0, 255 - number), "What is it?") for number in range(40)]
    answers = ask_all(pairs, model=answering, progress=lambda count, total: done.append(count))
    assert next(answers).text == "blue photo"
    assert len(done) < 20
    assert len(list(answers)) == 39


def test_no_questions_have_no_answers(answering: Model) -> None:
    assert list(ask_all([], model=answering)) == []
    assert Asker(answering).answer([]) == []


def test_who_has_looked_already_may_ask(answering: Model) -> None:
    (seen,) = answering.look([of_colour(*BLUE)])
    (answer,) = Asker(answering).answer([Asked("sea", seen, "What is it?")])
    assert (answer.uri, answer.text) == ("sea", "blue photo")


def test_an_unreadable_photo_is_named(answering: Model, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        ask(tmp_path / "gone.jpg", "What is it?", model=answering)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_unreadable_photos_among_good_ones_are_left_out_when_asked(
    answering: Model, ada: Path, dog: Path, tmp_path: Path, bad: int
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no photo")
    files = [ada, dog]
    files.insert(bad, tmp_path / "bad.png")
    unreadable: list[ImageError] = []
    pairs = [(file, question) for file in files for question in ("What?", "Why is it so?")]
    answers = list(ask_all(pairs, model=answering, unreadable=unreadable.append))
    assert [answer.text for answer in answers] == ["red photo"] * 2 + ["blue photo"] * 2
    assert [answer.question for answer in answers] == ["What?", "Why is it so?"] * 2
    assert [error.name for error in unreadable] == [str(tmp_path / "bad.png")]


def test_json_form(memory: Memory, ada: Path) -> None:
    record = memory.add(image=ada, question="the wall", answer="Ada")
    values = revln.ask(ada, "the wall", memory=memory).to_dict()
    assert list(values) == [
        "uri", "question", "text", "confidence", "abstained", "lang", "none_weight", "evidence"
    ]  # fmt: skip
    assert (values["question"], values["text"], values["lang"]) == ("the wall", "the wall Ada", "en")
    assert values["evidence"] == [
        {"id": record.id, "score": 1.0, "weight": pytest.approx(2 / 3, abs=1e-5), "uri": str(ada),
         "text": "the wall Ada", "label": None}
    ]  # fmt: skip
