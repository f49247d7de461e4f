from __future__ import annotations

import numpy as np
import pytest

from revln.metrics import covered_accuracy, expected_calibration_error


def by_a_loop(confidences: np.ndarray, right: np.ndarray, bins: int) -> float:
    """As in the paper: what each bin's mean confidence and accuracy differ by, weighed by its size."""
    error = 0.0
    for place in range(bins):
        low, high = place / bins, (place + 1) / bins
        inside = (confidences >= low) & ((confidences < high) | (place == bins - 1))
        if inside.any():
            gap = abs(right[inside].mean() - confidences[inside].mean())
            error += inside.sum() / len(confidences) * gap
    return error


def test_calibration_error_by_hand() -> None:
    # Two bins: 0.2 and 0.4 with one right of two, 0.9 and 0.7 with both right.
    confidences, right = np.array([0.2, 0.9, 0.4, 0.7]), np.array([True, True, False, True])
    assert expected_calibration_error(confidences, right, bins=2) == pytest.approx((abs(0.5 - 0.3) + (1 - 0.8)) / 2)
    # Ten: each is alone, and 0.7 is in the bin that begins with it.
    assert expected_calibration_error(confidences, right) == pytest.approx((0.8 + 0.1 + 0.4 + 0.3) / 4)


def test_confidence_and_accuracy_may_cancel_out_within_a_bin_only() -> None:
    right = np.array([True, False])
    assert expected_calibration_error(np.array([0.5, 0.5]), right) == pytest.approx(0)
    assert expected_calibration_error(np.array([0.45, 0.55]), right) == pytest.approx(0.55)


@pytest.mark.parametrize("bins", [1, 4, 16])  # whose edges are exact in binary
def test_calibration_error_as_a_plain_loop_gives_it(bins: int) -> None:
    random = np.random.default_rng(bins)
    confidences, right = random.random(500), random.random(500) < 0.6
    confidences[:20] = random.integers(0, bins + 1, 20) / bins  # on the edges
    expected = by_a_loop(confidences, right, bins)
    assert expected > 0.01
    assert expected_calibration_error(confidences, right, bins) == pytest.approx(expected)
    assert expected_calibration_error(confidences.astype(np.float32), right, bins) == pytest.approx(expected, abs=5e-3)


def test_certainty_that_is_right_has_no_error() -> None:
    assert expected_calibration_error(np.array([1.0, 1.0, 0.0]), np.array([True, True, False])) == 0
    assert expected_calibration_error(np.array([1.0, 1.0, 0.0]), np.array([False, False, True])) == 1


def test_the_surest_answers_count() -> None:
    confidences, right = np.array([0.1, 0.9, 0.5, 0.7]), np.array([True, True, False, False])
    shares = {coverage: covered_accuracy(confidences, right, coverage) for coverage in (0.25, 0.5, 0.75, 1.0)}
    assert shares == pytest.approx({0.25: 100, 0.5: 50, 0.75: 100 / 3, 1.0: 50})


def test_at_least_one_answer_is_covered_and_ties_keep_their_order() -> None:
    assert covered_accuracy(np.array([0.2, 0.3]), np.array([False, True]), 0.0) == 100
    assert covered_accuracy(np.full(4, 0.5), np.array([True, True, False, False]), 0.5) == 100
    assert covered_accuracy(np.full(4, 0.5), np.array([False, False, True, True]), 0.5) == 0


def test_no_answers_at_all() -> None:
    nothing, none = np.empty(0), np.empty(0, bool)
    assert (expected_calibration_error(nothing, none), covered_accuracy(nothing, none, 0.5)) == (0.0, 0.0)
