"""What is counted, for Prometheus, and said in the log. Neither tells what was asked for."""

from __future__ import annotations

import logging
import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from revln.serve.errors import unexpected
from revln.serve.security import add_security_headers

__all__ = ["Metrics", "Observed"]

_log = logging.getLogger("revln.serve")
_NO_ROUTE = "-"


class Metrics:
    """The counters of one server.

    Attributes:
        requests: answered, by method, route and status.
        seconds: that answers took, by route.
        refused: requests turned away because too many were waiting.
        running: requests that wait for a thread or have one.
        together: sentences or images that were encoded at once, by what they are.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "revln_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self.seconds = Histogram("revln_request_seconds", "Time to answer.", ("route",), registry=self._registry)
        self.refused = Counter("revln_refused", "Requests refused while too many waited.", registry=self._registry)
        self.running = Gauge("revln_running", "Requests that wait for a thread or have one.", registry=self._registry)
        self.together = Histogram(
            "revln_encoded_together",
            "Sentences or images encoded at once.",
            ("what",),
            buckets=(1, 2, 4, 8, 16, 32),
            registry=self._registry,
        )

    def text(self) -> bytes:
        """All of them as Prometheus reads them."""
        return generate_latest(self._registry)


class Observed:
    """Counts and logs requests, answers those that fail unexpectedly, and adds the headers that all answers have.

    Args:
        app: answers.
        metrics: are counted up.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        answer = add_security_headers(noted)
        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - told as all others are
            told = unexpected(error)
            if status:
                raise ConnectionAbortedError from None
            await told.response()(scope, receive, answer)
        finally:
            self._note(scope, status, time.perf_counter() - started)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        # The pattern of the route, so that the number of counters is bounded.
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        method = scope["method"] if route != _NO_ROUTE else _NO_ROUTE
        self._metrics.requests.labels(method, route, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        _log.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)
