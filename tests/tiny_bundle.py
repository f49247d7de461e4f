"""A real bundle of a few hundred bytes whose vectors a person can compute.

An image's vector is its mean colour (red, green, blue), a text's vector the sum of its colour words, so "red" is
nearest to the reddest picture. Other words point along a fourth axis, which no image has. Three classes: a picture's
logits are ten times its mean colour. A bundle may be wider, with zeros before the four axes, and weigh the colours. It
may have a generator, see ``tiny_generator.py``, whose facts on the card may be others: ``{"answers": False}`` is one
that answers no questions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from revln.models import BackgroundCalibration, Bundle, BundleEncoder, Card
from revln.models.bundle import GENERATOR_LOOK, GENERATOR_SAY, GENERATOR_TOKENIZER, TEXT, VISION
from revln.models.calibration import Moments
from revln.models.card import ImageInput, TextInput, sha256_of
from revln.models.verification import write_golden
from tiny_generator import FACTS, write_tiny_generator

SIDE = 16
DIM = 4
WORDS = ("[UNK]", "red", "green", "blue")


def make_tiny_bundle(
    directory: Path,
    *,
    name: str = "tiny",
    photo_side: int = SIDE,
    dim: int = DIM,
    weights: tuple[float, float, float] = (1, 1, 1),
    generator: bool = False,
    facts: Mapping[str, object] | None = None,
) -> Path:
    """Writes the bundle into a new directory, which is returned."""
    directory.mkdir(parents=True)
    _vision(directory / "vision.onnx", photo_side, dim, weights, grid=generator)
    _text(directory / "text.onnx", dim)
    vocabulary = {word: index for index, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "classes.json").write_text(json.dumps([["red", "crimson"], ["green"], ["blue"]]), encoding="utf-8")
    # Background: cosines of mean 0 and deviation 1, so that a probability depends on the cosine alone: one half at 0.6.
    even = Moments(np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32))
    pairs = [(asked, stored) for asked in ("image", "text") for stored in ("image", "text")]
    calibration = BackgroundCalibration({"image": even, "text": even}, dict.fromkeys(pairs, (20.0, -12.0)))
    calibration.save(directory)
    more = ["background.npz"]
    if generator:
        spoken = (GENERATOR_LOOK, GENERATOR_SAY, GENERATOR_TOKENIZER)
        write_tiny_generator(*(directory / file for file in spoken))
        more += spoken
    spoken_facts = {**FACTS, **(facts or {})} if generator else None
    _card(directory, name, photo_side, dim, calibration, more, spoken_facts)
    photo = directory / "photo.png"
    Image.new("RGB", (32, 32), (200, 40, 10)).save(photo)
    write_golden(BundleEncoder(Bundle(directory)), [photo], ["red", "a blue thing"], directory)
    photo.unlink()
    card = _card(directory, name, photo_side, dim, calibration, [*more, "golden.npz"], spoken_facts)
    assert card.id
    return directory


def _card(
    directory: Path,
    name: str,
    side: int,
    dim: int,
    calibration: BackgroundCalibration,
    more: list[str],
    spoken: dict[str, object] | None,
) -> Card:
    names = ("vision.onnx", "text.onnx", "tokenizer.json", "classes.json", *more)
    files = {file: sha256_of(directory / file) for file in names}
    card = Card(
        name=name,
        version="1",
        description="Mean colours and colour words.",
        dim=dim,
        languages=("en",),
        image=ImageInput(side, None, "nhwc-uint8", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        text=TextInput(16),
        files=files,
        calibration=calibration.to_dict(),
        generator={**spoken, "towers": {tower: files[tower] for tower in (VISION, TEXT)}} if spoken else {},
    )
    card.write(directory)
    return card


def _vision(path: Path, side: int, dim: int, weights: tuple[float, float, float], *, grid: bool) -> None:
    padded = np.diag(weights).astype(np.float32) @ np.eye(3, dim, dim - DIM, dtype=np.float32)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["colour"], axes=[1, 2], keepdims=0),
        helper.make_node("Div", ["colour", "white"], ["share"]),
        helper.make_node("MatMul", ["share", "padded"], ["embedding"]),
        helper.make_node("Mul", ["share", "ten"], ["logits"]),
    ]
    constants = {"white": np.float32(255), "padded": padded, "ten": np.float32(10)}
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["n", side, side, 3])
    outputs: dict[str, tuple[int, ...]] = {"embedding": (dim,), "logits": (3,)}
    if grid:  # of one place
        nodes.append(helper.make_node("Unsqueeze", ["share", "first"], ["grid"]))
        constants["first"] = np.array([1])
        outputs["grid"] = (1, 3)
    _save(path, nodes, constants, [pixels], outputs)


def _text(path: Path, dim: int) -> None:
    axes = np.array([[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=np.float32)
    table = np.pad(axes, ((0, 0), (dim - DIM, 0)))
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["words"]),
        helper.make_node("Cast", ["mask"], ["weights"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weights", "last"], ["column"]),
        helper.make_node("Mul", ["words", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "second"], ["embedding"], keepdims=0),
    ]
    constants = {"table": table, "last": np.array([2]), "second": np.array([1])}
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"]) for name in ("ids", "mask")]
    _save(path, nodes, constants, inputs, {"embedding": (dim,)})


def _save(path: Path, nodes: list, constants: dict, inputs: list, outputs: dict[str, tuple[int, ...]]) -> None:
    graph = helper.make_graph(
        nodes,
        path.stem,
        inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape]) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, str(path))
