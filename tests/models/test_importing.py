"""Bundles from other people's ONNX files: tiny CLIPs with random weights, named and shaped as exports have them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers

from revln.config import bundle_store
from revln.errors import BundleError, ImageError
from revln.models import import_bundle, load_model
from revln.models.importing import CLIP_MEAN, CLIP_STD

SIDE, DIM, WORDS = 8, 6, 50
WEIGHTS = np.random.default_rng(0)
LOOK = WEIGHTS.standard_normal((3, DIM)).astype(np.float32)
TABLE = WEIGHTS.standard_normal((WORDS, DIM)).astype(np.float32)


def write(path: Path, nodes: list, constants: dict, inputs: list, outputs: list) -> Path:
    graph = helper.make_graph(
        nodes, path.stem, inputs, outputs, [numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()]
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def value(name: str, kind: int, shape: list) -> object:
    return helper.make_tensor_value_info(name, kind, shape)


def image_tower(path: Path, *, kind: str = "float", side: object = SIDE, dim: int = DIM, batch: object = "n") -> Path:
    """The mean of each channel times ``LOOK``; the first output is a grid of tokens, as in most exports."""
    types = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "uint8": TensorProto.UINT8}
    channels_last = kind == "uint8"
    shape = [batch, side, side, 3] if channels_last else [batch, 3, side, side]
    nodes = [
        helper.make_node("Cast", ["pixel_values"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2] if channels_last else [2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "look"], ["image_embeds"]),
        helper.make_node("Unsqueeze", ["mean", "one"], ["last_hidden_state"]),
        helper.make_node("Identity", ["mean"], ["pooler_output"]),
    ]
    outputs = [
        value("last_hidden_state", TensorProto.FLOAT, [batch, 1, 3]),
        value("pooler_output", TensorProto.FLOAT, [batch, 3]),
        value("image_embeds", TensorProto.FLOAT, [batch, dim]),
    ]
    constants = {"look": LOOK[:, :dim], "one": np.array([1])}
    return write(path, nodes, constants, [value("pixel_values", types[kind], shape)], outputs)


def text_tower(
    path: Path, *, mask: bool = True, kind: int = TensorProto.INT64, length: object = "t", batch: object = "n",
    types: bool = False, positions: int | None = None,
) -> Path:  # fmt: skip
    """The sum of the words' rows of ``TABLE``; of the unmasked words when there is a mask, which comes first."""
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["words"])]
    inputs = [value("input_ids", kind, [batch, length])]
    if mask:
        inputs.insert(0, value("attention_mask", kind, [batch, length]))
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["share"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["share", "two"], ["column"]),
            helper.make_node("Mul", ["words", "column"], ["kept"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["words"], ["kept"]))
    if types:  # BERT's second input, which would spoil the sum if it were not zero
        inputs.append(value("token_type_ids", kind, [batch, length]))
        nodes += [
            helper.make_node("Cast", ["token_type_ids"], ["types"], to=TensorProto.FLOAT),
            helper.make_node("Unsqueeze", ["types", "two"], ["types_column"]),
            helper.make_node("Add", ["kept", "types_column"], ["summed"]),
        ]
    if positions is not None:  # as many, and no more
        nodes[0] = helper.make_node("Gather", ["table", "input_ids"], ["words_alone"])
        nodes.insert(1, helper.make_node("Add", ["words_alone", "places"], ["words"]))
    nodes.append(helper.make_node("ReduceSum", ["summed" if types else "kept", "one"], ["text_embeds"], keepdims=0))
    constants = {"table": TABLE, "one": np.array([1]), "two": np.array([2])}
    if positions is not None:
        constants["places"] = np.zeros((positions, DIM), np.float32)
    outputs = [value("text_embeds", TensorProto.FLOAT, [batch, DIM])]
    return write(path, nodes, constants, inputs, outputs)


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    vocabulary = {f"w{number}": number for number in range(3, WORDS)} | {"[UNK]": 0, "red": 1, "<pad>": 2}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.fixture
def background(tmp_path: Path) -> list[tuple[Path, str]]:
    """Twelve small photos with a caption each; the photos that ship take longer to read."""
    pairs = []
    for number, colour in enumerate(np.random.default_rng(1).integers(0, 256, (12, 3))):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (12, 10), tuple(colour.tolist())).save(path)
        pairs.append((path, f"w{number + 3} w{number + 20} red"))
    return pairs


@pytest.fixture
def import_tiny(tmp_path: Path, tokenizer: Path, background: list) -> Callable[..., Path]:
    def run(vision: Path, text: Path, **options: object) -> Path:
        options = {"name": "mine", "photos_and_captions": background, **options}
        out = tmp_path / "out" / "mine"
        import_bundle(vision, text, tokenizer, out, **options)
        return out

    return run


