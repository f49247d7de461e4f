"""The server in a process of its own: what is on its stdout, and when it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

import anyio
from mcp import ClientSession, StdioServerParameters, stdio_client

Command = Callable[..., tuple[list[str], dict[str, str]]]
BEGIN = {
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def lines(*messages: dict[str, Any]) -> str:
    return "".join(json.dumps({"jsonrpc": "2.0", **message}) + "\n" for message in messages)


@pytest.mark.slow
def test_a_client_starts_it_and_asks(command: Command, photos: Path, ids: dict[str, str], tmp_path: Path) -> None:
    (executable, *arguments), environment = command("--allow-root", photos)
    parameters = StdioServerParameters(command=executable, args=arguments, env=environment, cwd=tmp_path)

    async def talk() -> None:
        with (tmp_path / "log").open("w") as log:
            async with stdio_client(parameters, log) as streams, ClientSession(*streams) as client:
                begun = await client.initialize()
                assert begun.server_info.name == "revln"
                assert len((await client.list_tools()).tools) == 4
                found = await client.call_tool("search_images", {"query": "red", "k": 1})
                assert [block.type for block in found.content] == ["text", "text", "image"]
                asked = {"image_path": str(photos / "red" / "red.jpg")}
                before = await client.call_tool("describe_image", asked)
                assert before.structured_content["text"] == "A red photo."
                await client.call_tool("add_to_memory", {"id": ids["red"], "text": "Ada on the wall"})
                after = await client.call_tool("describe_image", asked)
                assert after.structured_content["text"] == "Ada on the wall."

    anyio.run(talk)
    log = (tmp_path / "log").read_text()
    assert "serving" in log
    assert "add_to_memory done" in log
    assert "Traceback" not in log


@pytest.mark.slow
def test_stdout_is_the_protocol_alone_and_the_end_of_stdin_is_the_end(command: Command, ids: dict[str, str]) -> None:
    words, environment = command("--json")
    call = {"method": "tools/call", "params": {"name": "describe_image", "arguments": {"id": ids["red"]}}}
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines({**BEGIN, "id": 1}, {"method": "notifications/initialized"}, {**call, "id": 2}))
        process.stdin.write("no JSON\n")
        process.stdin.write(lines({"method": "ping", "id": 3}))
        process.stdin.flush()
        answers: dict[Any, dict[str, Any]] = {}
        while not {1, 2, 3} <= answers.keys():
            answer = json.loads(process.stdout.readline())
            answers[answer.get("id")] = answer
        assert all(answer["jsonrpc"] == "2.0" for answer in answers.values())
        assert answers[2]["result"]["structuredContent"]["text"] == "A red photo."
        process.stdin.close()
        started = time.monotonic()
        assert process.stdout.read() == ""
        process.wait(60)
        assert time.monotonic() - started < 30
        assert process.stderr is not None
        log = process.stderr.read()
    assert process.returncode == 0, log
    assert "Traceback" not in log


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_ctrl_c_ends_it_at_once(command: Command) -> None:
    words, environment = command()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(lines({**BEGIN, "id": 1}))
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGINT)
        process.wait(30)  # its stdin is still open
        assert process.stderr is not None
        log = process.stderr.read()
    assert process.returncode == -signal.SIGINT, log
    assert "Traceback" not in log
