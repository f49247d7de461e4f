"""One ONNX file of a bundle, run by ONNX Runtime: which of its inputs and outputs are what is told by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi import onnxruntime_pybind11_state

from revln.errors import BundleError

__all__ = ["Tower", "open_session", "run_session"]

Array = npt.NDArray[Any]

# ONNX Runtime's errors have no base of their own below ``Exception``; a missing input is a ValueError.
_FAILURES: tuple[type[Exception], ...] = (
    RuntimeError,
    ValueError,
    *(
        error
        for error in vars(onnxruntime_pybind11_state).values()
        if isinstance(error, type) and issubclass(error, Exception)
    ),
)

_TYPES: Mapping[str, npt.DTypeLike] = {
    "tensor(bool)": np.bool_,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
}

# What a text tower's inputs are called in exports of CLIP, SigLIP and BERT; the one that fits none is the token ids.
_TEXT_INPUTS: Mapping[str, Callable[[Array, Array], Array]] = {
    "mask": lambda ids, mask: mask,
    "type": lambda ids, mask: np.zeros_like(ids),
    "position": lambda ids, mask: np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
}


def open_session(path: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """A session on the CPU that keeps no memory of past sizes.

    Raises:
        BundleError: ONNX Runtime cannot load the file.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised, and need not be printed too
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _FAILURES as error:
        raise BundleError(f"{path}: ONNX Runtime cannot load it: {_first_line(error)}") from error


def run_session(session: onnxruntime.InferenceSession, path: Path, feeds: Mapping[str, Array]) -> list[Array]:
    """All outputs for inputs by name.

    Raises:
        BundleError: ONNX Runtime cannot run the file at ``path``, which the session is of.
    """
    try:
        return list(session.run(None, dict(feeds)))
    except _FAILURES as error:
        raise BundleError(f"{path}: ONNX Runtime cannot run it: {_first_line(error)}") from error


class Tower:
    """A session on one core of the CPU, safe in threads.

    Attributes:
        path: the file.

    Args:
        path: the file.

    Raises:
        BundleError: ONNX Runtime cannot load it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._session = open_session(path)
        self._inputs = {value.name: value for value in self._session.get_inputs()}
        self._outputs = self._session.get_outputs()
        # Exports without a dynamic batch take one image or sentence at a time.
        self._one_by_one = any(value.shape and value.shape[0] == 1 for value in self._inputs.values())

    @property
    def pixels(self) -> Any:
        """The input that takes the images: ``name``, ``type`` and ``shape``.

        Raises:
            BundleError: no input has four dimensions, or there are others beside it.
        """
        images = [value for value in self._inputs.values() if len(value.shape) == 4]
        if not images or len(self._inputs) > 1:
            raise BundleError(
                f"{self.path}: takes {self._described_inputs()}: an image tower has one input, of four dimensions"
            )
        return images[0]

    @property
    def ids(self) -> Any:
        """The input that takes the token ids: ``name``, ``type`` and ``shape``.

        Raises:
            BundleError: it cannot be told from the others.
        """
        candidates = [value for name, value in self._inputs.items() if _text_role(name) is None]
        if len(candidates) != 1 or len(candidates[0].shape) != 2:
            raise BundleError(
                f"{self.path}: takes {self._described_inputs()}: a text tower has one input for the token ids, of two "
                "dimensions, and may have others named after mask, type and position"
            )
        return candidates[0]

    @property
    def masked(self) -> bool:
        """Whether a text tower is told what is padding."""
        return any(_text_role(name) == "mask" for name in self._inputs)

    @property
    def embedding(self) -> int:
        """Place of the output with one vector a row: the one that is named so, else the first.

        Raises:
            BundleError: no output has two dimensions.
        """
        # A shape of no length is one that the file does not tell.
        rows = [place for place, value in enumerate(self._outputs) if len(value.shape) in {0, 2}]
        if not rows:
            shapes = ", ".join(f"{value.name} {value.shape}" for value in self._outputs)
            raise BundleError(
                f"{self.path}: gives {shapes}, none of which is one vector a row: export it with its projection"
            )
        return next((place for place in rows if "embed" in self._outputs[place].name.lower()), rows[0])

    @property
    def logits(self) -> int | None:
        """Place of the output with class logits: the one that is named so, else the first beside the embedding."""
        others = [place for place in range(len(self._outputs)) if place not in {self.embedding, self.grid}]
        named = (place for place in others if "logit" in self._outputs[place].name.lower())
        return next(named, others[0] if others else None)

    @property
    def grid(self) -> int | None:
        """Place of the output with a grid of vectors [n, places, channels], if there is one."""
        names = [value.name.lower() for value in self._outputs]
        return next((place for place, name in enumerate(names) if name == "grid"), None)

    def see(self, pixels: Array) -> list[Array]:
        """All outputs for images in the layout that the file takes."""
        return self._run({self.pixels.name: pixels})

    def read(self, ids: Array, mask: Array) -> list[Array]:
        """All outputs for token ids [n, t] and their mask [n, t]."""
        feeds = {}
        for name in self._inputs:
            role = _text_role(name)
            feeds[name] = ids if role is None else _TEXT_INPUTS[role](ids, mask)
        _ = self.ids  # refuses a file whose inputs cannot be told apart
        return self._run(feeds)

    def _run(self, feeds: Mapping[str, Array]) -> list[Array]:
        typed = {name: array.astype(self._dtype(name), copy=False) for name, array in feeds.items()}
        rows = len(next(iter(typed.values())))
        if not self._one_by_one or rows == 1:
            return run_session(self._session, self.path, typed)
        single = [{name: array[row : row + 1] for name, array in typed.items()} for row in range(rows)]
        outputs = (run_session(self._session, self.path, one) for one in single)
        return [np.concatenate(parts) for parts in zip(*outputs, strict=True)]

    def _dtype(self, name: str) -> npt.DTypeLike:
        wanted = self._inputs[name].type
        if wanted not in _TYPES:
            raise BundleError(f"{self.path}: its input {name} is a {wanted}: choose from {', '.join(_TYPES)}")
        return _TYPES[wanted]

    def _described_inputs(self) -> str:
        return ", ".join(f"{value.name} {value.shape}" for value in self._inputs.values()) or "nothing"


def _text_role(name: str) -> str | None:
    return next((role for role in _TEXT_INPUTS if role in name.lower()), None)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
