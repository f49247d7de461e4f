"""The server, and the process that it runs in."""

from __future__ import annotations

import signal
from typing import Any

import anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server

from revln._version import __version__
from revln.mcp.answering import ASK, DESCRIBE
from revln.mcp.resources import Resources
from revln.mcp.searching import SEARCH
from revln.mcp.service import Service
from revln.mcp.teaching import TEACH
from revln.mcp.tools import Toolbox

__all__ = ["make_server", "run"]

_TOOLS = (SEARCH, DESCRIBE, ASK, TEACH)
_ABOUT = (
    "A memory of the user's own photos and of what the user taught it. Photos are named by the id that search_images "
    "tells; revln://photo/{id} is the picture, revln://memory what the memory holds. Captions and answers come from a "
    "small model: mind their confidence, and the records that they rest on."
)


def make_server(service: Service) -> Server[Any]:
    """The server over a service; what it does, as far as the protocol goes."""
    toolbox, resources = Toolbox(_TOOLS, service), Resources(service)
    return Server(
        "revln",
        version=__version__,
        title="revln",
        description="Finds, describes and answers questions about the user's own photos, offline.",
        instructions=_instructions(service),
        on_list_tools=toolbox.list,
        on_call_tool=toolbox.call,
        on_list_resources=resources.list,
        on_list_resource_templates=resources.templates,
        on_read_resource=resources.read,
    )


def run(service: Service) -> None:
    """Serves one client over stdin and stdout, until it closes the one; what was begun is finished first.

    Meanwhile all else that is printed goes to stderr, and Ctrl-C ends the process as it would end one without Python:
    a thread that waits for stdin can be told of nothing.
    """
    server = make_server(service)

    async def talk() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        anyio.run(talk)
    finally:
        signal.signal(signal.SIGINT, before)


def _instructions(service: Service) -> str:
    settings = service.settings
    told = [_ABOUT]
    if settings.roots:
        told.append(f"image_path may name files below: {', '.join(str(root) for root in settings.roots)}.")
    else:
        told.append("image_path is refused: no folder was allowed.")
    if settings.read_only:
        told.append("Nothing can be added.")
    return " ".join(told)
