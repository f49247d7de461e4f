from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from revln.models import BackgroundCalibration, Bundle, Model
from revln.models.calibration import Moments
from revln.models.card import sha256_of


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_moments_by_hand() -> None:
    rows = np.tile(np.array([[1, 0], [0, 1]], np.float32), (500, 1))
    moments = Moments.of(rows)
    assert np.allclose(moments.mean, [0.5, 0.5])
    # Covariance of two equally likely points, 0.25 with signs; a hundredth (10 of 1,000 rows) is spread evenly.
    assert np.allclose(moments.covariance, [[0.25, -0.99 * 0.25], [-0.99 * 0.25, 0.25]], atol=1e-3)


def test_a_cosine_is_measured_against_the_background() -> None:
    moments = Moments(np.array([0.1, 0.2], np.float32), np.diag([0.04, 0.09]).astype(np.float32))
    query = np.array([1, 0], np.float32)
    assert moments.spread(query) == pytest.approx(0.2)
    mean, near, far = moments.standardize(query, np.array([0.1, 0.3, 0.5], np.float32))
    assert mean == pytest.approx(0)
    assert far == pytest.approx(2 * near)
    wide = Moments(moments.mean, 4 * moments.covariance)
    assert 0 < wide.standardize(query, np.array([0.5], np.float32))[0] < far
    assert Moments(moments.mean, np.zeros((2, 2), np.float32)).spread(query) > 0


def test_the_tiny_bundles_probabilities(tiny_model: Model) -> None:
    # Background of mean 0 and spread 1, line 20 x - 12: one half at a cosine of 0.6, e^-4 to 1 at 0.4.
    query = np.array([1, 0, 0, 0], np.float32)
    found = tiny_model.encoder.calibration.probability(query, np.array([0.6, 0.4], np.float32), "text", "image")
    assert found == pytest.approx([0.5, 1 / (1 + np.exp(4))], abs=1e-3)


@pytest.fixture
def learnt() -> tuple[BackgroundCalibration, np.ndarray, np.ndarray]:
    """Sixty photos along random directions, two captions near to each, and sentences about nothing of the kind."""
    random = np.random.default_rng(0)
    images = unit_rows(random.standard_normal((60, 16)))
    texts = unit_rows(np.repeat(images, 2, axis=0) + 0.1 * random.standard_normal((120, 16)))
    unrelated = unit_rows(random.standard_normal((40, 16)))
    return BackgroundCalibration.fit(images, texts, np.repeat(np.arange(60), 2), unrelated), images, texts


def test_learnt_probabilities_tell_own_from_unrelated(learnt: tuple) -> None:
    calibration, images, texts = learnt
    own = [calibration.probability(t, np.array([t @ images[i // 2]]), "text", "image")[0] for i, t in enumerate(texts)]
    random = np.random.default_rng(9)
    strangers = unit_rows(random.standard_normal((60, 16)))
    best = [calibration.probability(s, np.array([(images @ s).max()]), "text", "image")[0] for s in strangers]
    assert np.mean(np.array(own) > 0.5) > 0.9
    assert np.mean(np.array(best) < 0.5) > 0.8


def test_probabilities_rise_with_the_cosine(learnt: tuple) -> None:
    calibration, images, _ = learnt
    scores = np.linspace(-1, 1, 50, dtype=np.float32)
    for asked, stored in calibration.lines:
        found = calibration.probability(images[0], scores, asked, stored)
        assert found.dtype == np.float32
        assert (np.diff(found) >= 0).all()
        assert found[0] < found[-1]


def test_a_model_of_noise_still_keeps_the_order() -> None:
    random = np.random.default_rng(4)
    images, texts = unit_rows(random.standard_normal((31, 8))), unit_rows(random.standard_normal((62, 8)))
    calibration = BackgroundCalibration.fit(images, texts, np.repeat(np.arange(31), 2), texts[:20])
    assert all(slope > 0 for slope, _ in calibration.lines.values())


def test_too_little_to_learn_from_is_refused() -> None:
    rows = unit_rows(np.random.default_rng(5).standard_normal((10, 4)))
    with pytest.raises(ValueError, match="0 positive"):  # no photo has two captions
        BackgroundCalibration.fit(rows, rows, np.arange(10), rows)


def test_saving_and_loading(learnt: tuple, bundle_copy: Path) -> None:
    random = np.random.default_rng(7)
    rows = unit_rows(random.standard_normal((60, 4)))
    texts = unit_rows(np.repeat(rows, 2, axis=0) + 0.3 * random.standard_normal((120, 4)))
    calibration = BackgroundCalibration.fit(rows, texts, np.repeat(np.arange(60), 2), texts[::3])
    calibration.save(bundle_copy)
    card = Bundle(bundle_copy).card
    files = {**card.files, "background.npz": sha256_of(bundle_copy / "background.npz")}
    dataclasses.replace(card, files=files, calibration=calibration.to_dict()).write(bundle_copy)
    read = BackgroundCalibration.of_bundle(Bundle(bundle_copy))
    scores = np.linspace(-1, 1, 20, dtype=np.float32)
    for asked, stored in calibration.lines:
        before = calibration.probability(rows[0], scores, asked, stored)
        assert np.allclose(read.probability(rows[0], scores, asked, stored), before, atol=2e-3)
