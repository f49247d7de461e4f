"""Where bundles are found, and that none is lost."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from revln.config import bundle_store
from revln.errors import BundleError
from revln.models import Bundle, find_bundle, keep_bundle, list_bundles, load_model, registry
from tiny_bundle import make_tiny_bundle


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_bundle: Path) -> Path:
    """A package that ships the tiny bundle as ``base``."""
    monkeypatch.setattr(registry, "_SHIPPED", tmp_path / "shipped")
    return Path(shutil.copytree(tiny_bundle, tmp_path / "shipped" / "base"))


def test_a_model_is_loaded_by_name_id_and_directory(shipped: Path, tiny_bundle: Path) -> None:
    by_name = load_model("base")
    assert by_name.bundle.directory == shipped
    assert load_model(by_name.id).bundle.directory == shipped
    assert load_model("tiny").bundle.directory == shipped  # the card's name
    assert load_model(tiny_bundle).bundle.directory == tiny_bundle
    assert load_model(str(tiny_bundle)).bundle.directory == tiny_bundle
    assert load_model().id == by_name.id


def test_a_folder_that_is_called_like_a_model_does_not_hide_it(
    shipped: Path, tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "base").mkdir()
    assert load_model("base").bundle.directory == shipped
    with pytest.raises(BundleError, match="no model bundle"):
        load_model("./base")
    shutil.copytree(tiny_bundle, tmp_path / "mine")
    assert load_model("mine").bundle.directory == Path("mine")


def test_an_unknown_model_is_told_with_those_at_hand(shipped: Path) -> None:
    with pytest.raises(BundleError, match=r"no model 'nonsense': give a bundle directory or one of: base"):
        load_model("nonsense")


def test_a_bundle_is_kept_and_found_when_its_directory_is_gone(bundle_copy: Path) -> None:
    bundle = Bundle(bundle_copy)
    keep_bundle(bundle)
    keep_bundle(bundle)
    shutil.rmtree(bundle_copy)
    kept = find_bundle(bundle.card.id)
    assert kept is not None
    assert kept.directory == bundle_store() / bundle.card.id
    assert load_model(bundle.card.id).verify() == []
    assert [path.name for path in bundle_store().iterdir()] == [bundle.card.id]
    assert load_model("tiny").id == bundle.card.id


def test_what_is_kept_does_not_change_with_the_original(bundle_copy: Path) -> None:
    bundle = Bundle(bundle_copy)
    keep_bundle(bundle)
    (bundle_copy / "vision.onnx").write_bytes(b"written over in place")
    assert load_model(bundle.card.id).verify() == []


def test_a_shipped_bundle_is_kept_without_taking_space(shipped: Path) -> None:
    bundle = Bundle(shipped)
    keep_bundle(bundle)
    kept = bundle_store() / bundle.card.id / "vision.onnx"
    assert kept.samefile(shipped / "vision.onnx")
    shutil.rmtree(shipped)
    assert load_model(bundle.card.id).verify() == []


def test_a_copy_is_made_where_links_are_not_to_be_had(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    bundle = Bundle(shipped)
    keep_bundle(bundle)
    kept = find_bundle(bundle.card.id)
    assert kept is not None
    assert load_model(bundle_store() / bundle.card.id).verify() == []


def test_a_store_that_cannot_be_written_is_told(bundle_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(BundleError, match=r"cannot keep the model there \(No space left on device\)"):
        keep_bundle(Bundle(bundle_copy))
    assert list(bundle_store().iterdir()) == []


def test_unusable_and_unfinished_bundles_are_not_listed(shipped: Path, bundle_copy: Path) -> None:
    bundle = Bundle(bundle_copy)
    shutil.copytree(bundle_copy, bundle_store() / ".keep-1")
    shutil.copytree(bundle_copy, bundle_store() / "broken")
    (bundle_store() / "broken" / "vision.onnx").unlink()
    assert [each.directory for each in list_bundles()] == [shipped]
    assert find_bundle("nonsense") is None
    assert bundle.card.id == Bundle(shipped).card.id
    with pytest.raises(BundleError, match=r"broken.vision\.onnx: missing"):
        load_model("broken")


def test_a_name_that_two_models_have_is_refused(bundle_copy: Path) -> None:
    keep_bundle(Bundle(bundle_copy))
    keep_bundle(Bundle(make_tiny_bundle(bundle_copy.parent / "other", photo_side=8)))
    with pytest.raises(BundleError, match="several models are called 'tiny'"):
        load_model("tiny")
