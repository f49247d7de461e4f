from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.errors import ImageError, QueryError
from revln.models import Bundle, Model
from revln.pipeline import Memory, classify, classify_all, index


@pytest.fixture
def labelled(tmp_path: Path, memory: Memory, make_photo: Callable[..., Path]) -> Memory:
    """Two warm and two cold photos, their folders being their labels."""
    for name, colour in {"warm/a.png": (250, 0, 0), "warm/b.png": (250, 120, 0), "cold/c.png": (0, 0, 250),
                         "cold/d.png": (0, 120, 250)}.items():  # fmt: skip
        make_photo(tmp_path / "classes" / name, colour)
    index(tmp_path / "classes", memory=memory, labels_from_folders=True)
    return memory


def of_colour(*colour: int) -> np.ndarray:
    return np.full((8, 8, 3), colour, np.uint8)


def test_the_memorys_own_labels(labelled: Memory) -> None:
    answer = classify(of_colour(240, 60, 0), memory=labelled)
    assert answer.text == "warm"
    assert {score.label for score in answer.labels} == {"warm", "cold"}
    assert {item.hit.record.label for item in answer.evidence} == {"warm"}
    assert answer.evidence[0].hit.record.label == "warm"
    assert sum(evidence.weight for evidence in answer.evidence) + answer.none_weight == pytest.approx(1)
    assert 0 < answer.none_weight < 1
    assert classify(of_colour(0, 60, 240), memory=labelled).text == "cold"


def test_labels_given_without_a_memory(tiny_model: Model) -> None:
    answer = classify(of_colour(0, 200, 0), labels=["blue", " green ", "blue"], model=tiny_model)
    assert answer.text == "green"
    assert [score.label for score in answer.labels] == ["green", "blue"]
    assert (answer.evidence, answer.none_weight) == ((), 1.0)


def test_labels_given_with_a_memory_that_knows_some_of_them(labelled: Memory) -> None:
    answer = classify(of_colour(250, 60, 0), memory=labelled, labels=["warm", "green"])
    assert answer.text == "warm"
    assert {evidence.hit.record.label for evidence in answer.evidence} == {"warm"}
    unknown = classify(of_colour(0, 200, 0), memory=labelled, labels=["green", "blue"])
    assert unknown.text == "green"
    assert unknown.evidence == ()


def test_without_labels_and_memory_the_cnns_own_classes_answer(tiny_model: Model, filled: Memory) -> None:
    for answer in (classify(of_colour(255, 0, 0), model=tiny_model), classify(of_colour(255, 0, 0), memory=filled)):
        # Logits 10, 0 and 0; of a class with two names the first is said.
        assert answer.text == "red"
        assert answer.confidence == pytest.approx(1 / (1 + 2 * np.exp(-10)), abs=1e-5)
        assert [score.label for score in answer.labels] == ["red", "green", "blue"]


def test_a_taught_label_is_used_at_once(labelled: Memory, tmp_path: Path, make_photo: Callable[..., Path]) -> None:
    grass = make_photo(tmp_path / "grass.png", (20, 200, 20))
    assert classify(grass, memory=labelled).text != "meadow"
    labelled.add(image=grass, label="meadow")
    answer = classify(of_colour(20, 190, 20), memory=labelled)
    assert answer.text == "meadow"
    assert answer.evidence[0].hit.record.uri == str(grass)


def test_k_limits_the_evidence(labelled: Memory) -> None:
    assert len(classify(of_colour(240, 60, 0), memory=labelled, k=1).evidence) == 1
    with pytest.raises(QueryError, match="k is 0"):
        classify(of_colour(1, 1, 1), memory=labelled, k=0)


@pytest.mark.parametrize("labels", [[""], ["red", "  "], []])
def test_an_empty_label_is_refused(tiny_model: Model, labels: list[str]) -> None:
    with pytest.raises(QueryError, match="an empty label"):
        classify(of_colour(1, 1, 1), labels=labels, model=tiny_model)


def test_labels_in_one_string_are_refused(tiny_model: Model) -> None:
    with pytest.raises(QueryError, match="give a list of names"):
        classify(of_colour(1, 1, 1), labels="red,blue", model=tiny_model)


def test_a_label_with_a_quote_is_a_label(labelled: Memory, tmp_path: Path, make_photo: Callable[..., Path]) -> None:
    labelled.add(image=make_photo(tmp_path / "q.png", (0, 250, 0)), label="Ada's garden")
    assert classify(of_colour(0, 250, 0), memory=labelled).text == "Ada's garden"


def test_nothing_to_choose_from(tmp_path: Path, tiny_bundle: Path) -> None:
    shutil.copytree(tiny_bundle, tmp_path / "no classes")
    card = Bundle(tiny_bundle).card
    files = {name: digest for name, digest in card.files.items() if name != "classes.json"}
    dataclasses.replace(card, files=files).write(tmp_path / "no classes")
    with pytest.raises(QueryError, match="nothing to choose from: give --labels"):
        classify(of_colour(1, 1, 1), model=tmp_path / "no classes")
    assert classify(of_colour(0, 0, 9), model=tmp_path / "no classes", labels=["red", "blue"]).text == "blue"


def test_many_images_in_order_with_progress(labelled: Memory, photo_folder: Path) -> None:
    files = [photo_folder / name for name in ("blue.png", "red.png", "orange.png")]
    seen: list[tuple[int, int]] = []
    answers = list(classify_all(files, memory=labelled, progress=lambda done, total: seen.append((done, total))))
    assert [answer.text for answer in answers] == ["cold", "warm", "warm"]
    assert [answer.uri for answer in answers] == [str(file) for file in files]
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_unreadable_image_is_named(labelled: Memory, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.jpg: no such file"):
        classify(tmp_path / "gone.jpg", memory=labelled)


def test_unreadable_images_among_many_are_left_out_when_asked(
    labelled: Memory, photo_folder: Path, tmp_path: Path
) -> None:
    files = [photo_folder / "blue.png", tmp_path / "gone.jpg", photo_folder / "red.png"]
    unreadable: list[ImageError] = []
    answers = list(classify_all(files, memory=labelled, unreadable=unreadable.append))
    assert [answer.text for answer in answers] == ["cold", "warm"]
    assert [(error.name, error.reason) for error in unreadable] == [(str(files[1]), "no such file")]


def test_json_form(labelled: Memory) -> None:
    values = classify(of_colour(240, 60, 0), memory=labelled).to_dict()
    assert set(values) == {"uri", "label", "confidence", "labels", "none_weight", "evidence"}
    assert values["label"] == "warm"
