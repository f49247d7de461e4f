"""Answers that are said word by word, as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from revln.errors import RevlnError
from revln.serve.errors import as_api_error, json_bytes, unexpected
from revln.types import Answer

__all__ = ["EVENTS", "AnswerStream", "wants_events"]

EVENTS = "text/event-stream"
_HALF = "\ufffd"  # a character of which not all bytes are said yet


def wants_events(request: Request) -> bool:
    """Whether a request asks for the words as they come."""
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(kind.partition(";")[0].strip() == EVENTS for kind in accepted)


class AnswerStream(StreamingResponse):
    """An answer as it grows: ``token`` for what is new of its text, then ``answer`` for the whole, or ``error``.

    Args:
        first: the answer as it begins.
        rest: the same as it goes on; the last is the whole.
        run: has a thread do something.
        held: given back when the last word is sent, or the client is gone.
    """

    def __init__(
        self,
        first: Answer,
        rest: Iterator[Answer],
        run: Callable[[Callable[[], Answer | None]], Awaitable[Answer | None]],
        held: ExitStack,
    ) -> None:
        super().__init__(self._events(first), media_type=EVENTS)
        self._rest, self._run, self._held = rest, run, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One answer."""
        with self._held:
            await super().__call__(scope, receive, send)

    async def _events(self, answer: Answer) -> AsyncIterator[bytes]:
        said, growing = "", True
        try:
            while growing:
                if answer.text.startswith(said) and answer.text != said and not answer.text.endswith(_HALF):
                    yield _event("token", {"text": answer.text[len(said) :]})
                    said = answer.text
                following = await self._run(lambda: next(self._rest, None))
                growing = following is not None
                answer = following or answer
            yield _event("answer", answer.to_dict())
        except RevlnError as error:
            yield _event("error", {"error": as_api_error(error).to_dict()})
        except Exception as error:  # noqa: BLE001 - told as all others are
            yield _event("error", {"error": unexpected(error).to_dict()})


def _event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + json_bytes(data) + b"\n\n"
