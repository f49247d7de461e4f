"""A bundle on disk: its card, its files, and the check that they are what the card says."""

from __future__ import annotations

import json
from pathlib import Path

from revln.errors import BundleError
from revln.models.card import CARD, Card, sha256_of

__all__ = [
    "BACKGROUND",
    "CLASSES",
    "GENERATOR_LOOK",
    "GENERATOR_SAY",
    "GENERATOR_TOKENIZER",
    "GOLDEN",
    "QUERYBANK",
    "TEXT",
    "TOKENIZER",
    "VISION",
    "Bundle",
]

VISION = "vision.onnx"
TEXT = "text.onnx"
TOKENIZER = "tokenizer.json"
CLASSES = "classes.json"
GOLDEN = "golden.npz"
BACKGROUND = "background.npz"
QUERYBANK = "querybank.npz"
GENERATOR_LOOK = "generator-look.onnx"
GENERATOR_SAY = "generator-say.onnx"
GENERATOR_TOKENIZER = "generator-tokenizer.json"
_REQUIRED = (VISION, TEXT, TOKENIZER)


class Bundle:
    """A directory that holds one model. Opened without running anything: ONNX, JSON and plain arrays only.

    Args:
        directory: with ``card.json``.

    Raises:
        BundleError: the card is missing or unusable, or a file that every bundle has is missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.card = Card.read(directory)
        for name in _REQUIRED:
            self.require(name)
        for name in self.card.files:
            if not (directory / name).is_file():
                raise BundleError(f"{directory / name}: missing: install or export the bundle again")

    def file(self, name: str) -> Path:
        """Path of a file, after its hash was checked.

        Raises:
            BundleError: the file is not what the card says, or the card does not name it.
        """
        self.require(name)
        path = self.directory / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise BundleError(f"{path}: {error.strerror}: install or export the bundle again") from error
        if found != self.card.files[name]:
            raise BundleError(f"{path}: damaged, its SHA-256 is not the card's: install or export the bundle again")
        return path

    def require(self, name: str) -> None:
        """Raises ``BundleError`` if the card does not list a file."""
        if not self.has(name):
            raise BundleError(f"{self.directory / CARD}: names no {name}: install or export the bundle again")

    def has(self, name: str) -> bool:
        """Whether the card lists a file."""
        return name in self.card.files

    def classes(self) -> list[list[str]]:
        """For each class that the vision model tells apart its names, the plain one first; empty if it tells none."""
        if not self.has(CLASSES):
            return []
        path = self.file(CLASSES)
        try:
            names: list[list[str]] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BundleError(f"{path}: no valid JSON: export the bundle again") from error
        if not isinstance(names, list) or not all(isinstance(each, list) and each for each in names):
            raise BundleError(f"{path}: no list with the names of each class: export the bundle again")
        return names
