"""Bundles from models of the Hugging Face library: tiny ones with random weights, saved as real ones are."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from typer.testing import CliRunner

import revln
from revln.errors import BundleError, InputError, MissingExtraError
from revln.models.verification import verify_bundle
from revln.train.cli import app
from revln.train.pairs import AlignData

transformers = pytest.importorskip("transformers")

SIDE, DIM = 32, 24
SENTENCES = ["cat", "A DOG, in the snow!", "木桌上有一杯咖啡", "a long walk " * 40]
CHARACTERS = "abcdefghijklmnopqrstuvwxyz木桌上有一杯咖啡"
TOWER = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**TOWER, "image_size": SIDE, "patch_size": 16}


def clip(directory: Path) -> None:
    """CLIP: byte-level pairs, the end token highest of all and also the padding; the centre square is cropped."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("ca", "t</w>")]
    entries = [*alphabet, *(sign + "</w>" for sign in alphabet), *map("".join, merges), "<|startoftext|>"]
    vocabulary = {entry: number for number, entry in enumerate([*entries, "<|endoftext|>"])}
    (directory / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    lines = ["#version: 0.2", *map(" ".join, merges)]
    (directory / "merges.txt").write_text("\n".join(lines), encoding="utf-8")
    transformers.CLIPTokenizerFast.from_pretrained(directory, model_max_length=20).save_pretrained(directory)
    end = {"bos_token_id": len(vocabulary) - 2, "eos_token_id": len(vocabulary) - 1}
    text = {**TOWER, **end, "vocab_size": len(vocabulary), "max_position_embeddings": 20}
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=DIM)
    save(transformers.CLIPModel(config), directory)
    size = {"size": {"shortest_edge": SIDE}, "crop_size": {"height": SIDE, "width": SIDE}}
    transformers.CLIPImageProcessor(**size).save_pretrained(directory)


