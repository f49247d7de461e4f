"""What the memory holds, and its photos, as resources."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

from mcp import MCPError

from revln.pipeline import Memory


def read(served: Any, uri: str) -> Any:
    (content,) = served.talk(lambda client: client.read_resource(uri)).contents
    return content


def test_they_are_listed(served: Any) -> None:
    (memory,) = served.talk(lambda client: client.list_resources()).resources
    assert (str(memory.uri), memory.mime_type) == ("revln://memory", "application/json")
    (photo,) = served.talk(lambda client: client.list_resource_templates()).resource_templates
    assert (photo.uri_template, photo.mime_type) == ("revln://photo/{id}", "image/webp")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_memory(serve: Callable[..., Any], memory: Memory, ids: dict[str, str], mode: str) -> None:
    memory.correct(ids["red"], label="wall")
    content = read(serve(mode=mode), "revln://memory")
    assert content.mime_type == "application/json"
    told = json.loads(content.text)
    assert told["path"] == str(memory.path)
    assert (told["records"], told["kinds"], told["labels"]) == (3, {"image": 3}, {"wall": 1})


def test_a_photo(served: Any, memory: Memory, ids: dict[str, str]) -> None:
    content = read(served, f"revln://photo/{ids['green']}")
    assert content.mime_type == "image/webp"
    assert b64decode(content.blob) == memory.thumbs([ids["green"]])[ids["green"]]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        (f"revln://photo/{'0' * 20}", "no record has the id"),
        ("revln://photo/../../etc/passwd", "there is no revln://photo/../../etc/passwd: read revln://memory or"),
        ("revln://photo/", "there is no revln://photo/: read"),
        ("revln://records", "there is no revln://records: read"),
        ("file:///etc/passwd", "there is no file:///etc/passwd"),
    ],
)
def test_what_is_not_there(served: Any, uri: str, told: str) -> None:
    with pytest.raises(MCPError) as caught:
        read(served, uri)
    assert caught.value.code == -32602
    assert caught.value.message.startswith(told)


def test_a_record_without_a_picture(served: Any, memory: Memory) -> None:
    record = memory.add(texts=["Ada on the beach"])
    with pytest.raises(MCPError, match="no photo"):
        read(served, f"revln://photo/{record.id}")


def test_what_nobody_has_thought_of(served: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Memory) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(Memory, "info", fail)
    with pytest.raises(MCPError, match=r"^something went wrong in the server: its log says more$") as caught:
        read(served, "revln://memory")
    assert caught.value.code == -32603
