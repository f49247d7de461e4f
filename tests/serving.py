"""What tests of the server share: images to send, a check of what is answered, a server in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from revln.pipeline import Memory

ADDRESS = "http://127.0.0.1:8765"
SERVER = """
import json, sys
from pathlib import Path
from revln.pipeline import Memory
from revln.serve import Service, Settings, listen, run

memory, options = sys.argv[1:]
settings = Settings(port=0, **{name: Path(v) if name == "uploads" else v for name, v in json.loads(options).items()})
listening = listen(settings)
print(listening.getsockname()[1], flush=True)
run(Service(Memory.open(memory, create=False), settings), listening)
"""


def picture(colour: str | tuple[int, int, int], kind: str = "JPEG", size: tuple[int, int] = (64, 48)) -> bytes:
    """An image file of one colour."""
    stream = BytesIO()
    Image.new("RGB", size, colour).save(stream, kind)
    return stream.getvalue()


class Checked:
    """What a client is told, held against the OpenAPI document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def check(self, method: str, path: str, response: Any) -> None:
        """Fails when an answer is not one that the document tells of."""
        from jsonschema import Draft202012Validator

        content = self._content(method, path, response.status_code)
        kind = response.headers["content-type"].partition(";")[0]
        known = next(
            (name for name in content if name == kind or (name == "image/*" and kind.startswith("image/"))), None
        )
        assert known, f"{method} {path}: {kind} is not among {list(content)}"
        if kind == "application/json":
            schema = content[known]["schema"] | {"components": self._document["components"]}
            Draft202012Validator(schema).validate(response.json())

    def _content(self, method: str, path: str, status: int) -> dict[str, Any]:
        parts = path.partition("?")[0].split("/")
        for pattern, operations in self._document["paths"].items():
            wanted = pattern.split("/")
            fits = len(wanted) == len(parts) and all(a == b or a[:1] == "{" for a, b in zip(wanted, parts, strict=True))
            if fits and method.lower() in operations:
                answers = operations[method.lower()]["responses"]
                return answers.get(str(status), answers.get(f"{status // 100}XX"))["content"]
        assert status >= 400, f"{method} {path} is answered with {status}, and no route"
        return {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}


class Process:
    """A server in a process of its own."""

    def __init__(self, started: subprocess.Popen[str], port: int) -> None:
        self.process, self.port = started, port
        self.url = f"http://127.0.0.1:{port}"

    def kill(self) -> None:
        """Ends it at once."""
        self.process.kill()
        self.process.wait()


@contextmanager
def served(memory: Path, **options: Any) -> Iterator[Process]:
    """Runs a server at a free port of this machine's own address; the options are those of ``Settings``."""
    command = [sys.executable, "-c", SERVER, str(memory), json.dumps(options)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as started:
        try:
            assert started.stdout is not None
            line = started.stdout.readline()
            assert line, started.communicate()
            server = Process(started, int(line))
            wait_until_ready(server)
            yield server
        finally:
            if started.poll() is None:
                started.send_signal(signal.SIGTERM)
                started.communicate(timeout=30)


@contextmanager
def served_here(memory: Memory, **options: Any) -> Iterator[str]:
    """Runs a server in a thread of this process, which starts sooner; gives its address."""
    import uvicorn

    from revln.serve import Service, Settings, listen, make_app

    settings = Settings(port=0, **options)
    listening = listen(settings)
    config = uvicorn.Config(make_app(Service(memory, settings)), ws="none", lifespan="on", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


def wait_until_ready(server: Process) -> None:
    """Returns when it answers."""
    import httpx2

    for _ in range(300):
        try:
            if httpx2.get(f"{server.url}/ready").status_code == 200:
                return
        except httpx2.TransportError:
            assert server.process.poll() is None, server.process.communicate()
        time.sleep(0.1)
    raise AssertionError("it does not become ready")
