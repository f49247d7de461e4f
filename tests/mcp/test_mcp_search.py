"""Photos that are found, and shown."""

from __future__ import annotations

import json
import os
import shutil
import sys
from base64 import b64decode
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

from mcp.types import ImageContent, TextContent

from revln.pipeline import Memory


def names(found: dict[str, Any]) -> list[str]:
    return [Path(hit["uri"]).stem for hit in found["hits"]]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_by_words(serve: Callable[..., Any], memory: Memory, mode: str) -> None:
    found = serve(mode=mode).data("search_images", query="red")
    expected = memory.search("red")
    assert names(found)[0] == "red"
    assert found["matched"] is expected.matched
    assert found["hits"] == [
        {
            "id": hit.record.id,
            "uri": hit.record.uri,
            "text": None,
            "label": None,
            "probability": round(hit.probability, 6),
            "score": round(hit.score, 6),
            "taken_at": None,
        }
        for hit in expected
    ]


def test_by_an_image(served: Any, photos: Path) -> None:
    assert names(served.data("search_images", image_path=str(photos / "blue" / "blue.jpg"), k=1)) == ["blue"]


def test_by_both(served: Any, memory: Memory, photos: Path) -> None:
    image = photos / "blue" / "blue.jpg"
    found = served.data("search_images", query="green", image_path=str(image))
    assert [hit["id"] for hit in found["hits"]] == [hit.record.id for hit in memory.search("green", image)]


def test_only_some(served: Any, ids: dict[str, str]) -> None:
    assert names(served.data("search_images", query="red", where=f"id != '{ids['red']}'", k=1)) != ["red"]
    assert len(names(served.data("search_images", query="red", where="", image_path=""))) == 3


def test_the_first_hits_are_shown(serve: Callable[..., Any], memory: Memory) -> None:
    result = serve(pictures=2).call("search_images", query="red")
    document, *shown = result.content
    assert isinstance(document, TextContent)
    assert json.loads(document.text) == result.structured_content
    assert len(shown) == 2 * 2
    hits = result.structured_content["hits"]
    thumbs = memory.thumbs([hit["id"] for hit in hits])
    for rank, (name, picture) in enumerate(zip(shown[::2], shown[1::2], strict=True), 1):
        hit = hits[rank - 1]
        assert name.text == f"{rank}. {hit['uri']}"
        assert isinstance(picture, ImageContent)
        assert picture.mime_type == "image/webp"
        assert b64decode(picture.data) == thumbs[hit["id"]]
        with Image.open(BytesIO(b64decode(picture.data))) as image:
            assert (image.format, image.size) == ("WEBP", (64, 48))


def test_nothing_that_fits(served: Any) -> None:
    assert served.data("search_images", query="snow")["matched"] is False
    assert served.data("search_images", query="red", where="label = 'none'") == {
        "hits": [],
        "matched": False,
        "warnings": [],
    }


def test_a_warning_reaches_the_client(served: Any) -> None:
    (warning,) = served.data("search_images", query="雪")["warnings"]
    assert "the model knows en only" in warning


@pytest.mark.skipif(sys.platform in {"win32", "darwin"}, reason="file names are Unicode there")
def test_file_names_that_are_no_text(served: Any, memory: Memory, photos: Path, tmp_path: Path) -> None:
    copy = shutil.copy(photos / "red" / "red.jpg", tmp_path / os.fsdecode(b"caf\xe9.jpg"))
    record = memory.add(image=copy, texts=["red red"])
    found = served.data("search_images", query="red")
    (hit,) = [hit for hit in found["hits"] if hit["id"] == record.id]
    assert hit["uri"].endswith("caf\\udce9.jpg")
