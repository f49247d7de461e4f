"""Typed training configurations, bound to their TOML file before any work starts."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

from revln.errors import ConfigError

__all__ = ["AlignConfig", "Count", "Range", "Share", "StageConfig", "Weight", "load_config"]


@dataclass(frozen=True, slots=True)
class Range:
    """Bounds of a number, noted in its type: ``Annotated[int, Range(1)]``.

    Attributes:
        least: the smallest value.
        below: what it must stay below; infinity thereby refuses infinity, None allows it.
    """

    least: float
    below: float | None = float("inf")

    def complaint(self, value: float) -> str | None:
        """What is wrong with a value."""
        if self.least <= value and (self.below is None or value < self.below):
            return None
        return f"must be at least {self.least}" + ("" if self.below is None else f" and below {self.below}")


Count = Annotated[int, Range(1)]
Share = Annotated[float, Range(0, 1)]
Weight = Annotated[float, Range(0)]


@dataclass(frozen=True, slots=True)
class StageConfig:
    """What every stage of training is told.

    A stage extends it. Fields are ``bool``, ``int``, ``float`` or ``str``, a ``Literal`` of strings for a fixed set of
    choices, or a number with its ``Range``; they are checked by these types whenever a configuration is made.

    Attributes:
        name: name of what is made.
        version: version of what is made.
        epochs: passes over the training data.
        batch_size: examples a step.
        weight_decay: AdamW's.
        warmup: share of the steps over which the rates rise.
        ema: decay of the averaged weights that are evaluated and exported.
        clip: longest gradient, as the norm over all weights; 0 for no limit.
        seed: of everything random.
    """

    name: str = "base"
    version: str = "1"
    epochs: Count = 10
    batch_size: Count = 128
    weight_decay: Weight = 0.05
    warmup: Share = 0.05
    ema: Share = 0.99
    clip: Weight = 0.0
    seed: Annotated[int, Range(0)] = 0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            if complaint := _complaint(getattr(self, name), hint):
                raise ConfigError(f"{name} = {getattr(self, name)!r}: {complaint}")

    def smoke(self) -> Self:
        """The same run cut down to seconds, to see that everything fits together."""
        return dataclasses.replace(self, epochs=min(self.epochs, 2), batch_size=min(self.batch_size, 16), ema=0.5)


@dataclass(frozen=True, slots=True)
class AlignConfig(StageConfig):
    """Contrastive training of the joint space of images and texts.

    An epoch takes each photo once, with one of its captions.

    Attributes:
        vision: variant of EfficientNet-Lite.
        image_size: side of the CNN's input, pixels.
        max_aspect: images are cropped to at most this aspect ratio and squashed for the rest; 1 is a centre crop.
        dim: width of the space that images and texts share.
        visual_dim: width of the part that images alone use, see ``revln.train.towers.ImageHead``; 0 for none.
        visual_weight: length of that part relative to the shared one.
        hidden: hidden width of the projection heads.
        dropout: of the image head's input and hidden layer.
        text_dropout: of the text encoder.
        views: augmented versions of each training photo whose features are cached; the first is the photo itself.
        head_rate: peak learning rate of the heads.
        text_rate: peak learning rate of the text encoder; 0 freezes it.
        prototypes: classifier prototypes a step, each with one of its class's names; 0 for none.
        prototype_weight: weight of their loss.
        max_tokens: longer sentences are cut.
    """

    vision: Literal["lite0", "lite1", "lite2"] = "lite2"
    image_size: Count = 240
    max_aspect: Annotated[float, Range(1, None)] = 1.0
    dim: Count = 384
    visual_dim: Annotated[int, Range(0)] = 640
    visual_weight: Weight = 3.5
    hidden: Count = 1024
    dropout: Share = 0.3
    text_dropout: Share = 0.1
    views: Count = 6
    epochs: Count = 40
    batch_size: Count = 512
    head_rate: Weight = 1e-3
    text_rate: Weight = 5e-5
    prototypes: Annotated[int, Range(0)] = 256
    prototype_weight: Weight = 0.3
    max_tokens: Count = 64

    def smoke(self) -> Self:
        """The same run cut down to seconds, over one view of each photo and a few classes."""
        # Not super(): the class that ``slots`` makes is another than the one that is written here.
        return dataclasses.replace(StageConfig.smoke(self), views=1, prototypes=min(self.prototypes, 16))


C = TypeVar("C", bound=StageConfig)


def load_config(path: Path, kind: type[C]) -> C:
    """Binds a TOML file to the configuration of a stage.

    Raises:
        ConfigError: the file is missing or malformed, a key is unknown, or a value has the wrong type or range; the
            message names file and key.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such configuration file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from error
    types = get_type_hints(kind)
    for key, value in values.items():
        if key not in types:
            near = get_close_matches(key, types, n=1)
            way_out = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(types))}"
            raise ConfigError(f"{path}: unknown key {key!r}: {way_out}")
        if types[key] is float and type(value) is int:
            values[key] = float(value)
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _complaint(value: Any, hint: Any) -> str | None:
    """What is wrong with a value for a field of that type."""
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        return None if value in choices else f"choose from {', '.join(choices)}"
    kind, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    if type(value) is not kind:
        return f"expected {kind.__name__}"
    return next((complaint for bound in bounds if (complaint := bound.complaint(value))), None)