def siglip(directory: Path) -> None:
    """SigLIP: the end token pads, though there is a ``<pad>`` too; all sentences are as long; photos are squashed."""
    entries = [(entry, 0.0) for entry in ("<pad>", "</s>", "<unk>", "▁")] + [(sign, -1.0) for sign in CHARACTERS]
    backend = Tokenizer(models.Unigram([*entries, ("▁cat", -0.5)], unk_id=2))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    special = {"eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **special)
    fast.save_pretrained(directory)
    width = {**TOWER, "hidden_size": DIM}  # SigLIP's image tower has no projection
    text = {**width, "vocab_size": len(entries) + 1, "max_position_embeddings": 16, "projection_size": DIM}
    config = transformers.SiglipConfig(text_config=text, vision_config={**VISION, **width})
    save(transformers.SiglipModel(config), directory)
    transformers.SiglipImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(directory)


def chinese_clip(directory: Path) -> None:
    """Chinese CLIP: BERT, whose every token looks at all others that are not padding."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, *("##" + sign for sign in CHARACTERS)]
    (directory / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    transformers.BertTokenizerFast.from_pretrained(directory, model_max_length=30).save_pretrained(directory)
    text = {**TOWER, "vocab_size": len(vocabulary), "max_position_embeddings": 40}
    config = transformers.ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=DIM)
    save(transformers.ChineseCLIPModel(config), directory)
    processor = transformers.ChineseCLIPImageProcessor(size={"height": SIDE, "width": SIDE}, do_center_crop=False)
    processor.save_pretrained(directory)


def save(model: torch.nn.Module, directory: Path) -> None:
    """With weights large enough for unlike inputs to get unlike vectors."""
    torch.manual_seed(0)
    for weights in model.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.25)
    model.save_pretrained(directory)


MAKERS = {"clip": clip, "siglip": siglip, "chinese_clip": chinese_clip}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    made = {kind: tmp_path_factory.mktemp("hf") / f"tiny-{kind}" for kind in MAKERS}
    for kind, directory in made.items():
        directory.mkdir()
        MAKERS[kind](directory)
    return made


@pytest.fixture(scope="module")
def bundles(
    sources: dict[str, Path], caption_data: AlignData, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    for kind, directory in sources.items():
        run(str(directory), folder / kind, "--data", str(caption_data.images.parent), "--licence", "MIT")
    return {kind: folder / kind for kind in sources}


def run(source: str, out: Path, *options: str, precision: str = "fp32") -> dict:
    stored = ["--vision", precision, "--text", precision]
    done = CliRunner().invoke(app, ["import-hf", source, "--out", str(out), "--json", *stored, *options])
    if done.exception is not None:
        raise done.exception
    return json.loads(done.stdout)


def reference(directory: Path) -> tuple:
    """The library's own way from photos and sentences to unit vectors."""
    model = transformers.AutoModel.from_pretrained(directory).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory)
    processor = transformers.AutoImageProcessor.from_pretrained(directory)

    def unit(features: object) -> np.ndarray:
        vectors = getattr(features, "pooler_output", features)
        return torch.nn.functional.normalize(vectors, dim=-1).detach().numpy()

    def see(photo: Image.Image) -> np.ndarray:
        return unit(model.get_image_features(processor(images=photo, return_tensors="pt")["pixel_values"]))[0]

    def read(sentence: str) -> np.ndarray:
        fixed = model.config.model_type == "siglip"
        limit = {"truncation": True, "max_length": 16} if fixed else {"truncation": True}
        ids = tokenizer(sentence, padding="max_length" if fixed else False, return_tensors="pt", **limit)["input_ids"]
        return unit(model.get_text_features(ids))[0]

    return see, read


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_vectors_are_the_librarys_own(kind: str, sources: dict[str, Path], bundles: dict[str, Path]) -> None:
    model = revln.load_model(bundles[kind])
    see, read = reference(sources[kind])
    rng = np.random.default_rng(0)
    photos = [Image.fromarray(rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for _ in range(3)]
    found = model.encode_images(photos)
    np.testing.assert_allclose(found, [see(photo) for photo in photos], atol=1e-3)
    assert found[0] @ found[1] < 0.99
    found = model.encode_texts(SENTENCES)
    np.testing.assert_allclose(found, [read(sentence) for sentence in SENTENCES], atol=1e-3)
    assert found[0] @ found[1] < 0.99
    ramp = np.linspace(0, 255, 96 * 60 * 3).reshape(60, 96, 3).astype(np.uint8)
    wide = Image.fromarray(np.ascontiguousarray(ramp[:, ::-1]))
    assert model.encode_images([wide])[0] @ see(wide) > 0.995


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "aspect", "pad_id", "limit", "language"),
    [("clip", 1.0, 515, 20, "en"), ("siglip", None, 1, 16, "en"), ("chinese_clip", None, 0, 30, "zh")],
)
def test_the_card_tells_all(
    kind: str, aspect: float | None, pad_id: int, limit: int, language: str, bundles: dict[str, Path]
) -> None:
    model = revln.load_model(bundles[kind])
    card = model.card
    assert (card.name, card.dim, card.languages) == (f"tiny-{kind}", DIM, (language,))
    assert (card.image.side, card.image.max_aspect, card.image.layout) == (SIDE, aspect, "nhwc-uint8")
    assert (card.text.max_tokens, card.text.pad_id, card.text.pad_to_max) == (limit, pad_id, kind == "siglip")
    assert card.weights == ({"name": f"tiny-{kind}", "licence": "MIT", "source": f"Hugging Face, tiny-{kind}"},)
    cosines = card.numbers["lowest cosine to the original"]
    # The library rounds where it crops; at so few pixels, and with weights that nobody trained, that is noticed.
    assert cosines["images"] > 0.95
    assert cosines["texts"] > 0.9999
    assert card.numbers["calibration photos"]["images"] == 8
    assert verify_bundle(model.encoder) == []
    # Each file holds the weights of its own tower alone.
    both = (bundles[kind] / "vision.onnx").stat().st_size + (bundles[kind] / "text.onnx").stat().st_size
    assert both < 800_000


