"""JPEGs of photos that are to leave the machine: no larger than needed, and pixels only."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from revln.images.thumbs import shrunk

__all__ = ["encode_jpeg"]

_QUALITY = 85


def encode_jpeg(image: Image.Image, side: int) -> bytes:
    """JPEG bytes of an RGB image whose longest side is at most ``side``; never enlarged, and without metadata."""
    bare = shrunk(image, side).copy()
    bare.info = {}  # Pillow writes comments, EXIF and profiles that it finds here
    stream = BytesIO()
    bare.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()
