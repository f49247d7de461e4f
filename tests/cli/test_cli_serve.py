"""The command that starts the server; the server itself is tested in ``tests/serve``."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

Run = Callable[..., Result]


def test_the_extra_is_named_where_it_is_missing(run: Run, memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("revln.serve", "uvicorn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    result = run("serve", "--memory", memory)
    assert result.exit_code == 1
    assert result.stderr == "error: fastapi is not installed: pip install 'revln[serve]'\n"


def test_a_memory_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs revln[serve]")
    result = run("serve", "--memory", tmp_path / "none")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: no memory at")
    assert not (tmp_path / "none").exists()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The settings that the command would serve with; it does not."""
    pytest.importorskip("fastapi", reason="needs revln[serve]")
    started: list[Any] = []

    def run(service: Any, listening: socket.socket) -> int:
        started.append(service.settings)
        listening.close()
        return 7

    monkeypatch.setattr("revln.serve.run", run)
    return started


def test_the_usual_settings(run_json: Callable[..., Any], memory: Path, home: Path, served: list[Any]) -> None:
    told = run_json("serve", "--memory", memory, "--port", "0")
    (settings,) = served
    assert (settings.host, settings.token, settings.read_only, settings.roots) == ("127.0.0.1", None, False, ())
    assert settings.uploads == home / "uploads"
    assert told["address"].startswith("http://127.0.0.1:")
    assert told["requests"] == 7
    assert not (home / "serve-token").exists()


def test_all_settings(run: Run, memory: Path, tmp_path: Path, served: list[Any]) -> None:
    result = run(
        *("serve", "--memory", memory, "--port", 0, "--read-only", "--allow-root", tmp_path / "a" / ".."),
        *("--allow-root", tmp_path, "--allow-host", "photos.home", "--uploads", tmp_path / "up"),
        *("--max-body", 3, "--timeout", 5, "--token-file", tmp_path / "token"),
    )
    assert result.exit_code == 0, result.stderr
    (settings,) = served
    assert (settings.read_only, settings.roots, settings.names) == (True, (tmp_path, tmp_path), ("photos.home",))
    assert (settings.uploads, settings.body_bytes, settings.seconds) == (tmp_path / "up", 3 * 2**20, 5)
    assert settings.token == (tmp_path / "token").read_text().strip()
    assert f"the token is in {tmp_path / 'token'}" in result.stderr
    assert settings.token not in result.stderr + result.stdout


def test_others_need_a_token(run: Run, memory: Path, home: Path, served: list[Any]) -> None:
    result = run("serve", "--memory", memory, "--host", "0.0.0.0", "--port", 0)
    assert result.exit_code == 0, result.stderr
    token = home / "serve-token"
    assert f"the token is in {token}" in result.stderr
    assert served[0].token == token.read_text().strip()
    if os.name != "nt":
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
    run("serve", "--memory", memory, "--host", "0.0.0.0", "--port", 0)
    assert served[1].token == served[0].token


def test_a_port_that_is_taken(run: Run, memory: Path, served: list[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", "--memory", memory, "--port", port)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: 127.0.0.1 port {port}: ")
    assert result.stderr.endswith("choose another --host or --port\n")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_in_a_process_of_its_own(process: Any, memory: Path, tmp_path: Path) -> None:
    pytest.importorskip("fastapi", reason="needs revln[serve]")
    import httpx2

    command = [sys.executable, "-m", "revln.cli", "serve", "--memory", str(memory), "--port", "0", "--json"]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with started, ExitStack() as held:
        held.callback(started.kill)  # or else what fails would wait for it
        assert started.stderr is not None
        line = started.stderr.readline()
        address = line.split(" at ")[1].split()[0]
        assert httpx2.get(f"{address}/ready", timeout=60).status_code == 200
        found = httpx2.post(f"{address}/v1/search", json={"text": "red", "k": 1}).json()["hits"]
        assert found[0]["uri"].endswith("red.jpg")
        started.send_signal(signal.SIGINT)
        out, errors = started.communicate(timeout=60)
    assert started.returncode == 0, errors
    assert '"requests": 2' in out
    assert "POST /v1/search 200" in errors
    assert "Traceback" not in errors
