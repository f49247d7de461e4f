"""A server in a process of its own: clients that dawdle, the end of the process, what outlives it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

import httpx2

from faulting import check_clean
from revln.pipeline import Memory
from revln.serve import Settings, listen
from serving import Process, picture

UNTIL_THE_MEMORY = """
import os, sys
from revln.cli import run, serve

def look(*_):
    print(os.environ["OPENBLAS_NUM_THREADS"], "numpy" in sys.modules)
    sys.exit()

serve.open_memory = look
run()
"""
HEAD = "POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def seconds_until_closed(port: int, begin: str, drip: bytes, most: float) -> tuple[float, bytes]:
    """Sends a beginning, then a byte every tenth of a second; how long that goes, and what comes back."""
    started, answer = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=most) as connection:
        connection.sendall(begin.encode())
        connection.setblocking(False)
        while time.monotonic() - started < most:
            with suppress(BlockingIOError):
                came = connection.recv(4096)
                if not came:
                    return time.monotonic() - started, answer
                answer += came
            try:
                connection.send(drip)
            except BlockingIOError:
                pass
            except OSError:
                return time.monotonic() - started, answer
            time.sleep(0.1)
    raise AssertionError(f"still open after {most} seconds")


@pytest.mark.slow
def test_clients_that_dawdle_are_cut_off(process: Callable[..., Any]) -> None:
    with process(header_seconds=1.0, seconds=2.0) as server:
        port = server.port
        silent, _ = seconds_until_closed(port, "", b"", 20)
        headers, _ = seconds_until_closed(port, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"x", 20)
        second, answer = seconds_until_closed(port, "GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"G", 20)
        assert answer.startswith(b"HTTP/1.1 200")
        body, told = seconds_until_closed(port, HEAD + "Content-Length: 1000\r\n\r\n", b" ", 20)
        assert told.startswith(b"HTTP/1.1 408")
        chunked, told = seconds_until_closed(port, HEAD + "Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", 20)
        assert told.startswith(b"HTTP/1.1 408")
        # The limit, and as much again for a busy machine.
        assert max(silent, headers, second) < 2 * 1.0 + 5
        assert max(body, chunked) < 2 * 2.0 + 5
        assert httpx2.get(f"{server.url}/health").status_code == 200


@pytest.mark.slow
def test_clients_that_do_not_take_their_answer_are_cut_off(
    process: Callable[..., Any], memory: Memory, tmp_path: Path
) -> None:
    photo = tmp_path / "large.bmp"
    photo.write_bytes(picture("red", "BMP", (3000, 3000)))
    record = memory.add(image=photo)
    with process(seconds=1.0) as server, socket.create_connection(("127.0.0.1", server.port), 30) as connection:
        connection.sendall(f"GET /v1/records/{record.id}/file HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        time.sleep(4)
        taken = 0
        with suppress(ConnectionResetError):
            while came := connection.recv(2**20):
                taken += len(came)
        assert 0 < taken < photo.stat().st_size
        assert len(httpx2.get(f"{server.url}/v1/records/{record.id}/file").content) == photo.stat().st_size


@pytest.mark.slow
def test_a_server_is_there_for_others_while_some_dawdle(process: Callable[..., Any]) -> None:
    with process(threads=1, waiting=0) as server:
        dawdling = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for connection in dawdling[:10]:
            connection.sendall(b"GET /he")
        for connection in dawdling[10:]:
            connection.sendall((HEAD + "Content-Length: 1000\r\n\r\n{").encode())
        response = httpx2.post(f"{server.url}/v1/search", json={"text": "red", "k": 1})
        assert response.status_code == 200
        for connection in dawdling:
            connection.close()


def test_the_body_of_an_answer_does_not_wait_for_the_headers_to_be_acknowledged() -> None:
    with listen(Settings(port=0)) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_body_without_end_is_refused_early(process: Callable[..., Any]) -> None:
    with process(json_bytes=10_000) as server, socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        connection.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n").encode())
        sent = 0
        with suppress(OSError):
            while sent < 50_000_000:
                connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
                sent += 1000
        assert sent < 50_000_000
        assert httpx2.get(f"{server.url}/health").status_code == 200


def test_headers_without_end_are_refused(process: Callable[..., Any]) -> None:
    with process() as server, socket.create_connection(("127.0.0.1", server.port), 20) as connection:
        with suppress(OSError):
            for _ in range(1000):
                connection.sendall(b"X" * 1000)
        connection.settimeout(20)
        with suppress(ConnectionError):
            assert connection.recv(100).startswith(b"HTTP/1.1 400")
        assert httpx2.get(f"{server.url}/health").status_code == 200


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_what_runs_is_finished_before_the_end(process: Callable[..., Any]) -> None:
    body = json.dumps({"text": "red"}).encode()
    head = f"{HEAD}Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n"
    with process() as server, ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        asking = [stack.enter_context(socket.create_connection(address, 30)) for _ in range(4)]
        for connection in asking:
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # it runs, and waits for the body
        server.process.send_signal(signal.SIGTERM)
        with suppress(ConnectionRefusedError):
            while True:
                socket.create_connection(address, 30).close()
                time.sleep(0.01)
        for connection in asking:
            connection.sendall(body)
        assert [connection.recv(100)[:13] for connection in asking] == [b"HTTP/1.1 200 "] * 4
        _, errors = server.process.communicate(timeout=30)
        assert server.process.returncode == -signal.SIGTERM
        assert "Traceback" not in errors


def test_one_blas_thread_is_asked_for_before_numpy_is_loaded() -> None:
    others = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    for given, expected in (({}, "1"), ({"OPENBLAS_NUM_THREADS": "2"}, "2")):
        command = [sys.executable, "-c", UNTIL_THE_MEMORY, "serve"]
        done = subprocess.run(command, env=others | given, check=True, capture_output=True, text=True)
        assert done.stdout.split() == [expected, "False"]


def write_until_killed(server: Process, acknowledged: list[tuple[str, str]]) -> None:
    """Teaches one thing after another, noting those that the server says it knows."""
    with (
        httpx2.Client(base_url=server.url, timeout=30) as client,
        suppress(httpx2.TransportError, json.JSONDecodeError),
    ):
        for number in range(10_000):
            if number % 3:
                response = client.post("/v1/records", json={"texts": [f"thought {number}"]})
            else:
                colour = (number % 256, number // 256, 7)
                image = {"image": picture(colour, "PNG")}
                response = client.post("/v1/records", files=image, data={"texts": f"photo {number}"})
            assert response.status_code == 201
            acknowledged.append((response.json()["id"], response.json()["text"]))


@pytest.mark.slow
def test_a_killed_server_loses_nothing_that_it_has_acknowledged(
    process: Callable[..., Any], memory: Memory, tmp_path: Path
) -> None:
    acknowledged: list[tuple[str, str]] = []
    for _ in range(3):
        before = len(acknowledged)
        with process() as server:
            writing = threading.Thread(target=write_until_killed, args=(server, acknowledged))
            writing.start()
            while len(acknowledged) < before + 7:
                assert writing.is_alive()
                time.sleep(0.01)
            server.kill()
            writing.join(60)
    check_clean(memory.path)
    opened = Memory.open(memory.path, create=False)
    for record, text in acknowledged:
        assert opened.record(record).texts[0] == text
    photos = [record for record, _ in acknowledged if opened.record(record).kind == "image"]
    assert photos
    assert all(opened.photo_file(record) for record in photos)


def test_a_search_sees_what_another_process_indexes(process: Callable[..., Any], memory: Memory) -> None:
    with process() as server:
        asked = {"text": "green green", "kinds": ["text"]}
        assert httpx2.post(f"{server.url}/v1/search", json=asked).json()["hits"] == []
        added = memory.add(texts=["green green"])
        (hit,) = httpx2.post(f"{server.url}/v1/search", json=asked).json()["hits"]
        assert hit["id"] == added.id
