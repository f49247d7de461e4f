"""The process: a socket, uvicorn, and an end to clients that dawdle."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from revln.errors import InputError
from revln.serve.app import make_app
from revln.serve.service import Service
from revln.serve.settings import Settings

__all__ = ["listen", "run"]

_HEADER_BYTES = 16 * 1024
_BACKLOG = 128


def listen(settings: Settings) -> socket.socket:
    """A socket at the address asked for.

    Raises:
        InputError: it cannot be had.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(f"{settings.host} port {settings.port}: {reason}: choose another --host or --port") from error
    # Or else the body of an answer would wait until the client acknowledges the headers, up to 40 ms. Connections
    # inherit it; asyncio would set it for a socket that names its protocol, which this one does not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def run(service: Service, listening: socket.socket) -> int:
    """Serves until the process is told to end by SIGINT or SIGTERM; returns how many requests were answered.

    Requests that run are finished first.

    Args:
        service: what is served.
        listening: see ``listen``; closed at the end.
    """
    settings = service.settings
    limits = {"header_seconds": settings.header_seconds, "answer_seconds": settings.seconds}
    protocol = cast("type[asyncio.Protocol]", partial(HurriedProtocol, **limits))
    config = uvicorn.Config(
        make_app(service),
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it has the whole address; ``Observed`` logs
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=math.ceil(settings.seconds),
    )
    server = uvicorn.Server(config)
    with suppress(KeyboardInterrupt):  # which uvicorn passes on when it has ended
        server.run(sockets=[listening])
    return server.server_state.total_requests


class HurriedProtocol(H11Protocol):
    """HTTP/1.1 with time limits on what only the connection sees, which uvicorn has not.

    The headers of a request have to come in time (uvicorn's own limit, on the silence between two requests, ends with
    the first byte of the next one), and an answer that waits to be sent has to be taken in time.
    """

    def __init__(self, *arguments: Any, header_seconds: float, answer_seconds: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._headers_due = _Deadline(self.loop, header_seconds, self._give_up)
        self._answer_due = _Deadline(self.loop, answer_seconds, self._cut_off)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        self._headers_due.start()

    def data_received(self, data: bytes) -> None:
        """It has sent something."""
        super().data_received(data)
        if self._is_answering():
            self._headers_due.stop()
        else:
            self._headers_due.start()

    def pause_writing(self) -> None:
        """It does not take what it is sent."""
        super().pause_writing()
        self._answer_due.start()

    def resume_writing(self) -> None:
        """It has taken nearly all of it."""
        super().resume_writing()
        self._answer_due.stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has gone."""
        super().connection_lost(exc)
        self._headers_due.stop()
        self._answer_due.stop()

    def _give_up(self) -> None:
        if not self._is_answering():
            self.transport.close()

    def _cut_off(self) -> None:
        self.transport.abort()  # ``close`` would wait for what is still to be sent

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete


class _Deadline:
    """Something that is done unless it is stopped in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float, action: Callable[[], object]) -> None:
        self._loop, self._seconds, self._action = loop, seconds, action
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Starts the time, unless it runs already."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._expire)

    def stop(self) -> None:
        """Stops it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        self._action()
