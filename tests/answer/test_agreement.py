"""How well sentences agree with what is said of like images."""

from __future__ import annotations

import numpy as np
import pytest

from revln.answer import agreements
from revln.metrics import Cider

AROUND = [[text.split()] for text in ("a dog runs on grass", "a brown dog runs", "a cat sleeps", "two men talk")]
SAID = [text.split() for text in ("a man sits", "a brown dog runs on grass", "a cat")]
EVENLY = [0.25] * 4


def test_the_sentence_that_others_say_agrees_best() -> None:
    assert int(agreements(SAID, AROUND, EVENLY).argmax()) == 1


def test_images_count_by_their_parts() -> None:
    assert int(agreements(SAID, AROUND, [0.1, 0.1, 0.7, 0.1]).argmax()) == 2
    alone = agreements(SAID, AROUND, [0, 1, 0, 0])
    assert alone == pytest.approx(Cider(AROUND).scores(SAID, [1] * 3))
    assert agreements(SAID, AROUND, [0.5, 0.5, 0, 0]) == pytest.approx(
        (alone + Cider(AROUND).scores(SAID, [0] * 3)) / 2
    )


@pytest.mark.parametrize("around", [[], [[["a", "cat"]]], [[["a", "cat"]]] * 3])
def test_where_nothing_is_rare_nothing_agrees(around: list[list[list[str]]]) -> None:
    parts = np.full(len(around), 1 / max(len(around), 1)).tolist()
    assert agreements(SAID, around, parts).tolist() == [0, 0, 0]


def test_no_sentences() -> None:
    assert agreements([], AROUND, EVENLY).shape == (0,)
