"""Captions in one and two languages, and which of them a batch draws."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from revln.errors import InputError
from revln.train.class_names import ClassFeatures
from revln.train.loop import Draw
from revln.train.pairs import AlignData, CaptionPairs, ClassPairs, tells_sides

BOTH = ("en", "zh")


def test_captions_are_read_by_photo_and_language(caption_data: AlignData) -> None:
    found = caption_data.read(caption_data.dev, BOTH)
    assert list(found) == [f"{number}.jpg" for number in range(24, 32)]
    assert found["24.jpg"] == {
        "en": ("a red wall", "a picture that is all red"),
        "zh": ("红色的墙", "一张全是红色的图片"),
    }
    assert caption_data.read(caption_data.dev, ["en"], 1) == {"24.jpg": {"en": found["24.jpg"]["en"]}}


def test_photo_without_captions_in_the_second_language(caption_data: AlignData) -> None:
    photo = caption_data.read(caption_data.train, BOTH)["02.jpg"]
    assert len(photo["en"]) == 2
    assert not photo["zh"]
    with pytest.raises(InputError, match=r"23 of its 24 photos have captions in .*zh\.txt, '02\.jpg' has none"):
        caption_data.read(caption_data.train, ["zh", "en"])


def test_folder_in_one_language(caption_data: AlignData, tmp_path: Path) -> None:
    for name in ("captions.txt", "train.txt", "dev.txt"):
        (tmp_path / name).symlink_to(caption_data.images.parent / name)
    (tmp_path / "images").symlink_to(caption_data.images)
    data = AlignData.in_folder(tmp_path)
    assert (list(data.captions), data.translations) == (["en"], None)
    assert not data.read_translations(["en"])
    assert len(data.read(data.train, ["en"])) == 24
    with pytest.raises(InputError, match=r"no captions in 'zh': put captions\.zh\.txt beside .*captions\.txt"):
        data.read(data.train, BOTH)


def test_translations_are_of_the_other_languages(caption_data: AlignData) -> None:
    assert caption_data.read_translations(BOTH)["05.jpg"] == {"zh": ["一面绿色的墙。"]}
    assert not caption_data.read_translations(["en"])


def test_translations_need_to_name_their_photos(caption_data: AlignData, tmp_path: Path) -> None:
    file = tmp_path / "parallel.en-zh.txt"
    file.write_text("en,zh\na wall,墙\n", encoding="utf-8")
    data = dataclasses.replace(caption_data, translations=file)
    with pytest.raises(InputError, match=r"parallel\.en-zh\.txt: has no column 'image': add a first line"):
        data.read_translations(BOTH)
    assert not data.read_translations(["en"])  # they are not looked at


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("a dog on the left", True),
        ("Right behind the wall", True),
        ("a bright wall", False),
        ("leftovers on a table", False),
        ("左边的狗", True),
        ("一只狗在右侧", True),
        ("一只狗", False),
    ],
)
def test_which_captions_tell_sides(text: str, tells: bool) -> None:
    assert tells_sides(["a dog", text]) is tells


def pairs(sentences: dict[str, list[list[list[int]]]]) -> CaptionPairs:
    """Three photos in four views, of which two are mirrored; the caption of the first photo tells sides."""
    mirrored = np.array([False, True, False, True])
    return CaptionPairs(~(np.array([True, False, False])[:, None] & mirrored), sentences)


def test_draws_captions_of_each_photo_and_language() -> None:
    """Three captions a photo, some of them more than once; none of a photo that has none in the language."""
    drawn_from = pairs({"en": [[[1], [2]], [[3]], [[4], [5], [6]]], "zh": [[[7]], [], [[8], [9]]]})
    views, drawn = drawn_from.draw(np.array([2, 1, 0]), 3, Draw.of_epoch(0, 0))
    assert len(views) == 3
    assert drawn["en"].positives.int().argmax(0).tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert drawn["zh"].positives.int().argmax(0).tolist() == [0, 0, 0, 2, 2, 2]
    assert (drawn["en"].positives.sum(0) == 1).all()
    owned = [{4, 5, 6}, {3}, {1, 2}]
    assert all(sentence[0] in owned[place // 3] for place, sentence in enumerate(drawn["en"].sentences))
    assert [ids[0] in {8, 9} for ids in drawn["zh"].sentences] == [True] * 3 + [False] * 3
    assert drawn_from.draw(np.array([1]), 3, Draw.of_epoch(0, 0))[1]["zh"].sentences == []


def test_a_caption_that_photos_share_fits_all_of_them() -> None:
    drawn_from = pairs({"en": [[[7]], [[8], [7]], [[9]]]})
    _, drawn = drawn_from.draw(np.array([0, 1]), 1, Draw.of_epoch(0, 0))
    assert drawn["en"].sentences[0] == [7]
    assert drawn["en"].positives[:, 0].tolist() == [True, True]
    _, drawn = drawn_from.draw(np.array([2, 0]), 1, Draw.of_epoch(0, 0))
    assert drawn["en"].positives.tolist() == [[True, False], [False, True]]


def test_mirror_images_are_not_drawn_for_captions_that_tell_sides() -> None:
    drawn_from, draw = pairs({"en": [[[1]], [[2]], [[3]]]}), Draw.of_epoch(0, 0)
    views = {photo: set[int]() for photo in range(3)}
    for _ in range(60):
        for photo, view in enumerate(drawn_from.draw(np.arange(3), 1, draw)[0].tolist()):
            views[photo].add(view)
    assert views == {0: {0, 2}, 1: {0, 1, 2, 3}, 2: {0, 1, 2, 3}}


def test_classes_are_drawn_with_a_name_in_one_of_their_languages() -> None:
    torch.manual_seed(0)
    classifier = torch.nn.Linear(1280, 2)
    classes = ClassPairs(ClassFeatures(torch.rand(50, 1280), classifier), [[[[1], [2]], [[3]]], [[[4]]]])
    draw, seen = Draw.of_epoch(0, 0), set[int]()
    for _ in range(40):
        features, names = classes.draw(2, draw)
        assert classifier(features).argmax(1).tolist() == [int(name == [4]) for name in names]
        seen |= {token for name in names for token in name}
    assert seen == {1, 2, 3, 4}
