"""From the bytes of an image file to upright RGB pixels, bounded in size and without silent damage."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from revln.errors import ImageError
from revln.images.color import to_rgb
from revln.images.files import read_file
from revln.images.formats import Format, find_format, quiet
from revln.images.metadata import read_exif

__all__ = ["PIXEL_LIMIT", "Decoded", "byte_limit", "decode_image", "open_image"]

PIXEL_LIMIT = 200_000_000
"""Pixels above which an image is refused: more than any camera takes, and 800 MB once decoded."""

# What Pillow's plugins raise on damaged files, found by cutting and altering files of every format.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)

_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = (5, 6, 7, 8)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded image file.

    Attributes:
        image: upright RGB pixels, reduced in scale if that was allowed.
        size: (width, height) of the whole picture, upright.
        header: the file as Pillow opened it, for its metadata.
    """

    image: Image.Image
    size: tuple[int, int]
    header: ImageFile


def byte_limit(pixel_limit: int) -> int:
    """Bytes above which a file is refused unread: uncompressed 16-bit RGBA at ``pixel_limit`` takes no more."""
    return 8 * pixel_limit + 2**20


def open_image(path: Path | str, *, pixel_limit: int = PIXEL_LIMIT, min_side: int | None = None) -> Image.Image:
    """Reads an image file as upright RGB.

    Args:
        path: the file; its content tells the format, its name does not.
        pixel_limit: pixels above which it is refused before anything is decoded.
        min_side: lets a JPEG be decoded at a reduced scale that keeps both sides at least this long.

    Raises:
        ImageError: the file cannot be read, or is damaged, too large or no image.
    """
    path = Path(path)
    data = read_file(path, limit=byte_limit(pixel_limit))
    return decode_image(data, name=path, pixel_limit=pixel_limit, min_side=min_side).image


def decode_image(
    data: bytes, *, name: object = "image", pixel_limit: int = PIXEL_LIMIT, min_side: int | None = None
) -> Decoded:
    """Decodes the content of an image file; of an animation, the first frame.

    EXIF orientation is applied and transparency put on white.

    Args:
        data: the whole file.
        name: what errors call it.
        pixel_limit: see ``open_image``.
        min_side: see ``open_image``.

    Raises:
        ImageError: ``data`` is damaged, too large or no image.
    """
    kind = find_format(data)
    if kind is None:
        raise ImageError(name, "not an image" if data else "empty file")
    header = _open_header(data, kind, name)
    width, height = header.size
    if width * height > pixel_limit:
        raise ImageError(name, f"{width} x {height} pixels are over the limit of {_millions(pixel_limit)}")
    if min_side is not None and isinstance(header, JpegImageFile):
        header.draft(None, (min_side, min_side))
    image = _load(header, kind, name)
    orientation = read_exif(header).get(ExifTags.Base.Orientation)
    if orientation in _TRANSPOSE:
        image = image.transpose(_TRANSPOSE[orientation])
    if orientation in _SWAPS_SIDES:
        width, height = height, width
    return Decoded(image, (width, height), header)


def _open_header(data: bytes, kind: Format, name: object) -> ImageFile:
    try:
        with quiet():
            header = kind.opener(BytesIO(data))
    except Image.DecompressionBombError as error:
        raise ImageError(name, "more pixels than the decoder allows") from error
    except MemoryError as error:
        raise ImageError(name, "not enough memory") from error
    except _DAMAGE as error:
        raise ImageError(name, f"truncated or damaged {kind.name} header") from error
    if isinstance(header, TiffImageFile):
        read_exif(header)  # loading does so too, and would warn where warnings are not held back
    if isinstance(header, JpegImageFile) and _is_zero_filled(data, header):
        raise ImageError(name, "truncated")
    return header


def _is_zero_filled(data: bytes, header: JpegImageFile) -> bool:
    """Whether the end was never written, as in an interrupted copy: libjpeg would paint it grey without a word.

    An end marker cannot occur within the compressed pixels, and one before them belongs to an embedded preview.
    """
    pixels = header.fp.tell() if header.fp else 0
    return data.endswith(bytes(8)) and data.rfind(b"\xff\xd9", pixels) < 0


def _load(header: ImageFile, kind: Format, name: object) -> Image.Image:
    try:
        header.load()
        return to_rgb(header)
    except Image.DecompressionBombError as error:
        raise ImageError(name, "more pixels than the decoder allows") from error
    except MemoryError as error:
        raise ImageError(name, "not enough memory") from error
    except _DAMAGE as error:
        reason = "truncated" if "truncated" in str(error).lower() else f"truncated or damaged {kind.name} data"
        raise ImageError(name, reason) from error


def _millions(pixels: int) -> str:
    return f"{pixels // 10**6} million" if pixels % 10**6 == 0 else f"{pixels:,}"
