from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import pytest
from PIL import Image

Encode = Callable[..., bytes]


@pytest.fixture
def picture() -> Image.Image:
    """60 x 40: the left half red, the right half blue, so that turning and mirroring show."""
    image = Image.new("RGB", (60, 40), (250, 0, 0))
    image.paste((0, 0, 250), (30, 0, 60, 40))
    return image


@pytest.fixture
def encode() -> Encode:
    def encode(image: Image.Image, kind: str, **options: object) -> bytes:
        stream = BytesIO()
        image.save(stream, kind, **options)
        return stream.getvalue()

    return encode
