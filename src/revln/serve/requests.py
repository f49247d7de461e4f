"""The shapes of what is asked. Each option means what the argument of the same name does in ``revln.Memory``."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from revln.config import ABSTAIN_BELOW, COMPARED, NEIGHBOURS, RECALLED
from revln.retrieve import Mode
from revln.serve.limits import (
    MOST_COMPARED,
    MOST_EMBEDDED,
    MOST_HITS,
    MOST_LABELS,
    MOST_NEIGHBOURS,
    MOST_OFFSET,
    MOST_RECALLED,
    MOST_TEXTS,
    TEXT_LENGTH,
)
from revln.types import Kind

__all__ = [
    "Ask",
    "Caption",
    "Classify",
    "Correct",
    "Duplicates",
    "Embed",
    "Filters",
    "Index",
    "Listing",
    "RecordId",
    "Search",
    "Similar",
    "Suggest",
    "Teach",
]

_SOURCES = 64
_IDS = 100
_PATH_LENGTH = 4096


def _listed(value: Any) -> Any:
    """A form has a field once where a list would have one entry."""
    return [value] if isinstance(value, str) else value


def _parsed(value: Any) -> Any:
    """A form has an object as its JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise ValueError("should be a JSON object") from error


Text = Annotated[str, StringConstraints(max_length=TEXT_LENGTH)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
PathName = Annotated[str, StringConstraints(min_length=1, max_length=_PATH_LENGTH)]
RecordId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{20}$")]
Names = Annotated[list[Name], BeforeValidator(_listed), Field(max_length=_SOURCES)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Filters(_Request):
    """Which records are meant; all that is given has to hold."""

    taken_from: date | None = Field(None, description="Taken on this day or later.")
    taken_to: date | None = Field(None, description="Taken on this day or earlier.")
    labels: Names | None = Field(None, description="Only records with one of these classes.")
    folder: PathName | None = Field(None, description="Only files below this folder.")
    sources: Names | None = Field(None, description="Only records of these sources.")


class Listing(Filters):
    """A page of photos, the newest first."""

    k: int = Field(50, ge=1, le=MOST_HITS, description="How many.")
    offset: int = Field(0, ge=0, le=MOST_OFFSET, description="How many of the newest to leave out.")
    ids: Annotated[list[RecordId], Field(max_length=_IDS)] | None = Field(
        None, description="Only these records, which may be of any kind."
    )
    about: RecordId | None = Field(None, description="Instead of photos, the answers taught about this photo.")


class Suggest(_Request):
    """What has been typed so far."""

    prefix: Name = Field(description="The beginning of a word.")
    k: int = Field(8, ge=1, le=50, description="How many.")


class _Options(Filters):
    k: int = Field(10, ge=1, le=MOST_HITS, description="How many hits.")
    offset: int = Field(0, ge=0, le=MOST_OFFSET, description="How many of the best to leave out.")
    where: Text | None = Field(None, description="SQL filter over the columns; it reads only.")
    sort: Name = Field("score", description="`score`, or a column, with `-` before it for descending.")
    min_score: float | None = Field(None, description="Leaves out hits with a smaller cosine.")
    kinds: Annotated[list[Kind], BeforeValidator(_listed), Field(max_length=_SOURCES)] | None = Field(
        None, description="Kinds of records to find; photos if not given."
    )


class Search(_Options):
    """A search by a text, by an image that is sent with it, or by both."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"text": "a dog in the snow", "k": 5, "where": "taken_at >= '2024-01-01'"}}
    )
    text: Text | None = Field(None, description="What to look for, as a sentence.")
    mode: Mode = Field("vector", description="By meaning, by words, or by both.")
    weights: Annotated[dict[Name, Annotated[float, Field(ge=0)]], BeforeValidator(_parsed)] | None = Field(
        None, description="What the odds of the records of a source or kind are multiplied by."
    )
    knowledge: bool = Field(True, description="Whether texts that fit lead to the photos that they are linked with.")
    text_weight: float = Field(0.5, ge=0, le=1, description="Say of the text when an image is sent too.")


class Similar(_Options):
    """A search for what resembles a record, or an image that is sent instead."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "3f0c1b9a7e5d2c4b6a80", "k": 5}})
    id: RecordId | None = Field(None, description="The record.")


class Classify(_Request):
    """Of which class a record's photo is, or an image that is sent instead."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"id": "3f0c1b9a7e5d2c4b6a80", "labels": ["beach", "city"]}}
    )
    id: RecordId | None = Field(None, description="The record.")
    labels: Annotated[list[Name], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_LABELS)] | None = Field(
        None, description="Classes to choose from; the labels of the memory if not given."
    )
    k: int = Field(NEIGHBOURS, ge=1, le=MOST_NEIGHBOURS, description="How many records have a say.")


class Caption(_Request):
    """A sentence about a record's photo, or about an image that is sent instead."""

    model_config = ConfigDict(json_schema_extra={"example": {"id": "3f0c1b9a7e5d2c4b6a80", "lang": "en"}})
    id: RecordId | None = Field(None, description="The record.")
    memory: bool = Field(True, description="Whether records are recalled; without, it rests on the photo alone.")
    lang: Name | None = Field(None, description="Language, such as `en` or `zh`; the model's first if not given.")
    k: int = Field(RECALLED, ge=0, le=MOST_RECALLED, description="How many records are recalled.")


class Ask(_Request):
    """A question about a record's photo, or about an image that is sent instead."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"id": "3f0c1b9a7e5d2c4b6a80", "question": "Where is Ada?"}}
    )
    id: RecordId | None = Field(None, description="The record.")
    question: Text = Field(description="In a language of the model.")
    memory: bool = Field(True, description="Whether records are recalled; without, it rests on the photo alone.")
    k: int = Field(RECALLED, ge=0, le=MOST_RECALLED, description="How many records are recalled.")
    threshold: float = Field(ABSTAIN_BELOW, ge=0, le=1, description="Confidence below which the answer is unknown.")


class Teach(_Request):
    """A text, an image that is sent with what is to be known of it, or a question with its answer.

    The question may be about a record's photo (`id`), or about an image that is sent.
    """

    model_config = ConfigDict(json_schema_extra={"example": {"texts": ["Ada moved to Lisbon in 2021"]}})
    id: RecordId | None = Field(None, description="The record whose photo the question is about.")
    question: Text | None = Field(None, description="That was asked.")
    answer: Text | None = Field(None, description="To the question.")
    texts: Annotated[list[Text], BeforeValidator(_listed), Field(max_length=MOST_TEXTS)] = Field(
        default_factory=list, description="What is to be known."
    )
    label: Name | None = Field(None, description="Its class.")
    source: Name | None = Field(None, description="Under which it is kept; `manual` if not given.")


class Duplicates(_Request):
    """How many photos are compared with one."""

    k: int = Field(COMPARED, ge=1, le=MOST_COMPARED, description="How many of the nearest photos to compare.")


class Correct(_Request):
    """What is said of a record from now on. What is left out stays."""

    model_config = ConfigDict(json_schema_extra={"example": {"texts": ["Ada on the beach of Lisbon"], "label": None}})
    texts: Annotated[list[Text], Field(max_length=MOST_TEXTS)] | None = Field(None, description="All of its texts.")
    label: Name | None = Field(None, description="Its class; null takes it away.")


class Index(_Request):
    """A folder to index."""

    model_config = ConfigDict(json_schema_extra={"example": {"path": "/srv/photos", "labels_from_folders": False}})
    path: PathName = Field(description="The folder, on the server, below one of those that it was allowed.")
    source: Name = Field("files", description="Name of the source, to filter by later.")
    exclude: Names = Field(default_factory=list, description="Files and folders to leave out, as globs.")
    labels_from_folders: bool = Field(False, description="The name of a photo's folder is its label.")
    notes: bool = Field(False, description="Takes the text files in folders too.")


class Embed(BaseModel):
    """Texts to encode, as OpenAI's API takes them; what it knows beyond this is passed over."""

    model_config = ConfigDict(json_schema_extra={"example": {"input": ["a dog in the snow"]}})
    input: Annotated[list[Text], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_EMBEDDED)] = Field(
        description="One text, or a list of them."
    )
    model: Name | None = Field(None, description="Id or name of the memory's model, which is the only one.")
    encoding_format: Annotated[str, StringConstraints(pattern="^(float|base64)$")] = "float"
    dimensions: int | None = Field(None, description="Width of the vectors, which cannot be chosen.")
