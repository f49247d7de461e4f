"""The shapes of what is answered, for the OpenAPI document.

They describe what the types' ``to_dict`` give; nothing passes through them on its way out.
``tests/serve/test_shapes.py`` holds the two together.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from revln.pipeline.sameness import Sameness
from revln.serve.jobs import JobState
from revln.types import Kind

__all__ = [
    "Abilities",
    "Answer",
    "Caption",
    "Class",
    "Deleted",
    "Duplicate",
    "Duplicates",
    "Embeddings",
    "Error",
    "Evidence",
    "Facet",
    "Facets",
    "Hit",
    "IndexReport",
    "Job",
    "Jobs",
    "LabelScore",
    "MemoryInfo",
    "Record",
    "Records",
    "Refusal",
    "SearchResult",
    "Skipped",
    "State",
    "Suggested",
    "Suggestions",
    "Via",
]

_ID = "3f0c1b9a7e5d2c4b6a80"
_RECORD = {
    "id": _ID,
    "source": "files",
    "kind": "image",
    "uri": "/home/ada/Photos/2024/beach.jpg",
    "text": "Ada on the beach",
    "texts": ["Ada on the beach"],
    "label": None,
    "meta": {"taken_at": "2024-06-01T12:30:00", "camera": "Canon EOS R6", "width": 6000, "height": 4000},
}
_EVIDENCE = {
    "id": _ID,
    "score": 0.81,
    "weight": 0.7,
    "uri": "/home/ada/Photos/2024/beach.jpg",
    "text": "Ada on the beach",
    "label": None,
}
_DUPLICATE = {
    "id": "81d6a5f0c2e94b7d3a1f",
    "uri": "/home/ada/Photos/phone/beach-small.jpg",
    "width": 1500,
    "height": 1000,
    "size": 214_532,
    "kind": "near",
    "score": 0.98,
    "distance": 3,
}
_REPORT = {
    "added": 812,
    "updated": 3,
    "unchanged": 6201,
    "skipped": [{"path": "/srv/photos/broken.jpg", "reason": "truncated"}],
    "ignored": 17,
    "pruned": 0,
    "records": 7016,
    "seconds": 12.4,
}


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"example": example})


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Refusal(_Shape):
    """What is wrong, and what to do about it."""

    code: str = Field(description="For programs.")
    message: str = Field(description="For people.")
    way_out: str | None = Field(None, description="What to do about it; absent when there is nothing to say.")


class Error(_Shape):
    """The shape of every error."""

    model_config = _example(
        {
            "error": {
                "code": "invalid_query",
                "message": "unknown column 'labl'",
                "way_out": "did you mean label?",
            }
        }
    )
    error: Refusal


class Record(_Shape):
    """One photo or one piece of knowledge."""

    model_config = _example(_RECORD)
    id: str = Field(description="20 hex digits.")
    source: str
    kind: Kind
    uri: str = Field(description="Path of the file on the server, or a name for what has none.")
    text: str | None = Field(description="The first of its texts.")
    texts: list[str]
    label: str | None
    meta: dict[str, Any] = Field(description="taken_at, camera, lat, lon, keywords, width, height, indexed_at.")


class Records(_Shape):
    """A page of records."""

    records: list[Record]
    total: int = Field(description="How many there are on all pages.")


class Facet(_Shape):
    """A value to filter by."""

    value: str
    photos: int = Field(description="How many photos have it.")


class Facets(_Shape):
    """What photos can be filtered by."""

    photos: int = Field(description="How many photos the memory holds.")
    labels: list[Facet] = Field(description="The 500 most frequent, the most frequent first.")
    sources: list[Facet]
    folders: list[Facet] = Field(description="The 200 with the most photos in and below them, by name.")


class Suggested(_Shape):
    """Something to search for."""

    text: str
    kind: Literal["label", "word", "text"] = Field(description="Whether it is a label, or from texts of photos.")
    photos: int = Field(description="How many photos have it.")


class Suggestions(_Shape):
    """What somebody who types may mean."""

    model_config = _example({"suggestions": [{"text": "beach", "kind": "label", "photos": 212}]})
    suggestions: list[Suggested]


class Abilities(_Shape):
    """What a server allows, and what its model can do."""

    model_config = _example(
        {"writes": True, "roots": ["/srv/photos"], "languages": ["en", "zh"], "answers": True, "body_bytes": 67108864}
    )
    writes: bool = Field(description="Whether it teaches, corrects and deletes.")
    roots: list[str] = Field(description="What may be indexed lies below one of these folders.")
    languages: list[str] = Field(description="That captions can be in; empty when it describes no photos.")
    answers: bool = Field(description="Whether it answers questions.")
    body_bytes: int = Field(description="Of a request with an image, at most.")


class Via(_Shape):
    """The piece of knowledge that led to a photo."""

    id: str
    kind: Kind
    text: str
    label: str | None
    uri: str
    probability: float = Field(ge=0, le=1)


class Hit(Record):
    """A record that a search found."""

    model_config = _example({"rank": 1, "score": 0.31, "fused_score": 0.31, "probability": 0.94, **_RECORD})
    rank: int = Field(ge=1)
    score: float = Field(description="Cosine between the query and the record's nearest vector.")
    fused_score: float = Field(description="What the mode sorts by.")
    probability: float = Field(ge=0, le=1, description="Calibrated chance that it is what was asked for.")
    text: str | None = Field(description="The text that fits best.")
    via: Via | None = Field(None, description="The knowledge that led to it; absent when it fits best by itself.")


class SearchResult(_Shape):
    """Hits, best first, and whether any of them fits."""

    hits: list[Hit]
    matched: bool = Field(description="False when the best hit is no better than unrelated photos are.")
    seconds: float
    warnings: list[str] | None = Field(None, description="Absent when there are none.")


class Evidence(_Shape):
    """A record that an answer rests on."""

    model_config = _example(_EVIDENCE)
    id: str
    score: float
    weight: float = Field(description="Its share in the answer; all shares and none_weight sum to one.")
    uri: str
    text: str | None
    label: str | None


class LabelScore(_Shape):
    """A class and the confidence in it."""

    label: str
    confidence: float


class Class(_Shape):
    """The class of an image, and the records that speak for it."""

    uri: str = Field(description="Of the record; `upload` for an image that was sent.")
    label: str
    confidence: float
    labels: list[LabelScore]
    none_weight: float
    evidence: list[Evidence]


class Caption(_Shape):
    """A sentence about an image, and the records that it rests on."""

    model_config = _example(
        {
            "uri": "upload",
            "text": "Ada on the beach.",
            "confidence": 0.62,
            "abstained": False,
            "lang": "en",
            "none_weight": 0.3,
            "evidence": [_EVIDENCE],
        }
    )
    uri: str = Field(description="Of the record; `upload` for an image that was sent.")
    text: str
    confidence: float
    abstained: bool
    lang: str | None = None
    none_weight: float
    evidence: list[Evidence]


class Answer(_Shape):
    """An answer to a question about an image, and the records that it rests on."""

    model_config = _example(
        {
            "uri": "upload",
            "question": "Where is Ada?",
            "text": "on the beach",
            "confidence": 0.71,
            "abstained": False,
            "lang": "en",
            "none_weight": 0.3,
            "evidence": [_EVIDENCE],
        }
    )
    uri: str = Field(description="Of the record; `upload` for an image that was sent.")
    question: str
    text: str = Field(description="In a word; that it is unknown when `abstained`.")
    confidence: float = Field(ge=0, le=1)
    abstained: bool = Field(description="Whether the confidence is below the threshold.")
    lang: str | None = None
    none_weight: float
    evidence: list[Evidence]


class Duplicate(_Shape):
    """Another record of a photo's picture."""

    model_config = _example(_DUPLICATE)
    id: str = Field(description="20 hex digits.")
    uri: str = Field(description="Path of the file on the server.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    size: int = Field(description="Of the file, in bytes.")
    kind: Sameness = Field(description="`exact` for a file that is the same to the byte, `near` for another version.")
    score: float = Field(description="Cosine between the vectors of the two.")
    distance: int = Field(ge=0, le=128, description="Bits of 128 that their perceptual hashes differ in.")


class Duplicates(_Shape):
    """Other records of a photo's picture: copies first, then versions, the largest first."""

    model_config = _example({"duplicates": [_DUPLICATE]})
    duplicates: list[Duplicate]


class Deleted(_Shape):
    """How many records were deleted."""

    deleted: int


class Skipped(_Shape):
    """A file that could not be indexed, and why."""

    path: str
    reason: str


class IndexReport(_Shape):
    """What a run did."""

    model_config = _example(_REPORT)
    added: int
    updated: int
    unchanged: int
    skipped: list[Skipped]
    ignored: int
    pruned: int
    records: int = Field(description="In the memory afterwards.")
    seconds: float


class Job(_Shape):
    """An indexing run."""

    model_config = _example(
        {
            "id": "9c0d3f6b51e2a874",
            "state": "done",
            "path": "/srv/photos",
            "source": "files",
            "done": 7016,
            "total": 7016,
            "created_at": "2026-11-27T12:44:24+00:00",
            "seconds": 12.4,
            "report": _REPORT,
            "error": None,
        }
    )
    id: str
    state: JobState
    path: str
    source: str
    done: int = Field(description="Files looked at so far.")
    total: int = Field(description="Files in all; 0 until they are counted.")
    created_at: str
    seconds: float = Field(description="Of running, so far or in all.")
    report: IndexReport | None
    error: Refusal | None


class Jobs(_Shape):
    """The runs of this server, the last hundred that have ended among them."""

    jobs: list[Job]


class MemoryInfo(_Shape):
    """What the memory holds."""

    path: str
    records: int
    kinds: dict[str, int]
    sources: dict[str, int]
    image_vectors: int
    text_vectors: int
    taken_from: str | None
    taken_to: str | None
    indexed_at: str | None
    bytes: int
    fragments: int
    version: int
    encoder_id: str
    dim: int
    created_at: str


class _Embedding(_Shape):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(description="Numbers, or in base64 the same as little-endian float32.")


class _Usage(_Shape):
    prompt_tokens: int
    total_tokens: int


class Embeddings(_Shape):
    """Vectors of texts, in the shape of OpenAI's API."""

    object: Literal["list"]
    data: list[_Embedding]
    model: str
    usage: _Usage


class State(_Shape):
    """Whether the server is there, and ready."""

    status: Literal["ok", "ready"]
