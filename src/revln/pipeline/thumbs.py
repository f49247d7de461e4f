"""Looking at the small images that a memory keeps of photos."""

from __future__ import annotations

from revln.errors import ImageError
from revln.images import decode_thumb
from revln.models import Model
from revln.types import ImageEncoding

__all__ = ["look_at_thumb"]


def look_at_thumb(thumb: bytes, model: Model) -> ImageEncoding | None:
    """The encoding of a photo's small image; None where that is damaged."""
    try:
        return model.encoder.encode_pixels(model.encoder.transform(decode_thumb(thumb))[None])
    except ImageError:
        return None
