"""All that indexing wants of a photo, from one read and one decode."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from revln.images.decode import PIXEL_LIMIT, byte_limit, decode_image
from revln.images.files import read_file
from revln.images.metadata import read_meta
from revln.images.thumbs import THUMB_SIDE, encode_thumb
from revln.images.transform import Transform
from revln.types import PhotoMeta

__all__ = ["LoadedPhoto", "content_hash", "load_photo"]


@dataclass(frozen=True, slots=True)
class LoadedPhoto:
    """A photo ready to be encoded and stored.

    Attributes:
        pixels: [side, side, 3], read-only.
        thumb: WebP bytes.
        meta: what the file says about itself.
        content_hash: see ``content_hash``.
    """

    pixels: npt.NDArray[np.uint8]
    thumb: bytes
    meta: PhotoMeta
    content_hash: str


def content_hash(data: bytes) -> str:
    """32 hex digits over a file's bytes; equal for true duplicates only."""
    # Processors compute SHA-256 themselves: half the time of BLAKE2 on a camera's files.
    return hashlib.sha256(data).hexdigest()[:32]


def load_photo(
    path: Path | str, transform: Transform, *, data: bytes | None = None, pixel_limit: int = PIXEL_LIMIT
) -> LoadedPhoto:
    """Reads, hashes, decodes, transforms and shrinks a photo; safe in threads, which the costly parts let run.

    Args:
        path: the file; what errors call it.
        transform: makes the pixels.
        data: content of the file where there is no such file, as of a member of an archive.
        pixel_limit: pixels above which it is refused before anything is decoded.

    Raises:
        ImageError: the file cannot be read, or is damaged, too large or no image.
    """
    if data is None:
        data = read_file(Path(path), limit=byte_limit(pixel_limit))
    min_side = max(transform.min_side, THUMB_SIDE)
    decoded = decode_image(data, name=path, pixel_limit=pixel_limit, min_side=min_side)
    return LoadedPhoto(
        pixels=transform(decoded.image),
        thumb=encode_thumb(decoded.image),
        meta=read_meta(decoded.header, decoded.size),
        content_hash=content_hash(data),
    )
