"""``revln serve``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import open_memory
from revln.cli.options import MemoryPath, ModelName
from revln.cli.output import note, plain, say
from revln.config import data_directory
from revln.errors import MissingExtraError

if TYPE_CHECKING:
    from revln.serve import Settings

__all__ = ["serve"]

_KEPT_TOKEN = "serve-token"  # noqa: S105 - a file's name
_PACKAGES = {"fastapi", "jinja2", "prometheus_client", "python_multipart", "starlette", "uvicorn"}


@command(
    "serve",
    "revln serve --memory photos.revln",
    "revln serve --read-only --port 9000",
    "revln serve --host 0.0.0.0 --allow-host photos.home --allow-root /srv/photos",
)
def serve(
    memory: MemoryPath = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; beyond this machine a token is needed.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0 for any that is free.")] = 8765,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Ask for the token in this file, made if it is missing."),
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse all that would change the memory.")] = False,
    allow_root: Annotated[
        list[Path] | None,
        typer.Option("--allow-root", metavar="DIR", help="Clients may have what is below indexed; repeatable."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="What else clients call this server; repeatable."),
    ] = None,
    uploads: Annotated[
        Path | None,
        typer.Option("--uploads", metavar="DIR", help="Where photos that clients teach are kept; in your data folder."),
    ] = None,
    max_body: Annotated[int, typer.Option("--max-body", metavar="MB", min=1, help="Longest upload.")] = 64,
    timeout: Annotated[
        float, typer.Option("--timeout", metavar="SECONDS", min=1, help="Longest time for one request.")
    ] = 60.0,
    model: ModelName = None,
) -> Reply:
    """Serve the memory over HTTP, to programs on this machine, or to others with a token.

    What is answered at which address is told in docs/serve.md, and by the server at /openapi.json.
    """
    # The server has a thread a core already. OpenBLAS would share out each small product to threads of its own, which
    # take half of the processor's time to wait for each other. It reads this once, when NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import logging
    import time

    opened = open_memory(memory, model)
    try:
        from revln.serve import Service, Settings, listen, run
        from revln.serve.settings import is_loopback
        from revln.serve.token import token_from
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _PACKAGES:
            raise
        raise MissingExtraError(error.name, "serve") from error
    if token_file is None and not is_loopback(host):
        token_file = data_directory() / _KEPT_TOKEN
    settings = Settings(
        host=host,
        port=port,
        names=tuple(allow_host or ()),
        token=None if token_file is None else token_from(token_file),
        read_only=read_only,
        roots=tuple(root.resolve() for root in allow_root or ()),
        uploads=uploads or data_directory() / "uploads",
        body_bytes=max_body * 2**20,
        seconds=timeout,
    )
    service = Service(opened, settings)
    service.open()
    listening = listen(settings)
    address = _address(settings, listening.getsockname()[1])
    note(f"serving {plain(str(opened.path.absolute()))} at {address} (Ctrl-C ends it)")
    if token_file is not None:
        note(f"the token is in {plain(str(token_file.absolute()))}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    started = time.monotonic()
    answered = run(service, listening)
    data = {"address": address, "requests": answered, "seconds": round(time.monotonic() - started, 3)}
    return Reply(data, lambda: say(f"answered {answered:,} requests"))


def _address(settings: Settings, port: int) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{port}"