@pytest.mark.slow
def test_a_memory_with_an_imported_model(bundles: dict[str, Path], caption_data: AlignData, tmp_path: Path) -> None:
    memory = revln.Memory.open(tmp_path / "photos.revln", model=bundles["siglip"])
    assert revln.index([caption_data.images], memory=memory).added == 32
    photo = caption_data.images / "05.jpg"
    assert memory.search(image=photo, k=3)[0].record.uri.endswith("05.jpg")
    assert len(memory.search(text="一只猫", k=3)) == 3


@pytest.mark.slow
def test_a_tokenizer_class_that_is_not_fast_gives_way_to_the_file(sources: dict[str, Path], tmp_path: Path) -> None:
    """As SigLIP's repositories have it: a class on top of SentencePiece, and a ``tokenizer.json``."""
    source = changed(sources["siglip"], tmp_path / "slow", "tokenizer_config.json", tokenizer_class="SiglipTokenizer")
    run(str(source), tmp_path / "out")
    _, read = reference(sources["siglip"])
    found = revln.load_model(tmp_path / "out").encode_texts(SENTENCES)
    np.testing.assert_allclose(found, [read(sentence) for sentence in SENTENCES], atol=1e-3)


@pytest.mark.slow
def test_packed_weights_and_the_samples_that_ship(sources: dict[str, Path], tmp_path: Path) -> None:
    result = run(str(sources["clip"]), tmp_path / "packed", "--name", "mine", "--language", "zh", precision="int8")
    card = revln.load_model(tmp_path / "packed").card
    assert (result["id"], card.name, card.languages) == (card.id, "mine", ("zh",))
    assert card.numbers["weights stored as"] == "vision int8, text int8"
    assert "calibrated with 31 photos" in card.description
    with pytest.raises(BundleError, match="exists already"):
        run(str(sources["clip"]), tmp_path / "packed")


def changed(source: Path, directory: Path, file: str, **values: object) -> Path:
    """A copy of a model, with some values of one of its JSON files changed."""
    directory.mkdir()
    for each in source.iterdir():
        (directory / each.name).write_bytes(each.read_bytes())
    path = directory / file
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | values), encoding="utf-8")
    return directory


def test_what_is_wrong_is_named(sources: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    (tmp_path / "empty").mkdir()
    bert = changed(sources["clip"], tmp_path / "bert", "config.json", model_type="bert")
    deep = json.loads((sources["clip"] / "config.json").read_text(encoding="utf-8"))["vision_config"]
    lacking = changed(sources["clip"], tmp_path / "deep", "config.json", vision_config=deep | {"num_hidden_layers": 3})
    crop = {"height": 30, "width": 30}
    other = changed(sources["clip"], tmp_path / "other", "preprocessor_config.json", crop_size=crop)
    cases = [
        (str(bert), r"bert: is a bert: give one of the types clip, chinese_clip, siglip"),
        (str(tmp_path / "empty"), r"empty: cannot be read .*: give a directory with config\.json"),
        (str(lacking), r"its weights lack vision_model\.encoder\.layers\.2\..*: give a model with both towers"),
        (str(other), r"other: its image processor .* does not make squares of 32 pixels"),
        ("nobody/nothing", r"no directory, and cannot be fetched .*hf download nobody/nothing --local-dir DIR"),
    ]
    for source, message in cases:
        with pytest.raises(InputError, match=message):
            run(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_model_that_revln_cannot_follow_is_refused(sources: dict[str, Path], tmp_path: Path) -> None:
    """A tokenizer that pads in front: SigLIP then reads other sentences than it does here."""
    source = changed(sources["siglip"], tmp_path / "left", "tokenizer_config.json", padding_side="left")
    with pytest.raises(BundleError, match=r"left: the bundle's vectors of texts are not the original's"):
        run(str(source), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["left"]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "revln.train.huggingface", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'revln\[hf\]'"):
        importlib.import_module("revln.train.huggingface")
