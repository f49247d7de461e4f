"""The generator as the two graphs that inference runs: one looks at an image and its memory, one says next words."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from revln.models.generator import LOOK_INPUTS, SAID, SAY_INPUTS, SEEN
from revln.train.decoder import Context
from revln.train.generator import Generator, Recalled, Seen
from revln.train.onnx_files import Precision, export_onnx, store_weights

__all__ = ["write_generator"]


class _Look(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, grid: Tensor, whole: Tensor, words: Tensor, likenesses: Tensor) -> tuple[Tensor, ...]:
        seen = self.generator.look(grid, whole, Recalled(words, likenesses))
        return (*seen.context, seen.copied, seen.copy_keys, seen.copy_bias, seen.shares)


class _Say(nn.Module):
    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, ids: Tensor, past: Tensor, *seen: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.generator(ids, past, Seen(Context(*seen[:3]), *seen[3:])))


def write_generator(generator: Generator, look: Path, say: Path, precision: Precision) -> None:
    """Writes both graphs.

    Args:
        generator: in evaluation mode.
        look: file of the graph that looks.
        say: file of the graph that says.
        precision: how the weights are stored.
    """
    places, channels = generator.places.shape[0], generator.grid_width
    words = torch.ones(2, 3, 5, dtype=torch.int64)
    given = (
        torch.zeros(2, places, channels),
        torch.zeros(2, generator.whole.in_features),
        words,
        torch.zeros(2, 3, len(generator.sharpness)),
    )
    rows: dict[str, dict[int, str]] = {"grid": {0: "n"}, "whole": {0: "n"}, "likenesses": {0: "n", 1: "k"}}
    rows["words"] = {0: "n", 1: "k", 2: "w"}
    seen_axes: dict[str, dict[int, str]] = {
        "keys": {1: "n", 3: "s"},
        "values": {1: "n", 3: "s"},
        "bias": {0: "n", 1: "s"},
        "copied": {0: "n", 1: "c"},
        "copy_keys": {0: "n", 1: "c"},
        "copy_bias": {0: "n", 1: "c"},
        "shares": {0: "n", 1: "k"},
    }
    with torch.no_grad():
        tensors = _Look(generator)(*given)
    export_onnx(_Look(generator), dict(zip(LOOK_INPUTS, given, strict=True)), SEEN, look, axes=rows | seen_axes)
    ids = torch.ones(4, 2, dtype=torch.int64)
    past = generator.decoder.no_past(4)
    with torch.no_grad():
        past = _Say(generator)(ids, past, *tensors)[1]
    example = dict(zip(SAY_INPUTS, (ids, past, *tensors), strict=True))
    said_axes: dict[str, dict[int, str]] = {
        "ids": {0: "m", 1: "t"},
        "past": {2: "m", 4: "p"},
        "log_probabilities": {0: "m", 1: "t"},
        "past_after": {2: "m", 4: "q"},
        "looked": {0: "m", 1: "t", 2: "s"},
    }
    export_onnx(_Say(generator), example, SAID, say, axes=seen_axes | said_axes)
    for path in (look, say):
        store_weights(path, precision)
