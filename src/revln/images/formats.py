"""The image formats that are read, told apart by their first bytes.

Pillow's ``Image.open`` is not used on purpose: it would try some forty formats (one of which starts a PostScript
interpreter), and its own guard against bombs is a process-wide setting that warns below our limit and raises above
it without naming the size.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

__all__ = ["FORMATS", "IMAGE_SUFFIXES", "Format", "find_format", "quiet"]

_HEADER_BYTES = 64
_quiet_lock = threading.RLock()


@dataclass(frozen=True, slots=True)
class Format:
    """How one format is recognised and opened.

    Attributes:
        name: as people call it.
        suffixes: of its files, in lower case.
        signature: matches the first bytes.
        opener: reads the header only.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    opener: Callable[[BytesIO], ImageFile]


def _open_avif(stream: BytesIO) -> ImageFile:
    from PIL.AvifImagePlugin import AvifImageFile  # 40 ms to load, and few folders hold one

    return AvifImageFile(stream)


def _open_heif(stream: BytesIO) -> ImageFile:
    from pillow_heif import HeifImageFile  # 100 ms to load

    image: ImageFile = HeifImageFile(stream)  # type: ignore[no-untyped-call]
    return image


def _signature(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


FORMATS: tuple[Format, ...] = (
    # JpegImageFile reads the first picture of a multi-picture file (.mpo, most phones) as well.
    Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"), _signature(rb"\xff\xd8\xff"), JpegImageFile),
    Format("PNG", (".png", ".apng"), _signature(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    Format("WebP", (".webp",), _signature(rb"RIFF.{4}WEBP"), WebPImageFile),
    Format("GIF", (".gif",), _signature(rb"GIF8[79]a"), GifImageFile),
    Format("TIFF", (".tif", ".tiff"), _signature(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    # "BM" alone begins many a text; the size of the second header is one of a few.
    Format("BMP", (".bmp", ".dib"), _signature(rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0"), BmpImageFile),
    # Some AVIF files call themselves mif1 and name avif among the compatible brands only.
    Format("AVIF", (".avif",), _signature(rb".{4}ftyp(avi[fs]|m[is]f1.{4}(.{4})*?avi[fs])"), _open_avif),
    Format("HEIF", (".heic", ".heif", ".hif"), _signature(rb".{4}ftyp(hei[cxms]|hev[cxms]|m[is]f1)"), _open_heif),
)

IMAGE_SUFFIXES: frozenset[str] = frozenset(suffix for entry in FORMATS for suffix in entry.suffixes)


def find_format(data: bytes) -> Format | None:
    """The format that the first bytes tell of, whatever the file is called."""
    head = data[:_HEADER_BYTES]
    return next((entry for entry in FORMATS if entry.signature.match(head)), None)


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps Pillow's warnings about odd headers from the user, who is told of what matters by an error.

    The list of filters belongs to the process, so one thread at a time may change it: wrap the reading of headers
    and metadata, which holds the GIL anyway, and never the decoding.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif)\b")
        yield
