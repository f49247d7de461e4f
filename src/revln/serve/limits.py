"""How much one request may be: of bytes, of time, of everything that is counted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from revln.serve.errors import ApiError
from revln.serve.settings import Settings

__all__ = [
    "MOST_COMPARED",
    "MOST_EMBEDDED",
    "MOST_HITS",
    "MOST_LABELS",
    "MOST_NEIGHBOURS",
    "MOST_OFFSET",
    "MOST_RECALLED",
    "MOST_TEXTS",
    "TEXT_LENGTH",
    "WITH_IMAGES",
    "Limits",
]

TEXT_LENGTH = 2000  # characters
MOST_HITS = 1000
MOST_OFFSET = 100_000
MOST_NEIGHBOURS = 1000
MOST_RECALLED = 64
MOST_LABELS = 1000
MOST_COMPARED = 200  # pictures; 2 ms each
MOST_TEXTS = 100  # of one record
MOST_EMBEDDED = 256

WITH_IMAGES = frozenset({"/v1/search", "/v1/similar", "/v1/classify", "/v1/caption", "/v1/ask", "/v1/records"})
"""Paths of the routes that take images, and so longer bodies than others."""

_CLOSE = {"Connection": "close"}  # what is still to come of the body is not waited for


class Limits:
    """Ends requests that are too long, in bytes or in seconds. No more of a body is read than it may have.

    Args:
        app: answers those that are not.
        settings: say how long.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        form = headers.get("content-type", "").lower().startswith("multipart/")
        long = form and scope["path"] in WITH_IMAGES
        body = _Body(receive, self._settings.body_bytes if long else self._settings.json_bytes)
        answer = _Answer(send)
        try:
            body.check_announced(headers.get("content-length", ""))
            async with asyncio.timeout(self._settings.seconds):
                await self._app(scope, body.receive, answer.send)
        except ApiError as error:
            await error.response()(scope, receive, send)
        except TimeoutError:
            if answer.begun:
                raise  # the connection is closed, which is all that can be told
            await self._late(body).response()(scope, receive, send)

    def _late(self, body: _Body) -> ApiError:
        seconds = f"{self._settings.seconds:g} seconds"
        if not body.complete:
            return ApiError(408, "slow_request", f"the request has not come in within {seconds}", None, _CLOSE)
        return ApiError(504, "timed_out", f"the answer has taken more than {seconds}", "ask for less, or later")


@dataclass(slots=True)
class _Body:
    """The body of a request on its way in."""

    source: Receive
    most: int
    read: int = 0
    complete: bool = False

    def check_announced(self, length: str) -> None:
        if length.isdecimal() and int(length) > self.most:
            raise self._too_long()

    async def receive(self) -> Message:
        message = await self.source()
        if message["type"] == "http.request":
            self.read += len(message.get("body", b""))
            if self.read > self.most:
                raise self._too_long()
            self.complete = not message.get("more_body", False)
        return message

    def _too_long(self) -> ApiError:
        most = f"{self.most / 2**20:g} MB"
        return ApiError(
            413, "too_large", f"the body is longer than {most}", "send a smaller image or fewer texts", _CLOSE
        )


@dataclass(slots=True)
class _Answer:
    """An answer on its way out."""

    target: Send
    begun: bool = False

    async def send(self, message: Message) -> None:
        self.begun = True
        await self.target(message)
