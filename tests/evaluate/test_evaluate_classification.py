from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from revln.errors import ImageError, InputError
from revln.evaluate import evaluate_classification
from revln.pipeline import Memory, index


def test_the_folders_are_the_labels(model, photos) -> None:
    scores = evaluate_classification(photos, model=model)
    assert scores.to_dict() == {
        "accuracy": 100.0, "per_label": {"blue": 100.0, "green": 100.0, "red": 100.0}, "images": 3
    }  # fmt: skip


def test_wrong_answers_count_against_their_label(model, photos) -> None:
    Image.new("RGB", (32, 32), (250, 10, 10)).save(photos / "green" / "really-red.png")
    scores = evaluate_classification(photos, model=model)
    assert scores.accuracy == 75.0
    assert scores.per_label == {"blue": 100.0, "green": 50.0, "red": 100.0}
    assert scores.counts == {"blue": 1, "green": 2, "red": 1}


def test_labels_are_compared_without_case_and_underscores(model, photos) -> None:
    (photos / "red").rename(photos / "RED_Thing")
    (photos / "blue").rename(photos / "Blue")
    scores = evaluate_classification(photos, labels=["red thing", "green", "blue"], model=model)
    assert scores.accuracy == 100.0


def test_a_memory_has_a_say(model, photos, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("REVLN_DATA", str(tmp_path / "data"))
    memory = Memory.open(tmp_path / "m", model=model)
    index([photos], memory=memory, labels_from_folders=True)
    seen: list[tuple[int, int]] = []
    scores = evaluate_classification(
        photos, memory=memory, k=1, progress=lambda done, total: seen.append((done, total))
    )
    assert scores.accuracy == 100.0
    assert seen[-1] == (3, 3)


def test_folders_that_are_none_of_the_labels(model, photos) -> None:
    with pytest.raises(InputError, match="the folders blue are none of the labels"):
        evaluate_classification(photos, labels=["red", "green"], model=model)


def test_photos_outside_of_folders_are_left_out(model, photos, tmp_path) -> None:
    Image.new("RGB", (8, 8)).save(photos / "loose.png")
    assert evaluate_classification(photos, model=model).images == 3
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="no photos in sub-folders"):
        evaluate_classification(empty, model=model)


def test_damaged_photos_are_named(model, photos: Path) -> None:
    (photos / "green" / "bad.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"bad\.png"):
        evaluate_classification(photos, model=model)
