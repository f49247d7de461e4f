"""The two towers of a bundle: transformed images and sentences to unit vectors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from revln.errors import BundleError
from revln.images import Transform
from revln.models.bundle import CLASSES, TEXT, TOKENIZER, VISION, Bundle
from revln.models.calibration import BackgroundCalibration
from revln.models.querybank import Querybank
from revln.models.tower import Tower
from revln.models.vectors import unit_rows
from revln.text import SentenceTokenizer, pad
from revln.types import Embedding, ImageEncoding

__all__ = ["BundleEncoder"]

_CHUNK = 64


class BundleEncoder:
    """Encodes images and texts with a bundle. Its files are opened at first use; safe in threads.

    Each call runs on one core. Work for several cores is split by the caller: one stream of images a core is faster
    than many cores on one image.

    Args:
        bundle: the model.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.card = bundle.card
        self.transform = Transform(self.card.image.side, self.card.max_aspect)
        self._opening = threading.RLock()
        image = self.card.image
        self._mean = np.array(image.mean, dtype=np.float32) * 255
        self._std = np.array(image.std, dtype=np.float32) * 255

    @property
    def id(self) -> str:
        """The card's id."""
        return self.card.id

    @property
    def dim(self) -> int:
        """Width of the joint space."""
        return self.card.dim

    @cached_property
    def calibration(self) -> BackgroundCalibration:
        """Turns this model's cosines into probabilities."""
        return BackgroundCalibration.of_bundle(self.bundle)

    @cached_property
    def querybank(self) -> Querybank | None:
        """Tells which images are near to every text; None if the bundle has nothing that does."""
        return Querybank.of_bundle(self.bundle)

    @cached_property
    def classes(self) -> list[list[str]]:
        """Names of the classes that ``ImageEncoding.logits`` are about."""
        return self.bundle.classes()

    @cached_property
    def _vision(self) -> Tower:
        return Tower(self.bundle.file(VISION))

    @cached_property
    def _text(self) -> tuple[Tower, SentenceTokenizer]:
        tokenizer = SentenceTokenizer(self.bundle.file(TOKENIZER), self.card.text.max_tokens)
        return Tower(self.bundle.file(TEXT)), tokenizer

    def warm_up(self) -> None:
        """Opens the image tower now, so that worker threads do not wait for each other.

        Raises:
            BundleError: it is damaged.
        """
        with self._opening:
            _ = self._vision

    def encode_pixels(self, pixels: npt.NDArray[np.uint8]) -> ImageEncoding:
        """Embeddings and class logits of transformed images [n, side, side, 3].

        Raises:
            BundleError: the model is damaged.
        """
        if not len(pixels):
            return ImageEncoding(np.zeros((0, self.dim), dtype=np.float32), None)
        with self._opening:
            tower = self._vision
        feed: npt.NDArray[Any] = pixels
        if self.card.image.layout == "nchw-float":
            feed = ((pixels.astype(np.float32) - self._mean) / self._std).transpose(0, 3, 1, 2)
        outputs = tower.see(feed)
        grid = None if tower.grid is None else outputs[tower.grid]
        return ImageEncoding(self._unit(outputs, tower), self._logits(outputs, tower), grid)

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Unit rows [n, dim] of sentences.

        Raises:
            BundleError: the model is damaged.
        """
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not len(texts):
            return rows
        with self._opening:
            tower, tokenizer = self._text
        sentences = tokenizer.encode(texts)
        wanted = self.card.text
        # Sentences of like length share a batch, or most of it would be padding.
        order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
        for start in range(0, len(order), _CHUNK):
            chunk = order[start : start + _CHUNK]
            length = wanted.max_tokens if wanted.pad_to_max else None
            ids, mask = pad([sentences[index] for index in chunk], pad_id=wanted.pad_id, length=length)
            rows[chunk] = self._unit(tower.read(ids, mask), tower)
        return rows

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens of sentences are read, special ones included; what is cut off a long sentence is not.

        Raises:
            BundleError: the model is damaged.
        """
        with self._opening:
            _, tokenizer = self._text
        return sum(len(ids) for ids in tokenizer.encode(texts))

    def _unit(self, outputs: Sequence[npt.NDArray[Any]], tower: Tower) -> Embedding:
        rows = outputs[tower.embedding]
        if rows.ndim != 2 or rows.shape[1] != self.dim:
            raise BundleError(f"{tower.path}: gives vectors of shape {rows.shape}, the card says [n, {self.dim}]")
        return unit_rows(rows)

    def _logits(self, outputs: Sequence[npt.NDArray[Any]], tower: Tower) -> Embedding | None:
        if not self.bundle.has(CLASSES) or tower.logits is None:
            return None
        logits = outputs[tower.logits]
        if logits.shape != (len(logits), len(self.classes)):
            raise BundleError(f"{tower.path}: gives logits of shape {logits.shape} for {len(self.classes)} classes")
        return logits.astype(np.float32, copy=False)
