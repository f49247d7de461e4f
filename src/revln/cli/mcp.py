"""``revln mcp``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import open_memory
from revln.cli.options import MemoryPath, ModelName
from revln.cli.output import note, plain
from revln.errors import MissingExtraError

__all__ = ["mcp"]

_PACKAGES = {"anyio", "mcp", "mcp_types", "pydantic"}


@command(
    "mcp",
    "revln mcp --memory photos.revln",
    "revln mcp --allow-root ~/Photos --allow-root ~/Downloads",
    "revln mcp --read-only",
)
def mcp(
    memory: MemoryPath = None,
    allow_root: Annotated[
        list[Path] | None,
        typer.Option("--allow-root", metavar="DIR", help="Clients may name image files below; repeatable."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all that would change the memory.")] = False,
    model: ModelName = None,
) -> Reply:
    """Serve the memory to a client of the Model Context Protocol, such as a chat application, over stdin and stdout.

    The client starts this command itself: docs/mcp.md shows how it is told to. Nothing but the protocol is printed on
    stdout, --json or not; the command ends when the client closes stdin.
    """
    import logging

    opened = open_memory(memory, model)
    try:
        from revln.mcp import Service, Settings, run
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _PACKAGES:
            raise
        raise MissingExtraError(missing, "mcp") from error
    roots = tuple(root.expanduser().absolute() for root in allow_root or ())
    service = Service(opened, Settings(roots=roots, read_only=read_only))
    service.open()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")  # on stderr
    logging.getLogger("mcp").setLevel(logging.WARNING)
    note(f"serving {plain(str(opened.path.absolute()))} to a client on stdin and stdout")
    run(service)
    raise typer.Exit
