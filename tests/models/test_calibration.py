from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from revln.models import BackgroundCalibration, Bundle, MemoryCalibration, Model
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


def test_how_much_the_background_counts() -> None:
    moments = Moments(np.array([0.1, 0.2], np.float32), np.diag([0.04, 0.09]).astype(np.float32))
    query, cosines = np.array([1, 0], np.float32), np.array([0.1, 0.5], np.float32)
    assert moments.standardize(query, cosines, 0.0).tolist() == cosines.tolist()
    half = moments.standardize(query, cosines, 0.5)
    assert half == pytest.approx((cosines - 0.05) / 0.2**0.25, rel=1e-5)


def test_the_background_counts_for_texts_and_photos_only_as_much_as_the_card_says(tiny_model: Model) -> None:
    bundle = tiny_model.encoder.calibration
    plain = BackgroundCalibration(bundle.moments, bundle.lines, share=0.0)
    assert plain.to_dict() == {**bundle.to_dict(), "background_share": 0.0}
    query = np.array([0.6, 0.8, 0, 0], np.float32)
    narrow = {"image": Moments(np.full(4, 0.5, np.float32), bundle.moments["image"].covariance)}
    moved = BackgroundCalibration({**bundle.moments, **narrow}, bundle.lines, share=0.0)
    scores = np.array([0.6], np.float32)
    assert moved.probability(query, scores, "text", "image") == plain.probability(query, scores, "text", "image")
    assert moved.probability(query, scores, "image", "image") != plain.probability(query, scores, "image", "image")


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


@pytest.fixture
def narrow() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A memory whose photos are all of one kind: 600 near to one direction, each of the first half with a caption."""
    random = np.random.default_rng(11)
    images = unit_rows(np.eye(16)[0] * 3 + random.standard_normal((600, 16)))
    texts = unit_rows(images[:300] + 0.05 * random.standard_normal((300, 16)))
    return images, texts, np.arange(300)


def test_in_a_memory_of_one_kind_being_of_that_kind_is_no_likeness(learnt: tuple, narrow: tuple) -> None:
    bundle, (images, texts, owners) = learnt[0], narrow
    memory = MemoryCalibration.learn(bundle, images, texts, owners)
    query = images[0]
    scores = images[1:] @ query
    assert (
        memory.probability(query, scores, "image", "image").mean()
        < 0.5 * bundle.probability(query, scores, "image", "image").mean()
    )


def test_sentences_keep_the_bundles_probabilities(learnt: tuple, narrow: tuple) -> None:
    bundle, (images, texts, owners) = learnt[0], narrow
    memory = MemoryCalibration.learn(bundle, images, texts, owners)
    scores = np.linspace(-1, 1, 9, dtype=np.float32)
    for stored in ("image", "text"):
        expected = bundle.probability(texts[0], scores, "text", stored)
        np.testing.assert_array_equal(memory.probability(texts[0], scores, "text", stored), expected)


def test_a_photos_own_caption_is_told_from_others(learnt: tuple, narrow: tuple) -> None:
    bundle, (images, texts, owners) = learnt[0], narrow
    memory = MemoryCalibration.learn(bundle, images[:500], texts[:200], owners[:200])
    assert memory.line is not None
    held_out = range(200, 300)
    own = [memory.probability(images[i], texts[i : i + 1] @ images[i], "image", "text")[0] for i in held_out]
    other = [memory.probability(images[i], texts[i - 1 : i] @ images[i], "image", "text")[0] for i in held_out]
    assert np.mean(np.array(own) > 0.5) > 0.9
    assert np.mean(np.array(other) < 0.5) > 0.9


def test_little_teaches_nothing(learnt: tuple, narrow: tuple) -> None:
    bundle, (images, texts, owners) = learnt[0], narrow
    memory = MemoryCalibration.learn(bundle, images[:99], texts[:50], owners[:50])
    assert memory.line is None
    assert memory.moments == bundle.moments
    half = MemoryCalibration.learn(bundle, np.tile(images[:500], (2, 1)), texts[:0], owners[:0])
    expected = (images[:500].mean(axis=0) + bundle.moments["image"].mean) / 2  # a thousand vectors, half the say
    np.testing.assert_allclose(half.moments["image"].mean, expected, atol=1e-6)


def test_a_memorys_calibration_is_kept_as_arrays(learnt: tuple, narrow: tuple) -> None:
    bundle, (images, texts, owners) = learnt[0], narrow
    memory = MemoryCalibration.learn(bundle, images, texts, owners)
    read = MemoryCalibration.of_arrays(bundle, memory.to_arrays())
    scores = np.linspace(-1, 1, 20, dtype=np.float32)
    for stored in ("image", "text"):
        before = memory.probability(images[0], scores, "image", stored)
        assert np.allclose(read.probability(images[0], scores, "image", stored), before, atol=2e-3)
    assert MemoryCalibration.of_arrays(bundle, MemoryCalibration(bundle, bundle.moments).to_arrays()).line is None


@pytest.mark.parametrize(
    "spoilt",
    [
        {"image_mean": np.zeros(3, np.float32)},
        {"text_covariance": np.zeros((16, 3), np.float16)},
        {"line": np.array([1.0])},
        {"line": np.array([1.0, np.nan])},
        {"line": np.array("x")},
        {"text_mean": None},
    ],
)
def test_arrays_that_do_not_fit_are_refused(learnt: tuple, spoilt: dict) -> None:
    arrays = MemoryCalibration(learnt[0], learnt[0].moments).to_arrays() | spoilt
    kept = {name: value for name, value in arrays.items() if value is not None}
    with pytest.raises(ValueError, match=r"incomplete|does not fit|float"):
        MemoryCalibration.of_arrays(learnt[0], kept)


def test_captions_that_tell_little_say_nothing_of_likeness() -> None:
    rng = np.random.default_rng(4)

    def unit(count: int) -> np.ndarray:
        rows = rng.standard_normal((count, 8)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    images, texts, unrelated = unit(40), unit(80), unit(10)
    owners, same = np.repeat(np.arange(40), 2), np.repeat(unit(1), 40, axis=0)
    alone = BackgroundCalibration.fit(images, texts, owners, unrelated)
    more = (np.concatenate([texts, same]), np.concatenate([owners, np.arange(40)]))
    together = BackgroundCalibration.fit(images, *more, unrelated, telling=80)
    assert together.lines["image", "image"] == pytest.approx(alone.lines["image", "image"])
    assert BackgroundCalibration.fit(images, *more, unrelated).lines["image", "image"] != pytest.approx(
        alone.lines["image", "image"]
    )
