"""The shapes of the OpenAPI document are those of the types' JSON."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from pydantic import BaseModel

from revln.pipeline import Memory, ask, caption, classify
from revln.pipeline.duplicates import Duplicate
from revln.serve import shapes
from revln.store.pictures import Picture
from revln.types import Evidence, Hit, IndexReport, LabelScore, Record, SearchResult, Skipped, Via

RECORD = Record("0" * 20, "files", "image", "/a.jpg", ("one", "two"), "x", {"width": 3})
VIA = Via("1" * 20, "text", "what", None, "note", 0.5)
HIT = Hit(1, 0.5, 0.25, RECORD, 0.5, "two", VIA)


@pytest.mark.parametrize(
    ("shape", "made"),
    [
        (shapes.Record, RECORD),
        (shapes.Via, VIA),
        (shapes.Hit, HIT),
        (shapes.SearchResult, SearchResult((HIT,), True, 0.1, ("beware",))),
        (shapes.Evidence, Evidence(HIT, 0.5)),
        (shapes.Duplicate, Duplicate("near", 0.5, 3, Picture("1" * 20, "/b.jpg", 3, 4, 5, "0" * 32))),
        (shapes.LabelScore, LabelScore("x", 0.5)),
        (shapes.Skipped, Skipped("/a", "truncated")),
        (shapes.IndexReport, IndexReport(1, 2, 3, (Skipped("/a", "b"),), 4, 5, 6, 0.5)),
    ],
)
def test_a_type(shape: type[BaseModel], made: Any) -> None:
    check(shape, made.to_dict())


def test_a_memory_and_its_answers(memory: Memory, photos: Any) -> None:
    check(shapes.MemoryInfo, {"path": "x", **memory.info().to_dict()})
    photo = photos / "red" / "red.jpg"
    check(shapes.Class, classify(photo, memory=memory).to_dict())
    check(shapes.Caption, caption(photo, memory=memory).to_dict())
    check(shapes.Answer, ask(photo, "red?", memory=memory).to_dict())


def test_what_may_be_absent() -> None:
    plain = Hit(1, 0.5, 0.25, RECORD, 0.5)
    shapes.SearchResult.model_validate_json(json_of(SearchResult((plain,), False, 0.1).to_dict()))


@pytest.mark.parametrize("shape", [getattr(shapes, name) for name in shapes.__all__])
def test_examples_are_of_their_shape(shape: type[BaseModel]) -> None:
    schema = shape.model_json_schema()
    if "example" in schema:
        shape.model_validate_json(json_of(schema["example"]))


def check(shape: type[BaseModel], made: dict[str, Any]) -> None:
    """Fails when a document has other fields than the shape, or values of other types."""
    assert sorted(shape.model_fields) == sorted(made)
    shape.model_validate_json(json_of(made), strict=True)


def json_of(made: Any) -> str:
    import json

    return json.dumps(made)
