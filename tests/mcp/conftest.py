"""Servers to test: in this process, each asked in a session of its own by the SDK's client; and in another process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from PIL import Image

from revln.models import load_model
from revln.pipeline import Memory, index
from tiny_bundle import make_tiny_bundle

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}
Result = TypeVar("Result")


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, which describes photos and answers questions."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", generator=True)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos in folders that name their colour."""
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        Image.new("RGB", (64, 48), colour).save(folder / name / f"{name}.jpg", quality=95)
    return folder


@pytest.fixture(scope="session")
def indexed(photos: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of the photos, made once; not to be written to."""
    directory = tmp_path_factory.mktemp("memory") / "photos.revln"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("REVLN_DATA", str(tmp_path_factory.mktemp("data")))
        index([photos], memory=Memory.open(directory, model=bundle))
    return directory


@pytest.fixture
def memory(indexed: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A memory of the photos, of the test's own."""
    data = tmp_path / "data"
    monkeypatch.setenv("REVLN_DATA", str(data))
    shutil.copytree(bundle, data / "bundles" / "tiny")
    copy = shutil.copytree(indexed, tmp_path / "photos.revln")
    return Memory.open(copy, model=load_model(bundle), create=False)


@pytest.fixture
def ids(memory: Memory) -> dict[str, str]:
    """Ids of the photos by colour."""
    return {Path(hit.record.uri).stem: hit.record.id for hit in memory.search("red", k=10)}


class Served:
    """A server in this process; ``mode`` is how the client begins, by the handshake that most of them know."""

    def __init__(self, memory: Memory, mode: str = "legacy", **settings: Any) -> None:
        from revln.mcp import Service, Settings, make_server

        self.mode, self.service = mode, Service(memory, Settings(**settings))
        self.server = make_server(self.service)

    def talk(self, conversation: Callable[[Any], Awaitable[Result]]) -> Result:
        """Has a client of its own ask the server something."""
        import anyio
        from mcp import Client, MCPError

        async def connected() -> Result:
            async with Client(self.server, mode=self.mode) as client:
                try:
                    return await conversation(client)
                except MCPError as error:
                    refused = error
            raise refused  # out here, or else it would come in a group

        return anyio.run(connected)

    def call(self, tool: str, **arguments: Any) -> Any:
        """The result of a tool, which the client holds against the tool's output schema."""
        result = self.talk(lambda client: client.call_tool(tool, arguments))
        assert not result.is_error, result.content
        return result

    def data(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured result of a tool."""
        structured: dict[str, Any] = self.call(tool, **arguments).structured_content
        return structured

    def error(self, tool: str, **arguments: Any) -> str:
        """What is wrong with a call."""
        result = self.talk(lambda client: client.call_tool(tool, arguments))
        assert result.is_error, result.structured_content
        (block,) = result.content
        assert result.structured_content is None
        assert "Traceback" not in block.text
        assert "\n" not in block.text
        return str(block.text)


@pytest.fixture
def serve(memory: Memory) -> Callable[..., Served]:
    """``serve(read_only=True)`` gives a server of the memory with other settings than the usual."""

    def start(memory: Memory = memory, **settings: Any) -> Served:
        return Served(memory, **settings)

    return start


@pytest.fixture
def served(serve: Callable[..., Served], photos: Path) -> Served:
    """A server that reads what is below the folder of the photos."""
    return serve(roots=(photos,))


@pytest.fixture
def command(memory: Memory) -> Callable[..., tuple[list[str], dict[str, str]]]:
    """The command that starts a server in a process of its own, and its environment."""

    def line(*options: object) -> tuple[list[str], dict[str, str]]:
        words = [sys.executable, "-m", "revln.cli", "mcp", "--memory", str(memory.path), *map(str, options)]
        return words, dict(os.environ)

    return line
