"""Names of what the vision model's own classes see."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from revln.models import Model, load_model
from revln.models.card import sha256_of
from revln.pipeline.naming import names_of
from revln.types import ImageEncoding

CATS = [["tabby (a cat)", "tabby cat"], ["Persian cat", "波斯猫"], ["hot dog", "热狗"], ["dog / hound"]]


@pytest.fixture
def named(tiny_bundle: Path, tmp_path: Path) -> Model:
    """A model with four classes."""
    directory = shutil.copytree(tiny_bundle, tmp_path / "named")
    (directory / "classes.json").write_text(json.dumps(CATS), encoding="utf-8")
    card = json.loads((directory / "card.json").read_text(encoding="utf-8"))
    card["files"]["classes.json"] = sha256_of(directory / "classes.json")
    (directory / "card.json").write_text(json.dumps(card), encoding="utf-8")
    return load_model(directory)


def seen(*chances: float) -> ImageEncoding:
    return ImageEncoding(np.zeros((1, 4), np.float32), np.log(np.array([chances], np.float32)), None)


def test_likely_classes_are_named(named: Model) -> None:
    """By their first name, without what explains it."""
    assert dict(names_of(named, seen(0.02, 0.02, 0.8, 0.16), "en")) == pytest.approx({"Hot dog": 0.8, "Dog": 0.16})


def test_a_kind_is_named_where_classes_share_the_probability(named: Model) -> None:
    names = dict(names_of(named, seen(0.5, 0.4, 0.05, 0.05), "en"))
    assert names == pytest.approx({"Tabby": 0.5, "Persian cat": 0.4, "Cat": 0.9})


def test_names_are_in_the_language(named: Model) -> None:
    assert dict(names_of(named, seen(0.1, 0.4, 0.4, 0.1), "zh")) == pytest.approx({"波斯猫": 0.4, "热狗": 0.4})


def test_what_is_unlikely_has_no_name(named: Model) -> None:
    assert names_of(named, seen(0.91, 0.03, 0.03, 0.03), "zh") == []


def test_a_model_without_classes_names_nothing(named: Model) -> None:
    assert names_of(named, ImageEncoding(np.zeros((1, 4), np.float32), None, None), "en") == []
