"""The card: what a bundle says about itself, as ``card.json``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from revln.errors import BundleError

__all__ = ["CARD", "CARD_VERSION", "Card", "ImageInput", "Layout", "TextInput", "sha256_of"]

CARD_VERSION = 1
CARD = "card.json"
Layout = Literal["nhwc-uint8", "nchw-float"]
# A name and a version become part of the name of a directory in the user's store.
_PLAIN_NAME = re.compile(r"\w[\w.+-]*")


@dataclass(frozen=True, slots=True)
class ImageInput:
    """What ``vision.onnx`` takes.

    Attributes:
        side: pixels of the square.
        max_aspect: see ``revln.images.Transform``; ``None`` squashes.
        layout: ``nhwc-uint8`` for pixels as they are, the graph normalising them; ``nchw-float`` for pixels divided
            by 255, less ``mean``, divided by ``std``.
        mean: of each channel, 0 to 1.
        std: of each channel, 0 to 1.
    """

    side: int
    max_aspect: float | None
    layout: Layout
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class TextInput:
    """What ``text.onnx`` takes.

    Attributes:
        max_tokens: longer sentences are cut.
        pad_to_max: every sentence is padded to ``max_tokens``, for graphs of a fixed length and for those that are
            not told what is padding.
        pad_id: the token that stands at padding.
        dim: leading dimensions of the joint space that texts use, the others being 0 in each of them; None for all.
    """

    max_tokens: int
    pad_to_max: bool = False
    pad_id: int = 0
    dim: int | None = None


@dataclass(frozen=True)
class Card:
    """A bundle's facts.

    Attributes:
        name: short name.
        version: of the bundle.
        description: one sentence.
        dim: width of the joint space.
        languages: ISO 639-1 codes of the languages that the text tower was trained on.
        image: input of the image tower.
        text: input of the text tower.
        files: SHA-256 of every other file of the bundle.
        weights: for each pretrained part its name, licence and source.
        data: for each data set trained on its name, terms and source.
        numbers: measured results by name, with the command that gives them.
        calibration: see ``revln.models.calibration``.
        generator: sizes, languages and training of the generator, and the SHA-256 of the towers that it was trained
            with; empty if there is none.
        training: configuration that ``revln train align`` had, from which it can go on; empty if it made no part of it.
        card_version: of this format.
    """

    name: str
    version: str
    description: str
    dim: int
    languages: tuple[str, ...]
    image: ImageInput
    text: TextInput
    files: Mapping[str, str]
    weights: tuple[Mapping[str, str], ...] = ()
    data: tuple[Mapping[str, str], ...] = ()
    numbers: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    generator: Mapping[str, Any] = field(default_factory=dict)
    card_version: int = CARD_VERSION

    @cached_property
    def id(self) -> str:
        """Name, version and a hash of the files and their inputs: two bundles with one id give the same vectors."""
        parts = (sorted(self.files.items()), dataclasses.asdict(self.image), dataclasses.asdict(self.text))
        digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{self.version}-{digest[:10]}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"id": self.id, **dataclasses.asdict(self)}

    def write(self, directory: Path) -> None:
        """Writes ``card.json``."""
        text = json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)
        (directory / CARD).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, directory: Path) -> Card:
        """Reads and checks ``card.json``.

        Raises:
            BundleError: it is missing, no JSON, of another version, or incomplete.
        """
        path = directory / CARD
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise BundleError(f"{directory}: no model bundle, it has no {CARD}") from error
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise BundleError(f"{path}: damaged, no valid JSON: install or export the bundle again") from error
        version = values.get("card_version") if isinstance(values, dict) else None
        if version != CARD_VERSION:
            raise BundleError(
                f"{path}: card version {version!r} is unknown, this revln reads {CARD_VERSION}: upgrade revln"
            )
        known = {name.name for name in dataclasses.fields(cls)}
        try:
            given = {name: value for name, value in values.items() if name in known}
            image = {**given.pop("image")}
            image |= {"mean": tuple(image["mean"]), "std": tuple(image["std"])}
            for name in ("languages", "weights", "data"):
                given[name] = tuple(given.get(name, ()))
            card = cls(image=ImageInput(**image), text=TextInput(**given.pop("text")), **given)
            problem = _problem(card)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise BundleError(f"{path}: incomplete: {error}: install or export the bundle again") from error
        if problem is not None:
            raise BundleError(f"{path}: unusable: {problem}: install or export the bundle again")
        return card

    @property
    def max_aspect(self) -> float:
        """``image.max_aspect`` as ``Transform`` takes it."""
        return math.inf if self.image.max_aspect is None else self.image.max_aspect


def _problem(card: Card) -> str | None:
    """What is wrong with a card that somebody else wrote; None when nothing is."""
    image, text = card.image, card.text
    rules = {
        f"name {card.name!r}": isinstance(card.name, str) and _PLAIN_NAME.fullmatch(card.name),
        f"version {card.version!r}": isinstance(card.version, str) and _PLAIN_NAME.fullmatch(card.version),
        f"dim {card.dim!r}": isinstance(card.dim, int) and card.dim > 0,
        f"languages {card.languages!r}": all(isinstance(language, str) for language in card.languages),
        f"files {card.files!r}": isinstance(card.files, dict),
        f"training {card.training!r}": isinstance(card.training, dict),
        f"generator {card.generator!r}": isinstance(card.generator, dict),
        f"side {image.side!r}": isinstance(image.side, int) and image.side > 0,
        f"max_aspect {image.max_aspect!r}": image.max_aspect is None or image.max_aspect >= 1,
        f"layout {image.layout!r}": image.layout in get_args(Layout),
        f"mean {image.mean!r}": len(image.mean) == 3 and all(0 <= value <= 1 for value in image.mean),
        f"std {image.std!r}": len(image.std) == 3 and all(0 < value < math.inf for value in image.std),
        f"max_tokens {text.max_tokens!r}": isinstance(text.max_tokens, int) and text.max_tokens > 0,
        f"pad_id {text.pad_id!r}": isinstance(text.pad_id, int) and text.pad_id >= 0,
        f"text dim {text.dim!r}": text.dim is None or (isinstance(text.dim, int) and 0 < text.dim <= card.dim),
    }
    # A plain name: not ``../x``, and no other directory's on any system.
    rules |= {
        f"{name!r} is no plain file name": not re.search(r"[/\\:]", name) and name.strip(".") != ""
        for name in (card.files if isinstance(card.files, dict) else ())
    }
    return next((rule for rule, kept in rules.items() if not kept), None)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
