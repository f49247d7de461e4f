"""An endpoint of OpenAI's protocol of chat completions on this machine's own address, which does what a test says.

What it does is a list of steps, one a request; the last is repeated. ``says`` makes one that answers well.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-very-secret-1234567890"
MODEL = "eyes-1"


@dataclass(frozen=True)
class Step:
    """An answer to a request."""

    status: int = 200
    body: bytes = b""
    kind: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0  # seconds


def completion(content: Any) -> dict[str, Any]:
    """A chat completion whose message holds some text."""
    message = {"role": "assistant", "content": content}
    choices = [{"index": 0, "finish_reason": "stop", "message": message}]
    return {"id": "1", "object": "chat.completion", "created": 1, "model": MODEL, "choices": choices}


def says(content: Any, **more: Any) -> Step:
    """A chat completion of this text, or of this JSON."""
    text = content if isinstance(content, str | None) else json.dumps(content, ensure_ascii=False)
    return Step(body=json.dumps(completion(text)).encode(), **more)


def fails(status: int, message: str = "no", **more: Any) -> Step:
    """An error as such endpoints put it."""
    return Step(status, json.dumps({"error": {"message": message, "type": "some", "code": None}}).encode(), **more)


class ChatServer:
    """What the endpoint does, and what it was asked."""

    def __init__(self) -> None:
        self.steps: list[Step] = [says({"text": "A photo.", "evidence": [], "sure": 0.9})]
        self.react: Callable[[dict[str, Any]], Step] | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.url = ""

    def does(self, *steps: Step) -> None:
        """Sets the steps from now on."""
        self.steps = list(steps)

    def text(self, number: int = -1) -> str:
        """The text of the user's message in a request."""
        return "".join(part["text"] for part in self.parts(number) if part["type"] == "text")

    def parts(self, number: int = -1) -> list[dict[str, Any]]:
        """The parts of the user's message in a request."""
        system, user = self.requests[number]["messages"]
        assert (system["role"], user["role"]) == ("system", "user")
        return user["content"]

    def next(self, request: dict[str, Any]) -> Step:
        if self.react is not None:
            return self.react(request)
        return self.steps.pop(0) if len(self.steps) > 1 else self.steps[0]


@contextmanager
def chat_server() -> Iterator[ChatServer]:
    """Runs one at a free port."""
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            state.times.append(time.monotonic())
            state.requests.append(request)
            state.headers.append({name.lower(): value for name, value in self.headers.items()})
            state.paths.append(self.path)
            step = state.next(request)
            time.sleep(step.after)
            try:
                self.send_response(step.status)
                for name, value in {"Content-Type": step.kind, **step.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(step.body)))
                self.end_headers()
                self.wfile.write(step.body)
            except ConnectionError:
                pass  # who asked has given up

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state.url = f"http://127.0.0.1:{server.server_port}/v1"
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
