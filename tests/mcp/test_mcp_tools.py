"""What a client is told of the tools, and what they refuse."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

from jsonschema import Draft202012Validator
from mcp import MCPError

from revln._version import __version__
from revln.pipeline import Memory

TOOLS = {
    "search_images": {"query", "image_path", "k", "where"},
    "describe_image": {"id", "image_path", "lang", "use_memory"},
    "ask_image": {"id", "image_path", "question", "use_memory", "threshold"},
    "add_to_memory": {"id", "image_path", "text", "texts", "label", "question", "answer"},
}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_the_tools_are_listed_with_their_schemas(serve: Callable[..., Any], mode: str) -> None:
    tools = {tool.name: tool for tool in serve(mode=mode).talk(lambda client: client.list_tools()).tools}
    assert {name: set(tool.input_schema["properties"]) for name, tool in tools.items()} == TOOLS
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert tool.input_schema["additionalProperties"] is False
        assert all("description" in described for described in tool.input_schema["properties"].values())
        assert tool.output_schema["type"] == "object"
        for schema in (tool.input_schema, tool.output_schema):
            Draft202012Validator.check_schema(schema)
        assert tool.annotations.read_only_hint is (tool.name != "add_to_memory")
    assert tools["ask_image"].input_schema["required"] == ["question"]
    assert set(tools["describe_image"].output_schema["required"]) >= {"text", "confidence", "evidence", "none_weight"}


def test_a_client_is_told_what_this_is(serve: Callable[..., Any], photos: Path) -> None:
    async def introduction(client: Any) -> tuple[Any, str]:
        return client.server_info, client.instructions

    info, instructions = serve(roots=(photos,), read_only=True).talk(introduction)
    assert (info.name, info.version) == ("revln", __version__)
    assert str(photos) in instructions
    assert "Nothing can be added" in instructions
    assert "image_path is refused" in serve().talk(introduction)[1]


def test_a_server_that_only_reads(serve: Callable[..., Any], ids: dict[str, str], memory: Memory) -> None:
    served = serve(read_only=True)
    assert [tool.name for tool in served.talk(lambda client: client.list_tools()).tools] == list(TOOLS)[:3]
    version = memory.info().version
    told = served.error("add_to_memory", id=ids["red"], text="Ada on the wall")
    assert told == "this server only reads: start it without --read-only"
    assert memory.info().version == version


@pytest.mark.parametrize(
    ("tool", "arguments", "told"),
    [
        ("search_images", {}, "nothing to look for: give a query, an image_path, or both"),
        ("search_images", {"query": " "}, "the query is empty: say what to look for"),
        ("search_images", {"query": "red", "k": 0}, "k: input should be greater than or equal to 1"),
        ("search_images", {"query": "red", "k": "many"}, "k: input should be a valid integer"),
        ("search_images", {"text": "red"}, "text: extra inputs are not permitted"),
        ("search_images", {"query": "red", "where": "labl = 'a'"}, "unknown column 'labl'"),
        ("describe_image", {}, "which photo is meant: give an id or an image_path, one of the two"),
        ("describe_image", {"id": "a" * 20, "image_path": "/a.jpg"}, "which photo is meant: give"),
        ("describe_image", {"id": "nonsense"}, "id: string should match pattern"),
        ("describe_image", {"id": "0" * 20}, f"no record has the id '{'0' * 20}': it may have been deleted"),
        ("ask_image", {"id": "0" * 20, "question": "What?"}, "no record has the id"),
        ("ask_image", {"id": "0" * 20}, "question: field required"),
        ("ask_image", {"id": "0" * 20, "question": "What?", "threshold": 2}, "threshold: input should be less than"),
        ("add_to_memory", {}, "nothing to add: give an image, a text, or both"),
        ("add_to_memory", {"text": " \n"}, "nothing to add"),
        ("add_to_memory", {"id": "0" * 20}, "nothing to add: give texts, a label, or a question with its answer"),
        ("add_to_memory", {"id": "0" * 20, "label": "red"}, "no record has the id"),
        ("add_to_memory", {"question": "What?"}, "a question is taught with its answer"),
        ("add_to_memory", {"question": "What?", "answer": "A dog", "label": "dog"}, "a question and its answer are a"),
        ("add_to_memory", {"id": "0" * 20, "image_path": "/a.jpg", "text": "a"}, "which photo is meant"),
    ],
)
def test_bad_arguments_are_told(served: Any, tool: str, arguments: dict[str, Any], told: str) -> None:
    assert served.error(tool, **arguments).startswith(told)


def test_questions_that_are_none(served: Any, ids: dict[str, str]) -> None:
    assert served.error("ask_image", id=ids["red"], question=" ").startswith("the question is empty: ask something")
    assert served.error("ask_image", id=ids["red"], question="x" * 400).startswith("a question of 400 characters")
    assert "does not read this question" in served.error("ask_image", id=ids["red"], question="Что это?")


def test_a_language_that_the_model_does_not_speak(served: Any, ids: dict[str, str]) -> None:
    told = served.error("describe_image", id=ids["red"], lang="de")
    assert told.endswith("does not speak 'de': choose from en, zh")


def test_a_tool_that_does_not_exist(served: Any) -> None:
    with pytest.raises(MCPError, match="there is no tool 'delete_all': choose from search_images, describe_image"):
        served.talk(lambda client: client.call_tool("delete_all", {}))


def test_what_nobody_has_thought_of_tells_nothing_of_the_inside(
    served: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "what was asked for"

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(secret)

    monkeypatch.setattr(Memory, "search", fail)
    with caplog.at_level(logging.INFO, "revln.mcp"):
        assert served.error("search_images", query="red") == "something went wrong in the server: its log says more"
    assert "ZeroDivisionError" in caplog.text
    assert secret not in caplog.text


def test_the_log_has_no_texts(served: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "revln.mcp"):
        served.data("search_images", query="red wall")
    (line,) = [record.getMessage() for record in caplog.records if record.name == "revln.mcp"]
    assert line.startswith("search_images done, ")
