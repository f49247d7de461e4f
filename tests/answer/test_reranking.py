"""Three opinions of the same images, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from revln.answer import reranked


def array(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def test_log_odds_likelihoods_and_hubness_are_added() -> None:
    scores = reranked(array(0, np.log(4)), array(-10, -14), array(0.12, 0.08))
    assert scores == pytest.approx([0 + 0.5 * 2 - 65 * 0.02, np.log(4) - 0.5 * 2 + 65 * 0.02], abs=1e-5)


def test_a_likely_text_brings_an_image_up_and_being_a_hub_brings_it_down() -> None:
    odds, alike = array(0.4, 0, -0.4), np.zeros(3, np.float32)
    assert np.argmax(reranked(odds, array(-20, -18, -9), alike)) == 2
    assert np.argmax(reranked(odds, np.full(3, -9.0, np.float32), alike)) == 0
    assert np.argmax(reranked(odds, alike, array(0.2, 0.1, 0.2))) == 1


def test_what_is_not_known_is_taken_as_the_median() -> None:
    odds, alike = np.zeros(4, np.float32), np.zeros(4, np.float32)
    some, filled = array(-9, np.nan, -12, -15), array(-9, -12, -12, -15)
    assert reranked(odds, some, alike) == pytest.approx(reranked(odds, filled, alike))
    assert reranked(odds, alike, some) == pytest.approx(reranked(odds, alike, filled))
    unknown = np.full(4, np.nan, np.float32)
    assert reranked(odds, unknown, unknown) == pytest.approx(np.zeros(4))
