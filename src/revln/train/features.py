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

__all__ = ["Augmentation", "Features", "Trunk", "cached_features"]

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
    def of_view(cls, name: str, view: int) -> Augmentation:
        """The same for the same photo's name and view."""
        rng = random.Random(f"{name} {view}")
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


def cached_features(
    paths: Sequence[Path],
    variant: str,
    transform: Transform,
    view: int,
    cache: Path,
    progress: Progress,
    blocks: int = 0,
) -> Features:
    """Features of photos; read from ``cache`` where the same photos were seen before.

    Args:
        paths: the photos.
        variant: of EfficientNet-Lite.
        transform: from image to pixels.
        view: 0 for the photos as they are, another number for that augmentation of them.
        cache: directory of the cache.
        progress: told of the photos done.
        blocks: of the CNN that are trained, counted from its end.
    """
    key = hashlib.blake2b(repr((variant, transform, view, _AUGMENTATION if view else 0)).encode(), digest_size=12)
    for path in paths:
        stat = path.stat()
        key.update(repr((path.name, stat.st_size, stat.st_mtime_ns)).encode())
    file = cache / f"{key.hexdigest()}.npy"
    compute = partial(_compute, paths, variant, transform, view, progress)
    if not blocks:
        return Features(torch.from_numpy(cached_array(file, lambda: compute(None))), None)
    maps = cached_array(cache / f"{key.hexdigest()}-{blocks}.npy", lambda: compute(blocks))
    # Of the maps, not of the pixels: the CNN from there on takes a fifth of the time.
    return Features(
        torch.from_numpy(cached_array(file, lambda: _pooled(maps, variant, blocks))), torch.from_numpy(maps)
    )


class Trunk(nn.Module):
    """The CNN from uint8 pixels [n, side, side, 3] to pooled features [n, 1280], or to what its last blocks take."""

    def __init__(self, variant: str, blocks: int | None = None) -> None:
        super().__init__()
        self.trunk = efficientnet.load_pretrained(variant)
        self.blocks = blocks

    def forward(self, pixels: Tensor) -> Tensor:
        scaled = (pixels.permute(0, 3, 1, 2).float() - efficientnet.PIXEL_MEAN) / efficientnet.PIXEL_STD
        features: Tensor = self.trunk(scaled) if self.blocks is None else self.trunk.below(scaled, self.blocks)
        return features


def _compute(
    paths: Sequence[Path], variant: str, transform: Transform, view: int, progress: Progress, blocks: int | None
) -> npt.NDArray[Any]:
    # ONNX Runtime is several times faster than eager torch on a CPU, most of all with one stream of work a core.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trunk.onnx"
        example = torch.zeros(1, transform.side, transform.side, 3, dtype=torch.uint8)
        export_onnx(Trunk(variant, blocks).eval(), {"pixels": example}, ["features"], file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

        def features_of(path: Path) -> npt.NDArray[Any]:
            image = open_image(path)
            if view:
                image = Augmentation.of_view(path.name, view)(image)
            features: npt.NDArray[Any] = session.run(None, {"pixels": transform(image)[None]})[0][0]
            progress.advance()
            return features if blocks is None else features.astype(np.float16)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack(list(pool.map(features_of, paths)))


@torch.inference_mode()
def _pooled(maps: npt.NDArray[np.float16], variant: str, blocks: int) -> npt.NDArray[np.float32]:
    top = efficientnet.Top(efficientnet.load_pretrained(variant), blocks)
    parts = [top.pooled(torch.from_numpy(maps[start : start + _CHUNK])) for start in range(0, len(maps), _CHUNK)]
    return torch.cat(parts).numpy()
