"""The frozen records that the stages hand to each other, and their JSON form.

Arrays are float32. ``dim`` is the width of the model's joint space; embeddings are rows of unit length, so a dot
product is a cosine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "KINDS",
    "MODALITIES",
    "Answer",
    "Candidate",
    "Embedding",
    "Evidence",
    "Hit",
    "ImageEncoding",
    "IndexReport",
    "Kind",
    "LabelScore",
    "Modality",
    "PhotoMeta",
    "Record",
    "SearchResult",
    "Sidecar",
    "Skipped",
    "Via",
    "WriteReply",
    "WriteRequest",
    "record_id",
]

Embedding = npt.NDArray[np.float32]
Kind = Literal["image", "image_text", "text", "label", "qa", "triple"]
KINDS: tuple[Kind, ...] = ("image", "image_text", "text", "label", "qa", "triple")
Modality = Literal["image", "text"]
MODALITIES: tuple[Modality, ...] = ("image", "text")


GENERATED = "generated"
"""The key of a record's ``meta`` under which those of its texts stand that a generator has made."""


def record_id(source: str, kind: str, uri: str, number: int = 0) -> str:
    """Identity of a record: 20 hex digits of a hash over where it came from, never over what it holds."""
    key = "\x1f".join((source, kind, uri, str(number)))
    return hashlib.blake2b(key.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()


class ImageEncoding(NamedTuple):
    """What an encoder says of images.

    Attributes:
        embeddings: unit rows [n, dim].
        logits: of the vision model's own classes [n, classes]; None if it has none.
        grid: what the vision model sees at each place [n, places, channels]; None if it does not tell.
    """

    embeddings: Embedding
    logits: Embedding | None
    grid: Embedding | None = None


@dataclass(frozen=True, slots=True)
class PhotoMeta:
    """What a photo says about itself in EXIF and IPTC.

    Attributes:
        taken_at: time of exposure as the camera's clock showed it, without a zone.
        camera: maker and model.
        lat: degrees, north positive.
        lon: degrees, east positive.
        keywords: IPTC keywords.
        caption: IPTC caption, or the EXIF image description.
        width: pixels, after orientation is applied.
        height: pixels, after orientation is applied.
    """

    taken_at: datetime | None = None
    camera: str | None = None
    lat: float | None = None
    lon: float | None = None
    keywords: tuple[str, ...] = ()
    caption: str | None = None
    width: int = 0
    height: int = 0


class Sidecar(NamedTuple):
    """A file that lies beside a photo and says more about it, such as ``photo.xmp``.

    Attributes:
        path: where it is.
        size: bytes.
        mtime_ns: modification time.
    """

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that a source offers for indexing, not read yet.

    Attributes:
        source: name of the source; one memory may hold several.
        kind: kind of the record that it becomes.
        uri: absolute path of the file, or a name for what has none.
        path: file that it comes from; the photo itself, or the archive or table that holds it.
        size: bytes.
        mtime_ns: modification time.
        texts: captions that came with it from outside the file; of knowledge, what it says. ``None``, together with
            no facts, when the source says nothing about it: a record that is there keeps its own.
        label: class that came with it from outside the file; ``None`` likewise.
        number: item number within the uri.
        facts: what a kind needs beside texts and label, such as ``question`` and ``answer``; JSON types only.
        load: gives the bytes of an image that is not ``path`` itself, such as a member of an archive; may raise
            ``OSError`` or ``ImageError``.
        sidecar: file that describes the photo, read together with it.
    """

    source: str
    kind: Kind
    uri: str
    path: Path
    size: int
    mtime_ns: int
    texts: tuple[str, ...] | None = None
    label: str | None = None
    number: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)
    load: Callable[[], bytes] | None = field(default=None, compare=False)
    sidecar: Sidecar | None = None

    @property
    def id(self) -> str:
        """Identity of the record that this becomes."""
        return record_id(self.source, self.kind, self.uri, self.number)

    @property
    def fingerprint(self) -> str:
        """Changes when the file or what came with it changed; spares reading an unchanged file.

        Three hashes: of the file with its sidecar, of the texts and facts, and of the label; see ``is_unchanged``.
        """
        file = (self.size, self.mtime_ns, *(self.sidecar[1:] if self.sidecar else ()))
        said = None if self.texts is None and not self.facts else (self.texts, sorted(self.facts.items()))
        return ":".join((_digest(file, 10), _digest(said, 6), _digest(self.label, 6)))

    def is_unchanged(self, fingerprint: str | None) -> bool:
        """Whether a record with this fingerprint is up to date, as far as the source has anything to say."""
        if fingerprint is None:
            return False
        file, said, label = self.fingerprint.split(":")
        parts = fingerprint.split(":")
        silent = (False, self.texts is None and not self.facts, self.label is None)
        return len(parts) == 3 and all(
            quiet or mine == stored for quiet, mine, stored in zip(silent, (file, said, label), parts, strict=True)
        )


def _digest(value: object, size: int) -> str:
    return hashlib.blake2b(repr(value).encode("utf-8", "surrogateescape"), digest_size=size).hexdigest()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that could not be indexed, and why."""

    path: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return {"path": self.path, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Record:
    """One photo or one piece of knowledge.

    Attributes:
        id: see ``record_id``.
        source: name of the source it came from.
        kind: one of ``KINDS``.
        uri: absolute path, or a name for knowledge that has no file.
        texts: captions; each has a vector of its own.
        label: class name.
        meta: the other columns by name (``taken_at``, ``camera``, ``lat``, ``lon``, ``keywords``, ``width``,
            ``height``, ``indexed_at``); absent values are left out. Times are ISO 8601 strings.
    """

    id: str
    source: str
    kind: Kind
    uri: str
    texts: tuple[str, ...] = ()
    label: str | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> tuple[str, ...]:
        """The texts that somebody has given, without those that a generator has made."""
        generated = self.meta.get(GENERATED, ())
        return tuple(text for text in self.texts if text not in generated)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; ``text`` is the first caption."""
        return {
            "id": self.id,
            "source": self.source,
            "kind": self.kind,
            "uri": self.uri,
            "text": self.texts[0] if self.texts else None,
            "texts": list(self.texts),
            "label": self.label,
            "meta": dict(self.meta),
        }


@dataclass(frozen=True, slots=True)
class Via:
    """The piece of knowledge that led to a photo.

    Attributes:
        id: of its record.
        kind: of its record.
        text: what it says; of several texts the one that fits the query best.
        label: class that it is about.
        uri: of its record.
        probability: calibrated chance that it is what the query asks for.
    """

    id: str
    kind: Kind
    text: str
    label: str | None
    uri: str
    probability: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "id": self.id,
            "kind": self.kind,
            "text": self.text,
            "label": self.label,
            "uri": self.uri,
            "probability": round(self.probability, 6),
        }


@dataclass(frozen=True, slots=True)
class Hit:
    """A record that a search found.

    Attributes:
        rank: from 1.
        score: cosine between the query and the record's best vector, whatever the mode.
        probability: calibrated chance that the record is what the query asks for.
        record: the record.
        fused_score: what the search sorts by; see ``Searcher.search``.
        text: the caption that matched best, or the first.
        via: the knowledge that led to it; ``None`` when it fits best by itself.
    """

    rank: int
    score: float
    probability: float
    record: Record
    fused_score: float
    text: str | None = None
    via: Via | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "rank": self.rank,
            "score": round(self.score, 6),
            "fused_score": round(self.fused_score, 6),
            "probability": round(self.probability, 6),
            **self.record.to_dict(),
            "text": self.text,
            **({} if self.via is None else {"via": self.via.to_dict()}),
        }


@dataclass(frozen=True, slots=True)
class SearchResult(Sequence[Hit]):
    """Hits, and whether any of them fits; in itself the sequence of the hits.

    Attributes:
        hits: best first.
        matched: False when the best hit is no better than unrelated photos are.
        seconds: time spent, encoding of the query included.
        warnings: sentences for the person who asked.
    """

    hits: tuple[Hit, ...]
    matched: bool
    seconds: float
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.hits)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Hit, ...]: ...
    def __getitem__(self, index: int | slice) -> Hit | tuple[Hit, ...]:
        return self.hits[index]

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "hits": [hit.to_dict() for hit in self.hits],
            "matched": self.matched,
            "seconds": round(self.seconds, 6),
            **({"warnings": list(self.warnings)} if self.warnings else {}),
        }


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record that an answer rests on.

    Attributes:
        hit: the record and its score.
        weight: its share in the answer; the shares and ``Answer.none_weight`` sum to one.
    """

    hit: Hit
    weight: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "id": self.hit.record.id,
            "score": round(self.hit.score, 6),
            "weight": round(self.weight, 6),
            "uri": self.hit.record.uri,
            "text": self.hit.text,
            "label": self.hit.record.label,
        }


@dataclass(frozen=True, slots=True)
class LabelScore:
    """A class and the confidence in it."""

    label: str
    confidence: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"label": self.label, "confidence": round(self.confidence, 6)}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer about one image, and what it rests on.

    Attributes:
        uri: the image.
        text: the class, caption or answer.
        confidence: calibrated, 0 to 1; None where a larger model that wrote the text does not tell.
        abstained: True when the confidence is below the threshold asked for.
        evidence: records used, most weighty first.
        none_weight: share of the answer that rests on no record.
        labels: all classes considered, best first (classification only).
        language: of the text, such as ``en`` (captions and answers).
        question: that was asked (answers only).
    """

    uri: str
    text: str
    confidence: float | None
    abstained: bool = False
    evidence: tuple[Evidence, ...] = ()
    none_weight: float = 1.0
    labels: tuple[LabelScore, ...] = ()
    language: str | None = None
    question: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON form; a classification names its ``text`` ``label``."""
        answer: dict[str, Any] = {"uri": self.uri}
        if self.question is not None:
            answer["question"] = self.question
        answer["label" if self.labels else "text"] = self.text
        answer["confidence"] = None if self.confidence is None else round(self.confidence, 6)
        if self.labels:
            answer["labels"] = [label.to_dict() for label in self.labels]
        else:
            answer["abstained"] = self.abstained
        if self.language is not None:
            answer["lang"] = self.language
        return {
            **answer,
            "none_weight": round(self.none_weight, 6),
            "evidence": [evidence.to_dict() for evidence in self.evidence],
        }


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """What a writer is to tell about a photo: a caption, or the answer to a question.

    Attributes:
        language: of the caption or answer, such as ``en``; None for that of the question.
        evidence: records that the memory recalls of it, the most alike first.
        question: None where a caption is wanted.
        photo: its JPEG; None for a writer that does not look.
        described: what a bundle's own generator says of the photo; None for a writer that looks.
    """

    language: str | None
    evidence: tuple[Hit, ...] = ()
    question: str | None = None
    photo: bytes | None = field(default=None, repr=False)
    described: str | None = None


@dataclass(frozen=True, slots=True)
class WriteReply:
    """What a writer tells.

    Attributes:
        text: the caption or answer; None when it does not know.
        cited: ids of the records that it rests on, each one of the evidence.
        sure: probability that it is right; None when it does not say.
    """

    text: str | None
    cited: tuple[str, ...] = ()
    sure: float | None = None


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an indexing run did.

    Attributes:
        added: records that are new.
        updated: records whose file or captions changed.
        unchanged: records that were left alone.
        skipped: files that could not be read, with the reason.
        ignored: files that are no images by kind.
        pruned: records deleted because what they were made from is gone.
        records: records in the memory afterwards.
        seconds: time spent.
    """

    added: int
    updated: int
    unchanged: int
    skipped: tuple[Skipped, ...]
    ignored: int
    pruned: int
    records: int
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "added": self.added,
            "updated": self.updated,
            "unchanged": self.unchanged,
            "skipped": [skipped.to_dict() for skipped in self.skipped],
            "ignored": self.ignored,
            "pruned": self.pruned,
            "records": self.records,
            "seconds": round(self.seconds, 3),
        }
