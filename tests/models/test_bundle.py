"""A bundle is what its card says, or an error that names the file."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from revln.errors import BundleError
from revln.models import Bundle, Card, load_model
from revln.models.bundle import GOLDEN
from revln.models.card import sha256_of

FILES = ("vision.onnx", "text.onnx", "tokenizer.json", "classes.json", "background.npz", "golden.npz")


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def use_everything(directory: Path) -> None:
    model = load_model(directory)
    model.encode_images([np.zeros((4, 4, 3), np.uint8)])
    model.encode_texts(["red"])
    _ = model.encoder.classes, model.encoder.calibration


def test_the_tiny_bundle_is_whole(tiny_bundle: Path) -> None:
    use_everything(tiny_bundle)
    assert set(Bundle(tiny_bundle).card.files) == set(FILES)
    assert load_model(tiny_bundle).verify() == []


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_byte_is_told_by_name(bundle_copy: Path, name: str) -> None:
    flip_a_byte(bundle_copy / name)
    with pytest.raises(BundleError, match=rf"{name}: damaged"):
        Bundle(bundle_copy).file(name)
    problems = load_model(bundle_copy).verify()
    assert len(problems) == 1
    assert name in problems[0]
    if name != GOLDEN:  # which nothing but verify reads
        with pytest.raises(BundleError, match=rf"{name}: damaged"):
            use_everything(bundle_copy)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_part_is_told_by_name(bundle_copy: Path, name: str) -> None:
    (bundle_copy / name).unlink()
    with pytest.raises(BundleError, match=f"{name}: missing"):
        load_model(bundle_copy)


@pytest.mark.parametrize("name", ["vision.onnx", "text.onnx", "tokenizer.json"])
def test_a_card_that_lacks_a_part_is_refused(bundle_copy: Path, change_card: Callable[..., Path], name: str) -> None:
    files = dict(Bundle(bundle_copy).card.files)
    del files[name]
    change_card(files=files)
    with pytest.raises(BundleError, match=f"names no {name}"):
        load_model(bundle_copy)


def test_a_file_that_the_card_does_not_name_is_not_opened(bundle_copy: Path) -> None:
    (bundle_copy / "more.bin").write_bytes(b"x")
    with pytest.raises(BundleError, match=r"names no more\.bin"):
        Bundle(bundle_copy).file("more.bin")


def test_no_card_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no model bundle, it has no card\.json"):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00"])
def test_a_card_that_is_no_json(bundle_copy: Path, content: bytes) -> None:
    (bundle_copy / "card.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"card\.json: damaged, no valid JSON"):
        load_model(bundle_copy)


@pytest.mark.parametrize("version", [99, "1", None])
def test_an_unknown_card_version(change_card: Callable[..., Path], version: object) -> None:
    with pytest.raises(BundleError, match=r"card version .* is unknown, .* upgrade revln"):
        load_model(change_card(card_version=version))


def test_a_card_that_is_a_list(bundle_copy: Path) -> None:
    (bundle_copy / "card.json").write_text("[]")
    with pytest.raises(BundleError, match="card version None is unknown"):
        load_model(bundle_copy)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", "a/b", "a\\b", ""])
def test_a_card_cannot_name_files_elsewhere(bundle_copy: Path, change_card: Callable[..., Path], name: str) -> None:
    change_card(files={**Bundle(bundle_copy).card.files, name: "0" * 64})
    with pytest.raises(BundleError, match=r"card\.json: unusable: .* is no plain file name"):
        load_model(bundle_copy)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "../../x"),
        ("name", ""),
        ("version", "1/../../x"),
        ("version", 1),
        ("dim", "4"),
        ("dim", 0),
        ("files", []),
        ("image__side", 0),
        ("image__layout", "nchw-uint8"),
        ("image__std", [0.0, 1.0, 1.0]),
        ("image__mean", [0.5, 0.5]),
        ("image__max_aspect", 0.5),
        ("text__max_tokens", None),
        ("text__pad_id", -1),
    ],
)
def test_a_card_with_an_impossible_value(change_card: Callable[..., Path], key: str, value: object) -> None:
    with pytest.raises(BundleError, match=r"card\.json: (unusable|incomplete)"):
        load_model(change_card(**{key: value}))


def test_a_card_that_lacks_a_field(bundle_copy: Path) -> None:
    path = bundle_copy / "card.json"
    card = json.loads(path.read_text())
    del card["image"]
    path.write_text(json.dumps(card))
    with pytest.raises(BundleError, match=r"card\.json: incomplete: 'image'"):
        load_model(bundle_copy)


def test_a_card_survives_writing_and_reading(tiny_bundle: Path, tmp_path: Path) -> None:
    card = Card.read(tiny_bundle)
    card.write(tmp_path)
    assert Card.read(tmp_path) == card


def test_the_id_tells_apart_whatever_changes_vectors(tiny_bundle: Path) -> None:
    card = Card.read(tiny_bundle)
    others = [
        dataclasses.replace(card, files={**card.files, "vision.onnx": "0" * 64}),
        dataclasses.replace(card, image=dataclasses.replace(card.image, side=17)),
        dataclasses.replace(card, image=dataclasses.replace(card.image, max_aspect=1.0)),
        dataclasses.replace(card, text=dataclasses.replace(card.text, max_tokens=15)),
    ]
    assert len({card.id, *(other.id for other in others)}) == 5
    assert dataclasses.replace(card, description="Other words.").id == card.id


def test_classes_must_be_lists_of_names(bundle_copy: Path, change_card: Callable[..., Path]) -> None:
    for content in ("{}", "[[]]", '["red"]', "no json"):
        (bundle_copy / "classes.json").write_text(content)
        files = dict(json.loads((bundle_copy / "card.json").read_text())["files"])
        change_card(files={**files, "classes.json": sha256_of(bundle_copy / "classes.json")})
        with pytest.raises(BundleError, match=r"classes\.json"):
            Bundle(bundle_copy).classes()


def test_verify_replays_the_golden_inputs(
    tiny_bundle: Path, bundle_copy: Path, change_card: Callable[..., Path]
) -> None:
    # Golden vectors as other weights would give them: red and blue exchanged.
    with np.load(tiny_bundle / GOLDEN) as golden:
        arrays = dict(golden)
    for tower in ("image", "text"):
        other = {**arrays, f"{tower}_embeddings": arrays[f"{tower}_embeddings"][:, [2, 1, 0, 3]]}
        np.savez_compressed(bundle_copy / GOLDEN, allow_pickle=False, **other)
        change_card(files={**Bundle(tiny_bundle).card.files, GOLDEN: sha256_of(bundle_copy / GOLDEN)})
        (problem,) = load_model(bundle_copy).verify()
        assert f"the {tower} tower gives other vectors than recorded" in problem


@pytest.mark.parametrize("arrays", [{}, {"pixels": np.zeros((1, 16, 16, 3), np.uint8)}])
def test_verify_says_so_when_the_golden_inputs_are_no_such(
    bundle_copy: Path, change_card: Callable[..., Path], arrays: dict[str, np.ndarray]
) -> None:
    np.savez_compressed(bundle_copy / GOLDEN, allow_pickle=False, **arrays)
    change_card(files={**Bundle(bundle_copy).card.files, GOLDEN: sha256_of(bundle_copy / GOLDEN)})
    (problem,) = load_model(bundle_copy).verify()
    assert "golden.npz: holds no golden inputs" in problem


def test_a_width_that_is_not_the_cards_is_an_error(change_card: Callable[..., Path]) -> None:
    model = load_model(change_card(dim=5))
    with pytest.raises(BundleError, match=r"text\.onnx: gives vectors of shape \(1, 4\), the card says \[n, 5\]"):
        model.encode_texts(["red"])
    with pytest.raises(BundleError, match=r"vision\.onnx: gives vectors of shape"):
        model.encode_images([np.zeros((4, 4, 3), np.uint8)])
    with pytest.raises(BundleError, match="calibration is incomplete"):
        _ = model.encoder.calibration


def test_a_file_that_is_no_onnx_is_named(bundle_copy: Path, change_card: Callable[..., Path]) -> None:
    shutil.copyfile(bundle_copy / "tokenizer.json", bundle_copy / "vision.onnx")
    change_card(files={**Bundle(bundle_copy).card.files, "vision.onnx": sha256_of(bundle_copy / "vision.onnx")})
    with pytest.raises(BundleError, match=r"vision\.onnx: ONNX Runtime cannot load it"):
        load_model(bundle_copy).encoder.warm_up()
