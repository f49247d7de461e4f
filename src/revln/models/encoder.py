"""The two towers of a bundle, run by ONNX Runtime."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime

from revln.errors import BundleError
from revln.images import Transform
from revln.models.bundle import CLASSES, TEXT, TOKENIZER, VISION, Bundle
from revln.models.calibration import BackgroundCalibration
from revln.text import SentenceTokenizer, pad
from revln.types import Embedding, ImageEncoding

__all__ = ["BundleEncoder", "cores", "open_session"]

_CHUNK = 64


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    """A session on the CPU that uses ``threads`` threads and keeps no memory of past sizes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except RuntimeError as error:  # all of ONNX Runtime's own errors derive from it
        reason = str(error).splitlines()[0]
        raise BundleError(f"{path}: ONNX Runtime cannot load it: {reason}") from error


class BundleEncoder:
    """Encodes images and texts with a bundle. Sessions open at first use; safe in threads.

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
    def classes(self) -> list[list[str]]:
        """Names of the classes that ``ImageEncoding.logits`` are about."""
        return self.bundle.classes()

    @cached_property
    def _vision(self) -> onnxruntime.InferenceSession:
        return open_session(self.bundle.file(VISION), threads=1)

    @cached_property
    def _text(self) -> tuple[onnxruntime.InferenceSession, SentenceTokenizer]:
        tokenizer = SentenceTokenizer(self.bundle.file(TOKENIZER), self.card.text.max_tokens)
        return open_session(self.bundle.file(TEXT), threads=1), tokenizer

    def warm_up(self) -> None:
        """Opens the image session now, so that worker threads do not race for it."""
        with self._opening:
            _ = self._vision

    def encode_pixels(self, pixels: npt.NDArray[np.uint8]) -> ImageEncoding:
        """Embeddings and class logits of transformed images [n, side, side, 3]."""
        with self._opening:
            session = self._vision
        feed: npt.NDArray[Any] = pixels
        if self.card.image.layout == "nchw-float":
            feed = ((pixels.astype(np.float32) - self._mean) / self._std).transpose(0, 3, 1, 2)
        outputs = session.run(None, {session.get_inputs()[0].name: feed})
        logits = outputs[1] if len(outputs) > 1 and self.bundle.has(CLASSES) else None
        return ImageEncoding(_unit(outputs[self._output(session)]), logits)

    def encode_texts(self, texts: Sequence[str]) -> Embedding:
        """Unit rows [n, dim] of sentences."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        if not len(texts):
            return rows
        with self._opening:
            session, tokenizer = self._text
        sentences = tokenizer.encode(texts)
        # Sentences of like length share a batch, or most of it would be padding.
        order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
        for start in range(0, len(order), _CHUNK):
            chunk = order[start : start + _CHUNK]
            rows[chunk] = self._run_text(session, [sentences[index] for index in chunk])
        return rows

    def _run_text(self, session: onnxruntime.InferenceSession, sentences: Sequence[Sequence[int]]) -> Embedding:
        ids, mask = pad(sentences)
        if self.card.text.pad_to_max:
            missing = self.card.text.max_tokens - ids.shape[1]
            ids, mask = (np.pad(array, ((0, 0), (0, missing))) for array in (ids, mask))
        feeds = {}
        for value, array in zip(session.get_inputs(), (ids, mask), strict=False):
            feeds[value.name] = array.astype(np.int32 if value.type == "tensor(int32)" else np.int64)
        return _unit(session.run(None, feeds)[self._output(session)])

    @staticmethod
    def _output(session: onnxruntime.InferenceSession) -> int:
        """Which output is the embedding: the first whose name says so, else the first."""
        names = [output.name for output in session.get_outputs()]
        return next((index for index, name in enumerate(names) if "embed" in name), 0)


def _unit(rows: npt.NDArray[Any]) -> Embedding:
    rows = rows.astype(np.float32, copy=False)
    unit: Embedding = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
