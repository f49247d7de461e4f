"""The command that starts the MCP server; the server itself is tested in ``tests/mcp``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_the_extra_is_named_where_it_is_missing(run: Run, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("revln.mcp", "mcp."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp", None)
    result = run("mcp", "--memory", memory)
    assert result.exit_code == 1
    assert result.stderr == "error: mcp is not installed: pip install 'revln[mcp]'\n"
    assert result.stdout == ""


def test_a_memory_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    result = run("mcp", "--memory", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no memory at")
    assert result.stdout == ""
    assert not (tmp_path / "none").exists()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the command would serve; it does not."""
    pytest.importorskip("mcp.server", reason="needs revln[mcp]")
    started: list[Any] = []
    monkeypatch.setattr("revln.mcp.run", started.append)
    return started


def test_the_usual_settings(run: Run, memory: Path, served: list[Any]) -> None:
    result = run("mcp", "--memory", memory)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"serving {memory} to a client on stdin and stdout\n"
    (service,) = served
    assert (service.settings.roots, service.settings.read_only) == ((), False)
    assert service.memory.path == memory


def test_all_settings(run: Run, memory: Path, tmp_path: Path, served: list[Any]) -> None:
    options = ("--allow-root", tmp_path, "--allow-root", memory, "--read-only", "--model", "base")
    result = run("mcp", "--memory", memory, *options, "--json")
    assert (result.exit_code, result.stdout) == (0, "")
    assert (served[0].settings.roots, served[0].settings.read_only) == ((tmp_path, memory), True)


def test_a_folder_that_is_not_there(run: Run, memory: Path, tmp_path: Path, served: list[Any]) -> None:
    result = run("mcp", "--memory", memory, "--allow-root", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stderr == f"error: {tmp_path / 'none'}: no such folder: name one that there is with --allow-root\n"
    assert served == []


def test_another_model_than_the_memory_has(run: Run, memory: Path, served: list[Any]) -> None:
    result = run("mcp", "--memory", memory, "--model", "nonsense")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert served == []
