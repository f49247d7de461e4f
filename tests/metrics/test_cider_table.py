"""CIDEr-D of sentences with sentences is that of ``Cider``, which is that of coco-caption."""

from __future__ import annotations

import numpy as np
import pytest

from revln.metrics import Cider, Rarity, cider_table

WORDS = ("a", "dog", "cat", "man", "runs", "sits", "on", "the", "grass", "red", "ball", "with")


def sentences(count: int, seed: int) -> list[tuple[str, ...]]:
    """Of one to nine words, the first ones the commonest."""
    random = np.random.default_rng(seed)
    chances = 1 / np.arange(1, len(WORDS) + 1)
    return [tuple(random.choice(WORDS, random.integers(1, 10), p=chances / chances.sum())) for _ in range(count)]


def test_it_holds_the_scores_of_cider() -> None:
    said, heard, told = sentences(30, 0), sentences(40, 1), sentences(150, 2)
    documents = [told[start : start + 3] for start in range(0, len(told), 3)]
    said += [(), ("a",), ("a",) * 5, ("not", "heard", "of"), heard[0]]
    table = cider_table(said, heard, Rarity(documents))
    assert table.shape == (len(said), len(heard))
    cider = Cider([[sentence] for sentence in heard], corpus=documents)
    for place in range(len(heard)):
        np.testing.assert_allclose(table[:, place], cider.scores(said, [place] * len(said)), atol=1e-12)
    assert len(np.unique(table.round(9))) > 200  # there is something to agree on


@pytest.mark.parametrize("documents", [[], [[("a", "dog")]], [[("a", "dog")]] * 3])
def test_where_nothing_is_rare_nothing_agrees(documents: list[list[tuple[str, ...]]]) -> None:
    assert cider_table([("a", "dog")], [("a", "dog"), ("a",)], Rarity(documents)).tolist() == [[0, 0]]


def test_no_sentences() -> None:
    rarity = Rarity([[("a", "dog")], [("a", "cat")]])
    assert cider_table([], [("a",)], rarity).shape == (0, 1)
    assert cider_table([("a",)], [], rarity).shape == (1, 0)
    assert cider_table([()], [()], rarity).tolist() == [[0]]