def unit(row: np.ndarray) -> np.ndarray:
    return row / np.linalg.norm(row)


@pytest.mark.parametrize("kind", ["float", "float16", "uint8"])
def test_an_imported_pair_gives_the_vectors_of_its_files(tmp_path: Path, import_tiny: Callable, kind: str) -> None:
    out = import_tiny(image_tower(tmp_path / "v.onnx", kind=kind), text_tower(tmp_path / "t.onnx"), languages=("de",))
    model = load_model(out)
    assert model.dim == DIM
    assert model.card.languages == ("de",)
    assert model.card.image.side == SIDE
    assert model.card.image.layout == ("nhwc-uint8" if kind == "uint8" else "nchw-float")
    colour = np.array([200, 100, 50])
    seen = colour if kind == "uint8" else (colour / 255 - CLIP_MEAN) / CLIP_STD
    image = Image.new("RGB", (30, 20), (200, 100, 50))
    assert np.allclose(model.encode_images([image])[0], unit(seen @ LOOK), atol=2e-3)
    assert np.allclose(model.encode_texts(["red w7"])[0], unit(TABLE[1] + TABLE[7]), atol=1e-6)
    assert model.verify() == []
    assert 0 <= model.encoder.calibration.probability(LOOK[0], np.array([0.5]), "text", "image")[0] <= 1


def test_inputs_are_told_by_name_and_the_mask_only_if_there_is_one(tmp_path: Path, import_tiny: Callable) -> None:
    vision = image_tower(tmp_path / "v.onnx")
    masked = load_model(import_tiny(vision, text_tower(tmp_path / "t.onnx", kind=TensorProto.INT32, types=True)))
    assert masked.card.text.pad_to_max is False
    texts = ["red", "w9 w10 w11 w12"]
    wanted = [unit(TABLE[1]), unit(TABLE[9:13].sum(0))]
    assert np.allclose(masked.encode_texts(texts), wanted, atol=1e-6)


def test_without_a_mask_all_sentences_are_padded_alike(tmp_path: Path, import_tiny: Callable) -> None:
    text = text_tower(tmp_path / "t.onnx", mask=False)
    model = load_model(import_tiny(image_tower(tmp_path / "v.onnx"), text, max_tokens=5))
    assert (model.card.text.pad_to_max, model.card.text.pad_id, model.card.text.max_tokens) == (True, 2, 5)
    wanted = [unit(TABLE[1] + 4 * TABLE[2]), unit(TABLE[9:13].sum(0) + TABLE[2])]
    assert np.allclose(model.encode_texts(["red", "w9 w10 w11 w12"]), wanted, atol=1e-6)


def test_the_padding_token_can_be_given(tmp_path: Path, import_tiny: Callable) -> None:
    text = text_tower(tmp_path / "t.onnx", mask=False)
    model = load_model(import_tiny(image_tower(tmp_path / "v.onnx"), text, max_tokens=3, pad_id=9))
    assert np.allclose(model.encode_texts(["red"])[0], unit(TABLE[1] + 2 * TABLE[9]), atol=1e-6)


def test_a_length_that_the_text_tower_cannot_read_is_told_at_once(tmp_path: Path, import_tiny: Callable) -> None:
    vision = image_tower(tmp_path / "v.onnx")
    text = text_tower(tmp_path / "t.onnx", mask=False, positions=5)
    with pytest.raises(BundleError, match=r"t\.onnx: fails on sentences of 77 tokens .*: give the length"):
        import_tiny(vision, text)
    assert load_model(import_tiny(vision, text, max_tokens=5)).card.text.max_tokens == 5


def test_fixed_shapes_are_kept_to(tmp_path: Path, import_tiny: Callable) -> None:
    vision = image_tower(tmp_path / "v.onnx", batch=1)
    text = text_tower(tmp_path / "t.onnx", batch=1, length=7)
    model = load_model(import_tiny(vision, text))
    assert (model.card.text.max_tokens, model.card.text.pad_to_max) == (7, True)
    wanted = [unit(TABLE[1]), unit(TABLE[9:11].sum(0))]
    assert np.allclose(model.encode_texts(["red", "w9 w10"]), wanted, atol=1e-6)
    pixels = np.zeros((3, SIDE, SIDE, 3), np.uint8)
    assert model.encoder.encode_pixels(pixels).embeddings.shape == (3, DIM)


