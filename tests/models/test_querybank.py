"""Texts of a bank tell which images are near to everything."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from revln.errors import BundleError
from revln.models import Bundle, Querybank, load_model
from revln.models.card import sha256_of


def unit_rows(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def listed(bundle: Path) -> Path:
    """Puts the bank of a bundle on its card."""
    card = Bundle(bundle).card
    files = {**card.files, "querybank.npz": sha256_of(bundle / "querybank.npz")}
    dataclasses.replace(card, files=files).write(bundle)
    return bundle


def test_hubness_is_the_mean_of_the_nearest() -> None:
    random = np.random.default_rng(0)
    texts, images = unit_rows(random.standard_normal((40, 6))), unit_rows(random.standard_normal((5, 9)))
    by_hand = [np.sort(texts @ image[:6])[-10:].mean() for image in images]
    assert Querybank(texts).hubness(images) == pytest.approx(by_hand, abs=1e-6)
    assert Querybank(texts[:3]).hubness(images) == pytest.approx((images[:, :6] @ texts[:3].T).mean(axis=1), abs=1e-6)


def test_an_image_between_all_texts_is_a_hub() -> None:
    texts = unit_rows(np.eye(8) + 1.0)
    hub, own = np.ones(8), np.eye(8)[0]
    first, second = Querybank(texts).hubness(unit_rows(np.stack([hub, own])))
    assert first > second + 0.3


def test_saving_and_loading(bundle_copy: Path) -> None:
    random = np.random.default_rng(1)
    bank, images = Querybank(unit_rows(random.standard_normal((30, 4)))), unit_rows(random.standard_normal((20, 4)))
    bank.save(bundle_copy)
    model = load_model(listed(bundle_copy))
    assert model.hubness(images) == pytest.approx(bank.hubness(images), abs=0.01)
    assert not model.verify()


def test_a_bundle_without_one_knows_no_hubs(bundle_copy: Path) -> None:
    assert Querybank.of_bundle(Bundle(bundle_copy)) is None
    assert load_model(bundle_copy).hubness(unit_rows(np.eye(4))).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("content", [b"", b"no arrays", "wide", "narrow", "other", "words"])
def test_an_unusable_bank(bundle_copy: Path, content: bytes | str) -> None:
    path = bundle_copy / "querybank.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        arrays = {
            "wide": {"texts": np.ones((3, 99), np.int8)},
            "narrow": {"texts": np.ones((3, 2), np.int8)},
            "other": {"images": np.ones((3, 4), np.int8)},
            "words": {"texts": np.array([["a"] * 4])},
        }
        np.savez(path, allow_pickle=False, **arrays[content])
    model = load_model(listed(bundle_copy))
    with pytest.raises(BundleError, match=r"querybank\.npz: cannot be used: export the bundle again"):
        model.hubness(np.ones((1, model.dim), np.float32))
    assert any("querybank.npz" in problem for problem in model.verify())
    path.write_bytes(b"damaged")
    with pytest.raises(BundleError, match=r"querybank\.npz: damaged"):
        load_model(bundle_copy).hubness(np.ones((1, model.dim), np.float32))
