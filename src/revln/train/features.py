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
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from PIL import Image, ImageEnhance

from revln.images import Transform, open_image
from revln.train import efficientnet
from revln.train.cache import cached_array
from revln.train.onnx_files import export_onnx
from revln.train.progress import Progress

__all__ = ["Augmentation", "PooledTrunk", "cached_features"]

_AUGMENTATION = 1  # part of the cache's key: raise it when ``Augmentation`` changes


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


def cached_features(
    paths: Sequence[Path], variant: str, transform: Transform, view: int, cache: Path, progress: Progress
) -> npt.NDArray[np.float32]:
    """Pooled features [n, 1280] of photos; read from ``cache`` where the same photos were seen before.

    Args:
        paths: the photos.
        variant: of EfficientNet-Lite.
        transform: from image to pixels.
        view: 0 for the photos as they are, another number for that augmentation of them.
        cache: directory of the cache.
        progress: told of the photos done.
    """
    key = hashlib.blake2b(repr((variant, transform, view, _AUGMENTATION if view else 0)).encode(), digest_size=12)
    for path in paths:
        stat = path.stat()
        key.update(repr((path.name, stat.st_size, stat.st_mtime_ns)).encode())
    file = cache / f"{key.hexdigest()}.npy"
    return cached_array(file, lambda: _compute(paths, variant, transform, view, progress))


class PooledTrunk(torch.nn.Module):
    """The CNN from uint8 pixels [n, side, side, 3] to pooled features [n, 1280]."""

    def __init__(self, variant: str) -> None:
        super().__init__()
        self.trunk = efficientnet.load_pretrained(variant)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        scaled = (pixels.permute(0, 3, 1, 2).float() - efficientnet.PIXEL_MEAN) / efficientnet.PIXEL_STD
        features: torch.Tensor = self.trunk(scaled)
        return features


def _compute(
    paths: Sequence[Path], variant: str, transform: Transform, view: int, progress: Progress
) -> npt.NDArray[np.float32]:
    # ONNX Runtime is several times faster than eager torch on a CPU, most of all with one stream of work a core.
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "trunk.onnx"
        example = torch.zeros(1, transform.side, transform.side, 3, dtype=torch.uint8)
        export_onnx(PooledTrunk(variant).eval(), {"pixels": example}, ["features"], file)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])

        def features_of(path: Path) -> npt.NDArray[np.float32]:
            image = open_image(path)
            if view:
                image = Augmentation.of_view(path.name, view)(image)
            features: npt.NDArray[np.float32] = session.run(None, {"pixels": transform(image)[None]})[0][0]
            progress.advance()
            return features

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.stack(list(pool.map(features_of, paths)))
