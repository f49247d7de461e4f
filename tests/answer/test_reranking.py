"""Two opinions of the same images, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from revln.answer import reranked


def test_log_odds_and_likelihoods_are_added() -> None:
    scores = reranked(np.array([0.5, 0.8], np.float32), np.array([-10.0, -14.0], np.float32))
    assert scores == pytest.approx([0 + 0.5 * 2, np.log(4) - 0.5 * 2], abs=1e-5)


def test_a_likely_text_brings_an_image_up() -> None:
    chances = np.array([0.6, 0.5, 0.4], np.float32)
    assert np.argmax(reranked(chances, np.array([-20.0, -18.0, -9.0], np.float32))) == 2
    assert np.argmax(reranked(chances, np.full(3, -9.0, np.float32))) == 0


def test_what_is_not_known_is_taken_as_the_median() -> None:
    chances, some = np.full(4, 0.5, np.float32), np.array([-9.0, np.nan, -12.0, -15.0], np.float32)
    filled = np.array([-9.0, -12.0, -12.0, -15.0], np.float32)
    assert reranked(chances, some) == pytest.approx(reranked(chances, filled))
    assert reranked(chances, np.full(4, np.nan, np.float32)) == pytest.approx(chances)


def test_certain_chances_stay_finite() -> None:
    assert np.isfinite(reranked(np.array([0.0, 1.0], np.float32), np.array([-1.0, -2.0], np.float32))).all()
