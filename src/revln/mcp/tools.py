"""Tools: what each is to a client, and how a call is answered."""

from __future__ import annotations

import json
import logging
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ContentBlock,
    ImageContent,
    ListToolsResult,
    TextContent,
    ToolAnnotations,
)
from mcp.types import Tool as Listed
from pydantic import BaseModel

from revln.mcp.errors import told
from revln.mcp.service import Service

__all__ = ["THUMB_TYPE", "Picture", "Result", "Tool", "Toolbox"]

THUMB_TYPE = "image/webp"
"""Media type of the pictures that a memory keeps."""

_logger = logging.getLogger("revln.mcp")


class Picture(NamedTuple):
    """A picture of a result.

    Attributes:
        name: which it is, in a line.
        thumb: WebP bytes.
    """

    name: str
    thumb: bytes


class Result(NamedTuple):
    """What a tool found out.

    Attributes:
        data: the structured result.
        pictures: shown with it.
    """

    data: BaseModel
    pictures: Sequence[Picture] = ()


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: by which it is called.
        title: for people.
        description: for the model that is to call it.
        asks: shape of the arguments.
        answers: shape of the structured result.
        work: finds the result, in a thread; its errors are told.
        writes: whether it changes the memory.
    """

    name: str
    title: str
    description: str
    asks: type[BaseModel]
    answers: type[BaseModel]
    work: Callable[[Service, Any], Result]
    writes: bool = False

    def listed(self) -> Listed:
        """What a client is told of it."""
        return Listed(
            name=self.name,
            title=self.title,
            description=self.description,
            input_schema=self.asks.model_json_schema(),
            output_schema=self.answers.model_json_schema(mode="serialization"),
            annotations=ToolAnnotations(
                read_only_hint=not self.writes,
                destructive_hint=self.writes,  # texts that are given replace those that a photo had
                idempotent_hint=True,
                open_world_hint=False,
            ),
        )


class Toolbox:
    """The tools of a server.

    Args:
        tools: all that there are.
        service: what they work with.
    """

    def __init__(self, tools: Sequence[Tool], service: Service) -> None:
        self._tools, self._service = {tool.name: tool for tool in tools}, service

    async def list(self, *_: Any) -> ListToolsResult:
        """Lists the tools; without those that write where that is not allowed."""
        allowed = [tool for tool in self._tools.values() if not (tool.writes and self._service.settings.read_only)]
        return ListToolsResult(tools=[tool.listed() for tool in allowed])

    async def call(self, _: Any, asked: CallToolRequestParams) -> CallToolResult:
        """Answers a call. What is wrong with it is told in the result, for the model to read."""
        tool = self._tools.get(asked.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"there is no tool {asked.name!r}: choose from {', '.join(self._tools)}")
        if tool.writes and self._service.settings.read_only:
            return _refused("this server only reads: start it without --read-only")
        started = time.perf_counter()
        try:
            arguments = tool.asks.model_validate(asked.arguments or {})
            result = await self._service.run(partial(tool.work, self._service, arguments))
        except Exception as error:  # noqa: BLE001 - told
            answer = _refused(told(error))
        else:
            answer = _answered(result)
        outcome = "refused" if answer.is_error else "done"
        _logger.info("%s %s, %.0f ms", tool.name, outcome, 1000 * (time.perf_counter() - started))
        return answer


def _answered(result: Result) -> CallToolResult:
    data = result.data.model_dump(mode="json")
    # Clients that know no structured results read the text.
    content: list[ContentBlock] = [TextContent(type="text", text=json.dumps(data, ensure_ascii=False))]
    for picture in result.pictures:
        content.append(TextContent(type="text", text=picture.name))
        encoded = b64encode(picture.thumb).decode("ascii")
        content.append(ImageContent(type="image", data=encoded, mime_type=THUMB_TYPE))
    return CallToolResult(content=content, structured_content=data)


def _refused(message: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=message)], is_error=True)
