"""What training of the joint space begins with: packaged parts, or a bundle that it has made before."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import ConfigError, InputError
from revln.models import BackgroundCalibration, Bundle
from revln.models.bundle import GOLDEN, TEXT, TOKENIZER, VISION
from revln.models.card import Card, sha256_of
from revln.text import pad
from revln.train import efficientnet
from revln.train.checkpoint import load_into, tensors_of
from revln.train.config import AlignConfig
from revln.train.onnx_files import read_weights
from revln.train.photo_classifier import read_cnn, trained_cnn
from revln.train.text_encoders import TextPart, load_text_part, make_encoder, token_ids
from revln.train.towers import ImageTower, TextTower, Towers

__all__ = ["Start"]

_LEAST_COSINE = 0.999  # between what the bundle gives and what its weights give here


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """What a run begins with.

    Attributes:
        text: the text encoder and its tokenizer.
        trunk: the CNN.
        trunk_key: tells it from others, for the cache of its features.
        weights: of all towers, by name, but for the temperatures, which a bundle does not hold; ``None`` for heads that
            know nothing yet.
        card: of the bundle, if it is one.
        calibration: of the bundle.
        cnn: file of the CNN, if ``revln train vision`` has made it; ``trunk_key`` is its SHA-256 then.
    """

    text: TextPart
    trunk: efficientnet.EfficientNetLite
    trunk_key: str
    weights: Mapping[str, Tensor] | None = None
    card: Card | None = None
    calibration: BackgroundCalibration | None = None
    cnn: Path | None = None

    def towers(self, config: AlignConfig) -> Towers:
        """The towers around its CNN and text encoder, with its weights; without, the heads know nothing yet."""
        towers = Towers(config, self.trunk, self.text.encoder)
        if self.weights is not None:
            load_into(towers, {**tensors_of(towers), **self.weights})
        return towers

    @classmethod
    def packaged(cls, config: AlignConfig, text_run: Path | None = None, vision_run: Path | None = None) -> Start:
        """The CNN and the text encoder that a configuration names.

        Args:
            config: names them.
            text_run: directory of a distillation, for the text encoders that start from one.
            vision_run: directory of a run of ``revln train vision``, whose CNN takes the place of the packaged one.

        Raises:
            ConfigError: MiniLM with another number of layers.
            InputError: a directory does not fit.
        """
        part = load_text_part(config.text, config.text_layers, text_run, config.text_dropout)
        if vision_run is None:
            return cls(part, efficientnet.load_pretrained(config.vision), config.vision)
        file = trained_cnn(vision_run, config.vision)
        return cls(part, read_cnn(file, config.vision), sha256_of(file), cnn=file)

    @classmethod
    def of_bundle(cls, bundle: Bundle) -> tuple[AlignConfig, Start]:
        """The towers of a bundle, and the configuration that they were made with.

        Raises:
            InputError: training has not made it, or its weights cannot be read back.
            BundleError: it is damaged.
        """
        config = _config_of(bundle)
        tokenizer = Tokenizer.from_file(str(bundle.file(TOKENIZER)))
        trunk = efficientnet.load_pretrained(config.vision)
        encoder = make_encoder(config.text, tokenizer.get_vocab_size(), config.text_layers, config.text_dropout)
        # The CNN of a bundle is frozen as a whole: what its last blocks have learnt would be learnt anew.
        config = dataclasses.replace(config, vision_blocks=0)
        towers = Towers(config, trunk, encoder)
        _fill(ImageTower(trunk, towers.image), read_weights(bundle.file(VISION)), bundle)
        _fill(towers.text, read_weights(bundle.file(TEXT)), bundle)
        _compare(bundle, ImageTower(trunk, towers.image).eval(), towers.text.eval(), tokenizer, config)
        key = bundle.card.files[VISION]
        calibration = BackgroundCalibration.of_bundle(bundle)
        weights = {name: tensor for name, tensor in tensors_of(towers).items() if name.startswith(("image.", "text."))}
        return config, cls(TextPart(encoder, tokenizer), trunk.eval(), key, weights, bundle.card, calibration)


def _config_of(bundle: Bundle) -> AlignConfig:
    if not bundle.card.training:
        raise InputError(
            f"{bundle.directory}: cannot be trained further, its card does not tell how it was trained: start from a "
            "model that revln train align has made, such as base"
        )
    known = {field.name for field in dataclasses.fields(AlignConfig)}
    values = {name: value for name, value in bundle.card.training.items() if name in known}
    if values.get("max_aspect", 0) is None:  # JSON has no infinity
        values["max_aspect"] = math.inf
    try:
        return AlignConfig(**values)
    except ConfigError as error:
        raise InputError(f"{bundle.directory / 'card.json'}: training: {error}: export the bundle again") from error


def _fill(module: nn.Module, weights: Mapping[str, Tensor], bundle: Bundle) -> None:
    """Gives a module the weights of a graph.

    Of equal weights a graph keeps one, under one of their names: the classifier, which the CNN and the head share, and
    such as training has left as they were, which are ones or zeros.
    """
    missing, unexpected = module.load_state_dict(dict(weights), strict=False)
    own = module.state_dict()
    given = {own[name].data_ptr() for name in own.keys() - set(missing)}
    lost = [name for name in missing if own[name].data_ptr() not in given and len(own[name].unique()) > 1]
    if lost or unexpected:
        raise InputError(
            f"{bundle.directory}: its graphs name their weights differently ({[*lost, *unexpected][0]}): "
            "export the bundle again with this revln"
        )


@torch.inference_mode()
def _compare(bundle: Bundle, images: ImageTower, texts: TextTower, tokenizer: Tokenizer, config: AlignConfig) -> None:
    """Sees that the weights give what the bundle recorded of itself."""
    with np.load(bundle.file(GOLDEN), allow_pickle=False) as golden:
        recorded: dict[str, Any] = {name: golden[name] for name in golden}
    ids, mask = pad(token_ids(tokenizer, recorded["sentences"].tolist(), config.max_tokens))
    given = {
        "image_embeddings": images(torch.from_numpy(recorded["pixels"]))[0],
        "text_embeddings": texts(torch.from_numpy(ids), torch.from_numpy(mask)),
    }
    for name, vectors in given.items():
        likeness = float(F.cosine_similarity(vectors, torch.from_numpy(recorded[name]), dim=-1).min())
        if likeness < _LEAST_COSINE:
            raise InputError(
                f"{bundle.directory}: its weights give other {name.replace('_', ' ')} than it recorded (cosine "
                f"{likeness:.4f}): export the bundle again with this revln"
            )
