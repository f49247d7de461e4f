"""Frozen CNN features of training photos, computed once and cached on disk."""

from __future__ import annotations

import hashlib
import math
import os
import random
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn

from revln.images import Transform, open_image
from revln.train import efficientnet
from revln.train.cache import cached_array
from revln.train.onnx_files import export_onnx
from revln.train.progress import Progress

__all__ = ["Augmentation", "Features", "Trunk", "cached_features", "cached_inputs"]

_AUGMENTATION = 1  # part of the cache's key: raise it when ``Augmentation`` changes
_CHUNK = 128


@dataclass(frozen=True, slots=True)
class Augmentation:
    """A random crop of at least half the area, flipped half of the time, with other light.

    Attributes:
        area: share of the image that is kept.
        stretch: factor of the aspect ratio's root.
        left: where the crop begins, as a share of the room that it has.
        top: likewise.
        mirrored: whether left and right change places.
        light: factors of brightness, contrast and colour.
    """

    area: float
    stretch: float
    left: float
    top: float
    mirrored: bool
    light: tuple[float, float, float]

    @classmethod
    def of_view(cls, photo: Path, view: int) -> Augmentation:
        """The same for photos of one file name, wherever they lie, and the same view."""
        rng = random.Random(f"{photo.name} {view}")
        area, stretch = rng.uniform(0.5, 1.0), math.exp(rng.uniform(-0.29, 0.29) / 2)
        left, top, mirrored = rng.random(), rng.random(), rng.random() < 0.5
        light = (rng.uniform(0.75, 1.25), rng.uniform(0.75, 1.25), rng.uniform(0.75, 1.25))
        return cls(area, stretch, left, top, mirrored, light)

    def __call__(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        crop_width = min(width, width * math.sqrt(self.area) * self.stretch)
        crop_height = min(height, height * math.sqrt(self.area) / self.stretch)
        left, top = self.left * (width - crop_width), self.top * (height - crop_height)
        box = (left, top, left + crop_width, top + crop_height)
        image = image.resize(image.size, Image.Resampling.BICUBIC, box=box)
        if self.mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        for enhancer, factor in zip(
            (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color), self.light, strict=True
        ):
            image = enhancer(image).enhance(factor)
        return image


@dataclass(frozen=True, slots=True)
class Features:
    """What the frozen part of a CNN says of photos.

    Attributes:
        pooled: pooled features [n, 1280] of the CNN as it is packaged.
        maps: what its last blocks take [n, c, h, w], float16; ``None`` where no block is trained.
    """

    pooled: Tensor
    maps: Tensor | None

    @property
    def inputs(self) -> Tensor:
        """What training starts from."""
        return self.pooled if self.maps is None else self.maps


class Trunk(nn.Module):
    """A CNN from uint8 pixels [n, side, side, 3] to pooled features [n, 1280], or to what its last blocks take.

    Args:
        cnn: the CNN.
        key: tells it from others, for the cache.
        blocks: how many blocks are left for training, counted from the end; 0 for none, and pooled features.
        grid: give the map that the last convolution takes, also when no block is left.
    """

    def __init__(self, cnn: efficientnet.EfficientNetLite, key: str, blocks: int = 0, *, grid: bool = False) -> None:
        super().__init__()
        self.cnn, self.key, self.blocks = cnn, key, blocks
        self.gives_maps = grid or blocks > 0

    def forward(self, pixels: Tensor) -> Tensor:
        scaled = efficientnet.scaled(pixels)
        features: Tensor = self.cnn.below(scaled, self.blocks) if self.gives_maps else self.cnn(scaled)
        return features

    @torch.inference_mode()
    def pooled(self, maps: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
        """Pooled features [n, 1280] of what the last blocks take."""
        top = efficientnet.Top(self.cnn, self.blocks)
        parts = [top.pooled(torch.from_numpy(maps[start : start + _CHUNK])) for start in range(0, len(maps), _CHUNK)]
        return torch.cat(parts).numpy()


def cached_inputs(
    paths: Sequence[Path], trunk: Trunk, transform: Transform, view: int, cache: Path, progress: Progress
) -> Tensor:
    """What a trunk gives for photos; read from ``cache`` where the same photos were seen before.

    Args:
        paths: the photos.
        trunk: the frozen part of the CNN.
        transform: from image to pixels.
        view: 0 for the photos as they are, another number for that augmentation of them.
        cache: directory of the cache.
        progress: told of the photos done.
    """
    compute = partial(_compute, paths, trunk, transform, view, progress)
    blocks = f"-{trunk.blocks}" if trunk.gives_maps else ""
    return torch.from_numpy(cached_array(cache / f"{_key(paths, trunk, transform, view)}{blocks}.npy", compute))


def cached_features(
    paths: Sequence[Path], trunk: Trunk, transform: Transform, view: int, cache: Path, progress: Progress
) -> Features:
    """The same with the pooled features of the whole CNN; arguments as of ``cached_inputs``."""
    inputs = cached_inputs(paths, trunk, transform, view, cache, progress)
    if not trunk.gives_maps:
        return Features(inputs, None)
    # Of the maps, not of the pixels: the CNN from there on takes a fifth of the time.
    file = cache / f"{_key(paths, trunk, transform, view)}.npy"
    return Features(torch.from_numpy(cached_array(file, lambda: trunk.pooled(inputs.numpy()))), inputs)


def _key(paths: Sequence[Path], trunk: Trunk, transform: Transform, view: int) -> str:
    key = hashlib.blake2b(repr((trunk.key, transform, view, _AUGMENTATION if view else 0)).encode(), digest_size=12)
    for path in paths:
        stat = path.stat()
        key.update(repr((path.name, stat.st_size, stat.st_mtime_ns)).encode())
    return key.hexdigest()


def _compute(
    paths: Sequence[Path], trunk: Trunk, transform: Transform, view: int, progress: Progress
) -> npt.NDArray[Any]:
    # ONNX Runtime is several times faster than eager torch on a CPU, most of all with one stream of work a core.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trunk.onnx"
        example = torch.zeros(1, transform.side, transform.side, 3, dtype=torch.uint8)
        export_onnx(trunk.eval(), {"pixels": example}, ["features"], file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        kind = np.float16 if trunk.gives_maps else np.float32

        def features_of(path: Path) -> npt.NDArray[Any]:
            image = open_image(path)
            if view:
                image = Augmentation.of_view(path, view)(image)
            features: npt.NDArray[Any] = session.run(None, {"pixels": transform(image)[None]})[0][0]
            progress.advance()
            return features.astype(kind)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack(list(pool.map(features_of, paths)))
