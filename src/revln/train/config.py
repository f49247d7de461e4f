"""Typed training configurations, bound to their TOML file before any work starts."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import get_type_hints

from revln.errors import ConfigError

__all__ = ["AlignConfig", "load_config"]


@dataclass(frozen=True, slots=True)
class AlignConfig:
    """Contrastive training of the joint space of images and texts.

    Attributes:
        name: name of the bundle.
        version: version of the bundle.
        vision: variant of EfficientNet-Lite: lite0, lite1 or lite2.
        image_size: side of the CNN's input, pixels.
        max_aspect: images are cropped to at most this aspect ratio and squashed for the rest; 1 is a centre crop.
        dim: width of the space that images and texts share.
        visual_dim: width of the part that images alone use, see ``revln.train.towers.ImageHead``; 0 for none.
        visual_weight: length of that part relative to the shared one.
        hidden: hidden width of the projection heads.
        dropout: of the image head's input and hidden layer.
        text_dropout: of the text encoder.
        views: augmented versions of each training photo whose features are cached; the first is the photo itself.
        epochs: passes over the training photos, one caption a photo and pass.
        batch_size: photos a step.
        head_rate: peak learning rate of the heads.
        text_rate: peak learning rate of the text encoder; 0 freezes it.
        weight_decay: AdamW's.
        warmup: share of the steps over which the rates rise.
        prototypes: classifier prototypes a step, each with one of its class's names; 0 for none.
        prototype_weight: weight of their loss.
        ema: decay of the averaged weights that are evaluated and exported.
        max_tokens: longer sentences are cut.
        seed: of everything random.
    """

    name: str = "base"
    version: str = "1"
    vision: str = "lite2"
    image_size: int = 240
    max_aspect: float = 1.0
    dim: int = 384
    visual_dim: int = 640
    visual_weight: float = 3.5
    hidden: int = 1024
    dropout: float = 0.3
    text_dropout: float = 0.1
    views: int = 6
    epochs: int = 40
    batch_size: int = 512
    head_rate: float = 1e-3
    text_rate: float = 5e-5
    weight_decay: float = 0.05
    warmup: float = 0.05
    prototypes: int = 256
    prototype_weight: float = 0.3
    ema: float = 0.99
    max_tokens: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        positive = ("image_size", "max_aspect", "dim", "hidden", "views", "epochs", "batch_size", "max_tokens")
        for name in positive:
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be at least 1")
        for name in ("dropout", "text_dropout", "warmup", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} = {getattr(self, name)}: must be at least 0 and below 1")
        for name in ("visual_dim", "visual_weight", "head_rate", "text_rate", "weight_decay", "prototypes"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} = {getattr(self, name)}: must not be negative")

    def smoke(self) -> AlignConfig:
        """The same run cut down to seconds, to see that everything fits together."""
        return dataclasses.replace(self, views=1, epochs=2, batch_size=16, prototypes=min(self.prototypes, 16), ema=0.5)


def load_config(path: Path) -> AlignConfig:
    """Binds a TOML file to ``AlignConfig``.

    Raises:
        ConfigError: the file is missing or malformed, a key is unknown, or a value has the wrong type or range.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    types = get_type_hints(AlignConfig)
    for key, value in values.items():
        if key not in types:
            raise ConfigError(f"{path}: unknown key {key!r}; known are {', '.join(sorted(types))}")
        wanted = types[key]
        if wanted is float and type(value) is int:
            values[key] = float(value)
        elif type(value) is not wanted:
            raise ConfigError(f"{path}: {key} = {value!r}: expected {wanted.__name__}")
    try:
        return AlignConfig(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
