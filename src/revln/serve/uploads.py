"""Photos that come in a request: what is let in, and where those that are taught are kept."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from revln.errors import MemoryStoreError
from revln.images import Decoded, content_hash, decode_image, os_reason
from revln.images.formats import FORMATS, Format, find_format
from revln.serve.errors import ApiError

__all__ = ["decode_upload", "keep_upload", "media_type"]

_NAMES = ", ".join(entry.name for entry in FORMATS)


def decode_upload(data: bytes, pixels: int, *, min_side: int | None = None) -> Decoded:
    """Decodes an image that was uploaded.

    Args:
        data: the whole file.
        pixels: above which it is refused before anything is decoded.
        min_side: see ``decode_image``.

    Raises:
        ApiError: it is no image.
        ImageError: it is damaged, or has too many pixels.
    """
    _format_of(data)
    return decode_image(data, name="the upload", pixel_limit=pixels, min_side=min_side)


def keep_upload(data: bytes, folder: Path, pixels: int) -> tuple[Path, bool]:
    """Keeps an image in a file named after its content; where it is, and whether it is new there.

    Nothing that the client says becomes part of the name, and nothing that is no image is written.

    Args:
        data: the whole file.
        folder: made when it is missing, for its owner alone.
        pixels: see ``decode_upload``.

    Raises:
        ApiError: it is no image.
        ImageError: it is damaged, or has too many pixels.
        MemoryStoreError: the file cannot be written.
    """
    kind = _format_of(data)
    decode_upload(data, pixels)
    path = folder.absolute() / f"{content_hash(data)}{kind.suffixes[0]}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.exists():
            return path, False
        handle, draft = tempfile.mkstemp(prefix=".", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(draft).unlink()
            raise
    except OSError as error:
        raise MemoryStoreError(f"the upload cannot be kept: {os_reason(error)}: see --uploads") from error
    return path, True


def media_type(data: bytes) -> str | None:
    """The media type of an image, as its bytes tell; ``None`` for what is none."""
    kind = find_format(data)
    return None if kind is None else f"image/{kind.name.lower()}"


def _format_of(data: bytes) -> Format:
    kind = find_format(data)
    if kind is None:
        raise ApiError(415, "not_an_image", "what was sent is no image", f"send one of {_NAMES}")
    return kind
