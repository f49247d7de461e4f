"""Captions by the tiny generator: "a red photo" by itself, the text with the largest share when it recalls some."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import revln
from revln.answer import Decoding
from revln.errors import BundleError, ImageError, QueryError
from revln.models import Bundle, Model, load_model
from revln.models.card import sha256_of
from revln.pipeline import Memory, caption, caption_all, index
from revln.types import Answer
from tiny_bundle import make_tiny_bundle

MakePhoto = Callable[..., Path]
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
GREEDY = Decoding(beams=1)  # what it found word by word, so that it rests on what it looked at


def of_colour(*colour: int) -> np.ndarray:
    return np.full((8, 8, 3), colour, np.uint8)


def gist(answer: Answer) -> tuple[object, ...]:
    """An answer, its numbers as exact as they are when photos are looked at in another company."""
    weights = [(evidence.hit.record.id, round(evidence.weight, 5)) for evidence in answer.evidence]
    return answer.uri, answer.text, round(answer.confidence, 5), weights


@pytest.fixture(scope="session")
def speaking_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle with its generator; not to be written into."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "speaking", generator=True)


@pytest.fixture(scope="session")
def speaking(speaking_bundle: Path) -> Model:
    return load_model(speaking_bundle)


@pytest.fixture
def memory(tmp_path: Path, speaking: Model) -> Memory:
    """An empty memory of the speaking model."""
    return Memory.open(tmp_path / "memory.revln", model=speaking)


@pytest.fixture
def taught(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> Memory:
    """Ada is red, a dog is blue."""
    memory.add(image=make_photo(tmp_path / "ada.png", RED), texts=["Ada on the wall", "墙上的红色"])
    memory.add(image=make_photo(tmp_path / "dog.png", BLUE), texts=["a dog on the beach", "一只狗"])
    return memory


def test_a_photo_alone(speaking: Model) -> None:
    answer = caption(of_colour(250, 10, 0), model=speaking)
    assert answer.text == "A red photo."
    # The words are said with e^8 against e^0 for each of the others, "red" with a little less.
    assert answer.confidence == pytest.approx(0.988, abs=1e-3)
    assert (answer.evidence, answer.none_weight, answer.abstained) == ((), 1.0, False)
    assert caption(of_colour(0, 40, 200), model=speaking).text == "A blue photo."


def test_every_language_that_it_speaks(speaking: Model) -> None:
    answer = caption(of_colour(0, 200, 0), model=speaking, lang="zh")
    assert (answer.text, answer.language) == ("一张绿色照片。", "zh")
    assert caption(of_colour(0, 200, 0), model=speaking).language == "en"


def test_a_language_that_it_does_not_speak(speaking: Model) -> None:
    with pytest.raises(QueryError, match=r"the model tiny-1-\w+ does not speak 'de': choose from en, zh"):
        caption(of_colour(1, 1, 1), model=speaking, lang="de")


def test_a_model_that_cannot_speak(tiny_model: Model, tmp_path: Path) -> None:
    message = "has no generator, so it cannot describe photos: use one that has"
    with pytest.raises(BundleError, match=message):
        caption(of_colour(1, 1, 1), model=tiny_model)
    with pytest.raises(BundleError, match=message):
        caption(of_colour(1, 1, 1), memory=Memory.open(tmp_path / "mute.revln", model=tiny_model))


def test_a_taught_photo_changes_the_caption_of_a_like_one_at_once(
    memory: Memory, tmp_path: Path, make_photo: MakePhoto
) -> None:
    like = of_colour(240, 30, 0)
    assert caption(like, memory=memory).text == "A red photo."
    record = memory.add(image=make_photo(tmp_path / "ada.png", RED), texts=["Ada on the wall"])
    answer = caption(like, memory=memory)
    assert answer.text == "Ada on the wall."
    assert [evidence.hit.record for evidence in answer.evidence] == [record]
    memory.delete(ids=[record.id])
    assert caption(like, memory=memory).text == "A red photo."


def test_what_is_taught_among_many_like_photos_is_recalled(
    memory: Memory, tmp_path: Path, make_photo: MakePhoto
) -> None:
    for number in range(40):
        make_photo(tmp_path / "photos" / f"like {number}.png", RED, size=(24 + number, 16))
        make_photo(tmp_path / "photos" / f"unlike {number}.png", BLUE, size=(24 + number, 16))
    captions = "".join(f"unlike {number}.png,green\n" for number in range(40))
    (tmp_path / "captions.csv").write_text(f"image,caption\n{captions}")
    index(tmp_path / "photos", memory=memory, captions=tmp_path / "captions.csv")
    memory.add(image=make_photo(tmp_path / "ada.png", (250, 20, 0)), texts=["Ada on the wall"])
    assert caption(of_colour(255, 0, 0), memory=memory).text == "Ada on the wall."


def test_the_text_with_the_largest_share_is_said(taught: Memory) -> None:
    red = caption(of_colour(*RED), memory=taught)
    blue = caption(of_colour(*BLUE), memory=taught)
    assert (red.text, blue.text) == ("Ada on the wall.", "A dog on the beach.")
    assert blue.evidence[0].hit.record.uri.endswith("dog.png")


def test_a_caption_that_repeats_a_record_rests_on_it(taught: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    """On each that says so, whatever else is recalled."""
    again = taught.add(image=make_photo(tmp_path / "again.png", (254, 0, 0)), texts=["Ada on the wall."])
    answer = caption(of_colour(*RED), memory=taught)
    assert answer.text == "Ada on the wall."
    assert {evidence.hit.record.uri for evidence in answer.evidence} == {str(tmp_path / "ada.png"), again.uri}
    assert len({evidence.weight for evidence in answer.evidence}) == 1
    assert sum(evidence.weight for evidence in answer.evidence) + answer.none_weight == pytest.approx(1)


def test_weights_follow_the_shares_and_sum_to_one(taught: Memory) -> None:
    answer = caption(of_colour(204, 0, 153), memory=taught, decoding=GREEDY)
    # Cosines to the pictures 0.8 and 0.6, to the texts 0; and 1 for the photo itself.
    assert [round(evidence.weight, 5) for evidence in answer.evidence] == [round(0.8 / 2.4, 5), 0.25]
    assert answer.none_weight == pytest.approx(1 / 2.4)
    assert sum(evidence.weight for evidence in answer.evidence) + answer.none_weight == pytest.approx(1)
    assert [evidence.hit.score for evidence in answer.evidence] == pytest.approx([0.8, 0.6])
    assert [evidence.hit.text for evidence in answer.evidence] == ["Ada on the wall", "a dog on the beach"]


def test_the_texts_of_the_language_are_recalled(taught: Memory) -> None:
    answer = caption(of_colour(*BLUE), memory=taught, lang="zh")
    assert answer.text == "一只狗。"
    assert [evidence.hit.text for evidence in answer.evidence] == ["一只狗"]
    greedy = caption(of_colour(*BLUE), memory=taught, lang="zh", decoding=GREEDY)
    assert [evidence.hit.text for evidence in greedy.evidence] == ["一只狗", "墙上的红色"]


def test_k_says_how_many_are_recalled(taught: Memory) -> None:
    assert len(caption(of_colour(*RED), memory=taught, k=1, decoding=GREEDY).evidence) == 1
    assert len(caption(of_colour(*RED), memory=taught, k=100, decoding=GREEDY).evidence) == 2
    nothing = caption(of_colour(*RED), memory=taught, k=0)
    assert (nothing.text, nothing.evidence, nothing.none_weight) == ("A red photo.", (), 1.0)
    with pytest.raises(QueryError, match="k is -1"):
        caption(of_colour(*RED), memory=taught, k=-1)


def test_without_the_memory_its_model_alone_answers(taught: Memory) -> None:
    answer = caption(of_colour(*RED), model=taught.model)
    assert (answer.text, answer.evidence) == ("A red photo.", ())


def test_a_memory_without_texts_is_like_none(memory: Memory, photo_folder: Path, speaking: Model) -> None:
    alone = caption(of_colour(*RED), model=speaking)
    assert caption(of_colour(*RED), memory=memory) == alone  # there is nothing in it at all
    index(photo_folder, memory=memory)
    assert len(memory) == 4
    assert caption(of_colour(*RED), memory=memory) == alone


def test_labels_are_texts(memory: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    make_photo(tmp_path / "photos" / "dog" / "1.png", RED)
    index(tmp_path / "photos", memory=memory, labels_from_folders=True)
    answer = caption(of_colour(*RED), memory=memory)
    assert (answer.text, answer.evidence[0].hit.text) == ("Dog.", "dog")


def test_texts_that_belong_to_no_photo_are_recalled(memory: Memory) -> None:
    record = memory.add(texts="the red dog")
    answer = caption(of_colour(*RED), memory=memory)
    assert answer.text == "The red dog."
    # One word in red and two that are no colour; there is no picture to be like.
    cosine = 1 / 5**0.5
    (evidence,) = answer.evidence
    assert evidence.hit.record == record
    assert (evidence.hit.score, evidence.weight) == pytest.approx((cosine, cosine / (1 + cosine)))


def test_a_photo_that_the_memory_holds_is_described_as_it_was_taught(taught: Memory, tmp_path: Path) -> None:
    assert caption(tmp_path / "ada.png", memory=taught).text == "Ada on the wall."


def test_a_photos_own_record_can_be_left_out(taught: Memory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inner").mkdir()
    for path in (tmp_path / "ada.png", str(tmp_path / "ada.png"), "ada.png", Path("inner/../ada.png")):
        answer = caption(path, memory=taught, exclude_self=True)
        assert [evidence.hit.text for evidence in answer.evidence] == ["a dog on the beach"]
    # Only by its path: a copy is another photo.
    shutil.copyfile("ada.png", "copy.png")
    assert caption("copy.png", memory=taught, exclude_self=True).text == "Ada on the wall."


def test_each_photo_leaves_out_its_own_record_only(taught: Memory, tmp_path: Path) -> None:
    answers = caption_all([tmp_path / "ada.png", tmp_path / "dog.png"], memory=taught, exclude_self=True)
    assert [[evidence.hit.record.uri for evidence in answer.evidence] for answer in answers] == [
        [str(tmp_path / "dog.png")], [str(tmp_path / "ada.png")]
    ]  # fmt: skip


def test_many_photos_in_order_with_progress(taught: Memory, tmp_path: Path, make_photo: MakePhoto) -> None:
    colours = {"red": RED, "green": GREEN, "blue": BLUE}
    names = [("red", "green", "blue")[number * number % 3] for number in range(37)]
    files = [make_photo(tmp_path / "many" / f"{number}.png", colours[name]) for number, name in enumerate(names)]
    seen: list[tuple[int, int]] = []
    answers = list(caption_all(files, memory=taught, progress=lambda done, total: seen.append((done, total))))
    said = {"red": "Ada on the wall.", "green": "A green photo.", "blue": "A dog on the beach."}
    assert [answer.text for answer in answers] == [said[name] for name in names]
    assert [answer.uri for answer in answers] == [str(file) for file in files]
    assert seen == [(done, 37) for done in range(1, 38)]
    assert [gist(answer) for answer in answers] == [gist(caption(file, memory=taught)) for file in files]


def test_captions_come_before_all_photos_are_read(speaking: Model) -> None:
    done: list[int] = []
    answers = caption_all([of_colour(*RED)] * 40, model=speaking, progress=lambda count, total: done.append(count))
    assert next(answers).text == "A red photo."
    assert len(done) < 20
    assert len(list(answers)) == 39


def test_photos_with_more_and_fewer_memories_in_one_batch(taught: Memory, tmp_path: Path) -> None:
    # Its own record left out, Ada's photo recalls one text and the other photo two.
    files = [tmp_path / "ada.png", tmp_path / "else.png"]
    Image.new("RGB", (20, 20), BLUE).save(files[1])
    together = list(caption_all(files, memory=taught, exclude_self=True, decoding=GREEDY))
    assert [len(answer.evidence) for answer in together] == [1, 2]
    alone = [caption(file, memory=taught, exclude_self=True, decoding=GREEDY) for file in files]
    assert [gist(answer) for answer in together] == [gist(answer) for answer in alone]


def test_no_photos_have_no_captions(speaking: Model) -> None:
    assert list(caption_all([], model=speaking)) == []


def test_images_in_memory_are_numbered(speaking: Model) -> None:
    answers = caption_all([of_colour(*RED), Image.new("RGB", (9, 9), BLUE)], model=speaking)
    assert [(answer.uri, answer.text) for answer in answers] == [
        ("image 1", "A red photo."), ("image 2", "A blue photo."),
    ]  # fmt: skip


def test_an_unreadable_photo_is_named(speaking: Model, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        caption(tmp_path / "gone.jpg", model=speaking)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_unreadable_photos_among_good_ones_are_left_out_when_asked(
    speaking: Model, photo_folder: Path, tmp_path: Path, bad: int
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no photo")
    files = [photo_folder / "red.png", photo_folder / "blue.png"]
    files.insert(bad, tmp_path / "bad.png")
    unreadable: list[ImageError] = []
    seen: list[int] = []
    answers = caption_all(
        files, model=speaking, unreadable=unreadable.append, progress=lambda done, total: seen.append(done)
    )
    assert [answer.text for answer in answers] == ["A red photo.", "A blue photo."]
    assert [error.name for error in unreadable] == [str(tmp_path / "bad.png")]
    assert seen == [1, 2, 3]


def test_words_may_be_drawn_by_chance(speaking: Model) -> None:
    def said(seed: int) -> str:
        decoding = Decoding(beams=1, nucleus=1.0, temperature=4.0, seed=seed)
        return caption(of_colour(*RED), model=speaking, decoding=decoding).text

    assert len({said(seed) for seed in range(8)}) > 2
    assert said(3) == said(3)


def test_a_sentence_is_no_longer_than_the_generator_has_learnt(tmp_path: Path, make_photo: MakePhoto) -> None:
    bundle = make_tiny_bundle(tmp_path / "short", generator=True, facts={"max_tokens": 5})
    memory = Memory.open(tmp_path / "memory.revln", model=load_model(bundle))
    memory.add(image=make_photo(tmp_path / "red.png", RED), texts=["on the wall of a dog"])
    greedy = Decoding(beams=1)
    answer = caption(of_colour(*RED), memory=memory, decoding=greedy)
    assert answer.text == "On the wall of."  # 5 tokens with its beginning
    shorter = caption(of_colour(*RED), memory=memory, decoding=dataclasses.replace(greedy, most=2))
    assert shorter.text == "On the."


def test_an_image_tower_without_a_grid_is_refused(speaking_bundle: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    shutil.copytree(speaking_bundle, tmp_path / "gridless")
    shutil.copyfile(tiny_bundle / "vision.onnx", tmp_path / "gridless" / "vision.onnx")
    card = Bundle(tmp_path / "gridless").card
    towers = {**card.generator["towers"], "vision.onnx": sha256_of(tiny_bundle / "vision.onnx")}
    dataclasses.replace(card, files={**card.files, **towers}, generator={**card.generator, "towers": towers}).write(
        tmp_path / "gridless"
    )
    with pytest.raises(BundleError, match="gridless: its image tower gives no grid: export the bundle again"):
        caption(of_colour(1, 1, 1), model=tmp_path / "gridless")


def test_json_form(taught: Memory, tmp_path: Path) -> None:
    values = revln.caption(tmp_path / "ada.png", memory=taught).to_dict()
    assert list(values) == ["uri", "text", "confidence", "abstained", "lang", "none_weight", "evidence"]
    assert (values["uri"], values["text"], values["lang"]) == (str(tmp_path / "ada.png"), "Ada on the wall.", "en")
    (evidence,) = values["evidence"]
    assert {name: evidence[name] for name in ("score", "weight", "uri", "text")} == {
        "score": 1.0, "weight": 0.5, "uri": str(tmp_path / "ada.png"), "text": "Ada on the wall"
    }  # fmt: skip
    assert values["none_weight"] == 0.5
