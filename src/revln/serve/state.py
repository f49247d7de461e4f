"""Routes that tell of the server itself and of its memory."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from starlette.responses import Response

from revln.serve import shapes
from revln.serve.errors import Json
from revln.serve.service import Service

__all__ = ["StateRoutes"]

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


class StateRoutes:
    """Whether the server is well, and what it has.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        app.add_api_route("/v1/memory", self.memory, response_model=shapes.MemoryInfo, tags=["memory"])
        app.add_api_route("/health", self.health, response_model=shapes.State, tags=["state"])
        app.add_api_route("/ready", self.ready, response_model=shapes.State, tags=["state"])
        text: dict[int | str, dict[str, Any]] = {
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "The metrics."}
        }
        app.add_api_route("/metrics", self.metrics, response_class=Response, responses=text, tags=["state"])

    async def memory(self) -> Json:
        """Tells what the memory holds."""
        with self._service.turn():
            found = await self._service.run(self._memory.info)
        return Json({"path": str(self._memory.path.absolute()), **found.to_dict()})

    async def health(self) -> Json:
        """Says that the server runs."""
        return Json({"status": "ok"})

    async def ready(self) -> Json:
        """Says that the memory and its model are open; else the error that keeps them from it."""
        with self._service.turn():
            await self._service.run(self._memory.current_model)
        return Json({"status": "ready"})

    async def metrics(self) -> Response:
        """Counts requests and times, in Prometheus' text format."""
        return Response(self._service.metrics.text(), headers={"Content-Type": _PROMETHEUS})
