from __future__ import annotations

import numpy as np
import pytest

from revln.metrics import fit_line, lenient, logit, sigmoid


def test_logit_is_the_inverse_and_stays_finite() -> None:
    odds = np.array([-9.0, -1.0, 0.0, 2.5, 9.0])
    assert logit(sigmoid(odds)) == pytest.approx(odds)
    none, all_of_it = logit(np.array([0.0, 1.0], np.float32))
    assert none == pytest.approx(-all_of_it) == pytest.approx(np.log(1e-6), abs=1e-5)


def test_sigmoid_without_overflow() -> None:
    assert sigmoid(np.array([0.0, np.log(3), -np.log(3), 1e4, -1e4])) == pytest.approx([0.5, 0.75, 0.25, 1.0, 0.0])


def test_separable_scores_get_a_finite_slope_and_the_middle_between_them() -> None:
    slope, intercept = fit_line(np.full(10, 3.0), np.full(10, 1.0))
    # Two points, two unknowns: the targets 11/12 and 1/12 are met exactly, so slope * 2 = 2 * ln 11.
    assert (slope, intercept) == pytest.approx((np.log(11), -2 * np.log(11)), rel=1e-5)


def test_overlapping_scores_meet_the_conditions_of_the_optimum() -> None:
    random = np.random.default_rng(1)
    positives, negatives = random.normal(1.0, 1.0, 4000), random.normal(-1.0, 1.0, 4000)
    slope, intercept = fit_line(positives, negatives)
    # Two normal distributions one deviation either side of 0: the log odds are 2 x.
    assert slope == pytest.approx(2.0, abs=0.1)
    assert intercept == pytest.approx(0.0, abs=0.1)


def test_both_classes_weigh_the_same_whatever_their_numbers() -> None:
    random = np.random.default_rng(2)
    positives, negatives = random.normal(1.0, 1.0, 2000), random.normal(-1.0, 1.0, 100)
    _, intercept = fit_line(positives, negatives)
    _, alike = fit_line(np.tile(negatives + 2.0, 20), negatives)
    assert abs(intercept) < 0.5
    assert abs(alike) < 0.5


def test_unbalanced_probabilities_are_those_of_a_case_like_these() -> None:
    # At the score 0 one of ten is right, at the score 1 three of four; as many wrong as right would be others.
    right, wrong = np.repeat([0.0, 1.0], [200, 1500]), np.repeat([0.0, 1.0], [1800, 500])
    for balanced, shares in ((False, (0.1, 0.75)), (True, (20 / 153, 69 / 86))):
        slope, intercept = fit_line(right, wrong, balanced=balanced)
        assert sigmoid(np.array([intercept, slope + intercept])) == pytest.approx(shares, abs=2e-3)
    assert fit_line(right, wrong) == fit_line(right, wrong, balanced=True)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_unbalanced_scores_that_are_no_help_give_the_share_of_what_is_right(share: float) -> None:
    scores = np.random.default_rng(3).normal(size=5000)
    right = np.arange(5000) < share * 5000
    slope, intercept = fit_line(scores[right], scores[~right], balanced=False)
    assert sigmoid(slope * scores + intercept).mean() == pytest.approx(share, abs=2e-3)
    assert sigmoid(np.array([intercept]))[0] == pytest.approx(share, abs=0.02)


def test_numbers_make_no_difference_to_an_unbalanced_fit_of_as_many() -> None:
    random = np.random.default_rng(4)
    positives, negatives = random.normal(1.0, 1.0, 500), random.normal(-1.0, 1.0, 500)
    assert fit_line(positives, negatives, balanced=False) == pytest.approx(fit_line(positives, negatives))


@pytest.mark.parametrize("far", [0.0, 50.0, -50.0])
def test_a_better_score_is_never_a_smaller_probability(far: float) -> None:
    # Scores that mislead: what belongs together has the lower ones.
    slope, intercept = fit_line(np.array([1.0, 1.1]) + far, np.array([2.0, 2.1]) + far)
    assert slope > 0
    assert sigmoid(np.array([slope * (1.5 + far) + intercept]))[0] == pytest.approx(0.5, abs=0.01)


def test_a_lenient_line_accepts_the_share_asked_for_and_is_never_stricter() -> None:
    positives = np.arange(1.0, 12.0)  # 1 to 11: nine tenths of them are at least 2
    slope, intercept = lenient((3.0, -15.0), positives, 0.9)
    assert (slope, -intercept / slope) == pytest.approx((3.0, 2.0))
    assert lenient((3.0, -1.0), positives, 0.9) == (3.0, -1.0)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(ValueError, match="0 positive"):
        fit_line(np.array([]), np.array([1.0]))
