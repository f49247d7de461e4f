"""The arguments of the tools. What a client is told of them is in their descriptions."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from revln.config import ABSTAIN_BELOW

__all__ = ["Ask", "Describe", "Search", "Teach"]

_MOST_HITS = 100
_MOST_TEXTS = 100


def _given(value: Any) -> Any:
    """Some clients send an empty text for what they leave out."""
    return None if value == "" else value


def _listed(value: Any) -> Any:
    """Some clients send the only entry of a list, or a list as its JSON."""
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        parsed = None
    return parsed if isinstance(parsed, list) else [value]


Text = Annotated[str, StringConstraints(max_length=2000)]
Name = Annotated[str, StringConstraints(max_length=200)]
RecordId = Annotated[
    Annotated[str, StringConstraints(pattern="^[0-9a-f]{20}$")] | None,
    BeforeValidator(_given),
    Field(description="Id of a record of the memory, as searching tells it."),
]
ImagePath = Annotated[
    Annotated[str, StringConstraints(max_length=4096)] | None,
    BeforeValidator(_given),
    Field(description="Whole path of an image file, below a folder that the user has allowed."),
]
UseMemory = Annotated[
    bool, Field(description="Whether records are recalled; without, the answer rests on the photo alone.")
]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Search(_Request):
    """A search by a sentence, by an image, or by both."""

    query: Text | None = Field(None, description="What to look for, as a sentence in English or Chinese.")
    image_path: ImagePath = None
    k: int = Field(10, ge=1, le=_MOST_HITS, description="How many hits.")
    where: Annotated[Text | None, BeforeValidator(_given)] = Field(
        None,
        description=(
            "Only photos that pass an SQL filter over taken_at, camera, lat, lon, keywords, label, source, uri, width, "
            "height and indexed_at, as in: taken_at >= '2024-06-01' AND camera LIKE 'Canon%'"
        ),
    )


class Describe(_Request):
    """A photo to describe."""

    id: RecordId = None
    image_path: ImagePath = None
    lang: Annotated[Name | None, BeforeValidator(_given)] = Field(
        None, description="Language of the sentence, en or zh; the model's first if not given."
    )
    use_memory: UseMemory = True


class Ask(_Request):
    """A photo, and a question about it."""

    id: RecordId = None
    image_path: ImagePath = None
    question: Text = Field(description="In English or Chinese.")
    use_memory: UseMemory = True
    threshold: float = Field(
        ABSTAIN_BELOW, ge=0, le=1, description="Confidence below which the answer is that it is not known."
    )


class Teach(_Request):
    """One thing that is to be known."""

    id: RecordId = None
    image_path: ImagePath = None
    text: Text | None = Field(None, description="What is to be known: of the photo, or a text by itself.")
    texts: Annotated[list[Text], BeforeValidator(_listed), Field(max_length=_MOST_TEXTS)] = Field(
        default_factory=list, description="The same, where it is more than one."
    )
    label: Annotated[Name | None, BeforeValidator(_given)] = Field(None, description="Its class, such as rose.")
    question: Annotated[Text | None, BeforeValidator(_given)] = Field(
        None, description="A question, about the photo or not; it goes with an answer, and without texts and a label."
    )
    answer: Annotated[Text | None, BeforeValidator(_given)] = Field(None, description="The answer to the question.")
