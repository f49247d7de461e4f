from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from revln.images import Transform


def test_square_of_its_side_stays_as_it_is():
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for max_aspect in (1.0, 1.5, math.inf):
        np.testing.assert_array_equal(Transform(32, max_aspect)(Image.fromarray(pixels)), pixels)


@pytest.mark.parametrize(
    ("max_aspect", "box"),
    [(1.0, (100, 0, 300, 200)), (1.5, (50, 0, 350, 200)), (2.0, (0, 0, 400, 200)), (math.inf, (0, 0, 400, 200))],
)
def test_box(max_aspect, box):
    transform = Transform(8, max_aspect)
    assert transform.box(400, 200) == box
    assert transform.box(200, 400) == (box[1], box[0], box[3], box[2])


def test_crop_sees_the_centre_and_squash_everything(picture):
    thirds = Image.new("RGB", (90, 30), "white")
    thirds.paste((0, 0, 0), (30, 0, 60, 30))
    assert Transform(16, 1.0)(thirds).max() < 32  # the filter looks one pixel over the edge
    squashed = Transform(16)(thirds)
    assert squashed.shape == (16, 16, 3)
    assert squashed.dtype == np.uint8
    assert squashed[8, 0].min() == squashed[8, 15].min() == 255
    assert squashed[8, 8].max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (999, 1), (3, 7)])
@pytest.mark.parametrize("max_aspect", [1.0, 1.3, math.inf])
def test_any_size(size, max_aspect):
    image = Image.new("RGB", size, (10, 20, 30))
    assert (Transform(16, max_aspect)(image) == (10, 20, 30)).all()


@pytest.mark.parametrize("arguments", [(0,), (-1,), (8, 0.5), (8, math.nan)])
def test_bad_arguments(arguments):
    with pytest.raises(ValueError, match="must be at least 1"):
        Transform(*arguments)


def test_is_a_value():
    assert Transform(224) == Transform(224, math.inf)
    assert len({Transform(8), Transform(8), Transform(9)}) == 2
