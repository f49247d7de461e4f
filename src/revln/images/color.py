"""Every mode that Pillow decodes to, as 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

__all__ = ["to_rgb"]

_PREMULTIPLIED = {"RGBa": "RGBA", "La": "LA"}


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts any image to RGB; transparency is put on white, 16-bit and float greys are scaled to 8 bits.

    An image that is RGB already is returned as it is, not copied.

    Raises:
        ValueError: a mode that Pillow has no conversion for.
    """
    if image.mode.startswith(("I", "F")):
        image = _grey(image)
    if image.has_transparency_data:
        return _on_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[image.mode])
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(rgba, mask=rgba.getchannel("A"))
    return white


def _grey(image: Image.Image) -> Image.Image:
    """8-bit grey from 16-bit, 32-bit and float; Pillow's own conversion clips them to white."""
    values = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Image.fromarray((values >> 8).astype(np.uint8))
    floats = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(floats.max())
    # Neither mode says what its white is: 1 for floats, else the narrowest of 8 and 16 bits that holds the peak.
    if image.mode == "F" and peak <= 1.0:
        white = 1.0
    else:
        white = next((limit for limit in (255.0, 65535.0) if peak <= limit), peak)
    return Image.fromarray((floats.clip(0.0, white) * (255.0 / white)).astype(np.uint8))
