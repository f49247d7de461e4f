"""One record on its way into a memory: read and encoded, completed by what is known, then a row with its texts."""

from __future__ import annotations

from dataclasses import dataclass, field

from revln.errors import ImageError, InputError
from revln.images import load_photo, os_reason
from revln.models import BundleEncoder
from revln.sources import SidecarFacts, read_sidecar
from revln.store import Row
from revln.types import Candidate, Embedding, PhotoMeta, Skipped

__all__ = ["Encoded", "encode_knowledge", "encode_photo"]


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A record ready to be stored but for the vectors of its texts; without pixels, of which many would be in flight.

    Attributes:
        candidate: where it came from.
        meta: what a photo says about itself, and its sidecar about it.
        own_texts: captions found in the photo and its sidecar.
        content_hash: of a photo's bytes.
        thumb: of a photo.
        vector: of a photo, [dim].
        problem: why its sidecar was left out.
    """

    candidate: Candidate
    meta: PhotoMeta = field(default_factory=PhotoMeta)
    own_texts: tuple[str, ...] = ()
    content_hash: str = ""
    thumb: bytes | None = None
    vector: Embedding | None = None
    problem: Skipped | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts from outside the file, then the file's own."""
        return tuple(dict.fromkeys((*(self.candidate.texts or ()), *self.own_texts)))

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
            self.candidate.facts,
        )


def encode_photo(candidate: Candidate, encoder: BundleEncoder) -> Encoded:
    """Reads and encodes a photo with its sidecar; safe in threads.

    Raises:
        ImageError: the file cannot be read.
    """
    try:
        data = None if candidate.load is None else candidate.load()
    except OSError as error:
        raise ImageError(candidate.uri, os_reason(error)) from error
    photo = load_photo(candidate.path if data is None else candidate.uri, encoder.transform, data=data)
    facts, problem = SidecarFacts(), None
    if candidate.sidecar is not None:
        try:
            facts = read_sidecar(candidate.sidecar.path)
        except InputError as error:
            problem = Skipped(str(candidate.sidecar.path), str(error))
    return Encoded(
        candidate,
        facts.completed(photo.meta),
        tuple(filter(None, (photo.meta.caption, *facts.texts))),
        photo.content_hash,
        photo.thumb,
        encoder.encode_pixels(photo.pixels[None]).embeddings[0],
        problem,
    )


def encode_knowledge(candidate: Candidate) -> Encoded | Skipped:
    """What a record without a picture comes to."""
    return Encoded(candidate) if candidate.texts else Skipped(candidate.uri, "holds no text")
