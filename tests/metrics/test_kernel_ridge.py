"""Kernel ridge regression at one place."""

from __future__ import annotations

import numpy as np
import pytest

from revln.metrics import likeness_kernel, ridge_weights


def units(count: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_weights_are_those_of_the_regression() -> None:
    """Of deviations from the mean, solved for the coefficients first, as textbooks do."""
    examples, place, targets = units(9), units(1, seed=1)[0], np.arange(9.0) ** 2
    kernel = likeness_kernel(examples, examples)
    coefficients = np.linalg.solve(kernel + 0.3 * np.eye(9), targets - targets.mean())
    expected = targets.mean() + likeness_kernel(place, examples) @ coefficients
    assert ridge_weights(examples, place, 0.3) @ targets == pytest.approx(expected)


def test_the_weights_sum_to_one() -> None:
    assert ridge_weights(units(5), units(1, seed=3)[0], 0.1).sum() == pytest.approx(1)
    assert ridge_weights(units(1), units(1, seed=3)[0], 0.1) == pytest.approx([1])


def test_an_example_at_the_place_says_all_but_for_the_ridge() -> None:
    examples = units(4)
    assert ridge_weights(examples, examples[2], 1e-9) == pytest.approx([0, 0, 1, 0], abs=1e-6)
    assert ridge_weights(examples, examples[2], 1e9) == pytest.approx([0.25] * 4, abs=1e-6)


def test_copies_share_their_weight() -> None:
    one, other, place = units(3)
    alone, both = (
        ridge_weights(np.stack([one, other]), place, 0.01),
        ridge_weights(np.stack([one] * 2 + [other]), place, 0.01),
    )
    assert both[0] == pytest.approx(both[1])
    assert both[:2].sum() == pytest.approx(alone[0], abs=0.1)
