"""The structured results of the tools."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

__all__ = ["Answered", "Described", "Evidence", "Found", "Hit", "Taught", "readable"]


def readable(value: Any) -> Any:
    """A JSON value whose texts are Unicode: file names with bytes that are no UTF-8 have those escaped."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode("utf-8")
        case dict():
            return {readable(name): readable(entry) for name, entry in value.items()}
        case list() | tuple():
            return [readable(entry) for entry in value]
    return value


Text = Annotated[str, BeforeValidator(readable)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Hit(_Shape):
    """A photo that was found."""

    id: str = Field(description="Names the photo to the other tools, and in revln://photo/{id}.")
    uri: Text = Field(description="Path of the file.")
    text: Text | None = Field(description="Its caption that fits best.")
    label: Text | None
    probability: Probability = Field(description="Calibrated chance that it is what was asked for.")
    score: float = Field(description="Cosine to what was asked for.")
    taken_at: str | None = Field(description="When it was taken, by the camera's clock.")


class Found(_Shape):
    """What a search found, best first."""

    hits: list[Hit]
    matched: bool = Field(description="False when even the best hit is no better than unrelated photos are.")
    warnings: list[str]


class Evidence(_Shape):
    """A record that an answer rests on."""

    id: str
    weight: Probability = Field(description="Its share in the answer.")
    text: Text | None = Field(description="What it says.")
    uri: Text


class _OfPhoto(_Shape):
    uri: Text = Field(description="Path of the photo.")
    text: Text
    confidence: Probability
    lang: str | None
    none_weight: Probability = Field(description="Share that rests on no record, but on the photo alone.")
    evidence: list[Evidence] = Field(description="Records that it rests on, most weighty first.")


class Described(_OfPhoto):
    """A sentence about a photo."""


class Answered(_OfPhoto):
    """An answer to a question about a photo."""

    question: Text
    abstained: bool = Field(description="True when the text says that it is not known.")


class Taught(_Shape):
    """A record as it is now."""

    id: str
    source: Text
    kind: str
    uri: Text
    texts: list[Text]
    label: Text | None
    meta: Annotated[dict[str, Any], BeforeValidator(readable)]
