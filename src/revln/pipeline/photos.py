"""One photo on its way into a memory: read and encoded, then a row with its texts."""

from __future__ import annotations

from typing import NamedTuple

from revln.images import load_photo
from revln.models import BundleEncoder
from revln.store import Row
from revln.types import Candidate, Embedding, PhotoMeta

__all__ = ["EncodedPhoto", "encode_photo"]


class EncodedPhoto(NamedTuple):
    """A photo ready to be stored, without the pixels, of which too many would be in flight."""

    candidate: Candidate
    meta: PhotoMeta
    content_hash: str
    thumb: bytes
    vector: Embedding

    @property
    def texts(self) -> tuple[str, ...]:
        """Captions from outside the file, then the file's own."""
        own = self.meta.caption
        return tuple(dict.fromkeys((*self.candidate.texts, *([own] if own else []))))

    def row(self, text_vectors: Embedding) -> Row:
        """What is stored of it, with the vectors [texts, dim] of its texts."""
        return Row(
            self.candidate,
            self.texts,
            self.meta,
            self.content_hash,
            self.thumb,
            self.vector,
            text_vectors if len(text_vectors) else None,
        )


def encode_photo(candidate: Candidate, encoder: BundleEncoder) -> EncodedPhoto:
    """Reads and encodes a photo; safe in threads.

    Raises:
        ImageError: the file cannot be read.
    """
    photo = load_photo(candidate.path, encoder.transform)
    vector = encoder.encode_pixels(photo.pixels[None]).embeddings[0]
    return EncodedPhoto(candidate, photo.meta, photo.content_hash, photo.thumb, vector)