def test_a_size_that_the_file_does_not_tell(tmp_path: Path, import_tiny: Callable) -> None:
    vision = image_tower(tmp_path / "v.onnx", side="side")
    model = load_model(import_tiny(vision, text_tower(tmp_path / "t.onnx"), image_size=10, max_aspect=None))
    assert (model.card.image.side, model.card.image.max_aspect) == (10, None)


def test_the_photos_that_ship_calibrate_roughly(tmp_path: Path, import_tiny: Callable) -> None:
    out = import_tiny(image_tower(tmp_path / "v.onnx"), text_tower(tmp_path / "t.onnx"), photos_and_captions=None)
    card = load_model(out).card
    assert "its probabilities are rough, calibrated with 31 photos" in card.description
    assert card.numbers["calibration photos"]["images"] == 31
    assert load_model(out).verify() == []


def test_without_a_directory_it_goes_to_the_users_store(
    tmp_path: Path, tokenizer: Path, background: list[tuple[Path, str]]
) -> None:
    files = (image_tower(tmp_path / "v.onnx"), text_tower(tmp_path / "t.onnx"), tokenizer)
    card = import_bundle(*files, name="mine", photos_and_captions=background)
    again = import_bundle(*files, name="mine", photos_and_captions=background)
    assert card.id == again.id
    assert [path.name for path in bundle_store().iterdir()] == [card.id]
    assert load_model("mine").id == card.id


def test_nothing_half_made_is_left(tmp_path: Path, import_tiny: Callable) -> None:
    vision, text = image_tower(tmp_path / "v.onnx"), text_tower(tmp_path / "t.onnx")
    out = import_tiny(vision, text)
    with pytest.raises(BundleError, match="exists already"):
        import_tiny(vision, text)
    (tmp_path / "broken.png").write_bytes(b"")
    files = (vision, text, tmp_path / "tokenizer.json", out.with_name("other"))
    broken = [(tmp_path / "broken.png", "red"), (tmp_path / "0.png", "red")]
    with pytest.raises(ImageError, match="empty file"):
        import_bundle(*files, name="mine", photos_and_captions=broken)
    assert [path.name for path in out.parent.iterdir()] == ["mine"]


def test_what_is_wrong_is_named(tmp_path: Path, import_tiny: Callable, tokenizer: Path) -> None:
    vision, text = image_tower(tmp_path / "v.onnx"), text_tower(tmp_path / "t.onnx")
    (tmp_path / "no.onnx").write_bytes(b"hello")
    wide = image_tower(tmp_path / "wide.onnx", dim=5)
    cases: list[tuple[str, Path, Path, dict[str, object]]] = [
        (r"gone\.onnx: no such file", tmp_path / "gone.onnx", text, {}),
        (r"no\.onnx: ONNX Runtime cannot load it", tmp_path / "no.onnx", text, {}),
        (r"no\.onnx: ONNX Runtime cannot load it", vision, tmp_path / "no.onnx", {}),
        (r"t\.onnx: takes .* an image tower has one input, of four dimensions", text, text, {}),
        (r"v\.onnx: takes .* a text tower has one input for the token ids", vision, vision, {}),
        (r"wide\.onnx gives vectors of width 5, .*t\.onnx of 6", wide, text, {}),
        ("not squares of 9", vision, text, {"image_size": 9}),
        (r"v\.onnx: takes .* give a file that takes", vision, text, {"layout": "nhwc-uint8"}),
        ("unusable: name '../x'", vision, text, {"name": "../x"}),
        ("max_tokens is 0", vision, text, {"max_tokens": 0}),
        ("1 photos to calibrate with", vision, text, {"photos_and_captions": [(tmp_path / "0.png", "red")]}),
    ]
    for message, image_file, text_file, options in cases:
        with pytest.raises(BundleError, match=message):
            import_tiny(image_file, text_file, **options)
    tokenizer.write_text('{"no": "tokenizer"}')
    with pytest.raises(BundleError, match=r"tokenizer\.json: no tokenizer\.json"):
        import_tiny(vision, text)
    assert not (tmp_path / "out" / "mine").exists()


def test_a_tower_without_a_projection_is_refused(tmp_path: Path, import_tiny: Callable) -> None:
    nodes = [helper.make_node("Identity", ["pixels"], ["grid"])]
    shape = ["n", 3, SIDE, SIDE]
    vision = write(
        tmp_path / "v.onnx", nodes, {}, [value("pixels", 1, shape)], [value("grid", TensorProto.FLOAT, shape)]
    )
    with pytest.raises(BundleError, match=r"none of which is one vector a row: export it with its projection"):
        import_tiny(vision, text_tower(tmp_path / "t.onnx"))
