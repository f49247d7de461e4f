"""The one image transform: what a model sees in training is what it sees in use."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Transform"]

# How much larger than wanted the first, cheap box filter leaves an image; 3 cannot be told from none by eye.
_REDUCING_GAP = 3.0


@dataclass(frozen=True, slots=True)
class Transform:
    """Makes an RGB image a square of 8-bit pixels; normalisation is the first step of the model's graph.

    An image longer than ``max_aspect`` times its width is cropped, centred, to that ratio; what is left is squashed.

    Attributes:
        side: pixels of the square.
        max_aspect: 1 crops the centre square, infinity (the default) squashes the whole picture.
    """

    side: int
    max_aspect: float = math.inf

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"side is {self.side}: it must be at least 1")
        if not self.max_aspect >= 1.0:
            raise ValueError(f"max_aspect is {self.max_aspect}: it must be at least 1, or inf to squash")

    @property
    def min_side(self) -> int:
        """Length to which both sides of an image may be reduced beforehand: pixels then change by 0.4 of 255 levels."""
        return math.ceil(1.5 * self.side)

    def box(self, width: int, height: int) -> tuple[float, float, float, float]:
        """What is kept of an image: (left, top, right, bottom) in pixels."""
        longest = min(width, height) * self.max_aspect
        left = max(0.0, (width - longest) / 2)
        top = max(0.0, (height - longest) / 2)
        return left, top, width - left, height - top

    def __call__(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Pixels [side, side, 3], read-only, of an RGB image."""
        square = image.resize(
            (self.side, self.side),
            Image.Resampling.BICUBIC,
            box=self.box(*image.size),
            reducing_gap=_REDUCING_GAP,
        )
        return np.asarray(square, dtype=np.uint8)
