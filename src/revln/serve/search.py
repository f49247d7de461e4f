"""Routes that find records."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import BinaryIO

from fastapi import FastAPI
from starlette.requests import Request

from revln.errors import MemoryStoreError, QueryError
from revln.pipeline.queries import EncodedQuery
from revln.serve import shapes
from revln.serve.bodies import asked_in, body_schema, one_of_both
from revln.serve.errors import Json
from revln.serve.filters import options_of
from revln.serve.requests import Search, Similar
from revln.serve.service import Read, Seen, Service
from revln.types import SearchResult

__all__ = ["SearchRoutes"]


class SearchRoutes:
    """Search by text, image or both, and by a record.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        for path, endpoint, body in (("/v1/search", self.search, Search), ("/v1/similar", self.similar, Similar)):
            app.add_api_route(
                path,
                endpoint,
                methods=["POST"],
                response_model=shapes.SearchResult,
                openapi_extra=body_schema(body),
                tags=["search"],
            )

    async def search(self, request: Request) -> Json:
        """Finds records by a text, by an image in a form, or by both."""
        async with asked_in(request, Search) as (asked, image):
            if asked.text is not None and not asked.text.strip():
                raise QueryError("the query is empty: say what to look for")
            options = options_of(asked, "text")
            with self._service.turn():
                encoded = _encoded(*await asyncio.gather(self._read(asked.text), self._see(image)))
                return await self._found(lambda: self._memory.search(asked.text, encoded=encoded, **options))

    async def similar(self, request: Request) -> Json:
        """Finds what resembles a record, which is left out, or an image in a form."""
        async with asked_in(request, Similar) as (asked, image):
            one_of_both(asked.id, image)
            options = options_of(asked, "id")
            with self._service.turn():
                if asked.id is not None:
                    record = asked.id
                    return await self._found(lambda: self._memory.similar(record, **options))
                encoded = _encoded(None, await self._see(image))
                return await self._found(lambda: self._memory.search(encoded=encoded, **options))

    async def _found(self, search: Callable[[], SearchResult]) -> Json:
        return Json((await self._service.run(search)).to_dict())

    async def _read(self, text: str | None) -> Read | None:
        return None if text is None else await self._service.read(text)

    async def _see(self, image: BinaryIO | None) -> Seen | None:
        return None if image is None else await self._service.see(image)


def _encoded(read: Read | None, seen: Seen | None) -> EncodedQuery | None:
    """What is asked for, as vectors.

    Raises:
        MemoryStoreError: they are of two models.
    """
    models = {part.model.id for part in (read, seen) if part is not None}
    if len(models) > 1:
        raise MemoryStoreError("the memory was migrated to another model meanwhile: ask again")
    vector = None if seen is None else seen.encoding.embeddings[0]
    return EncodedQuery(models.pop(), None if read is None else read.vector, vector) if models else None
