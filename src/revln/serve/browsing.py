"""Routes for those who look around without a query: the newest photos, what to filter by, what to search for."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query

from revln.retrieve import PHOTO_KINDS
from revln.retrieve.filters import conjunction, one_of
from revln.serve import shapes
from revln.serve.catalog import CatalogReader
from revln.serve.errors import Json
from revln.serve.filters import where_of
from revln.serve.requests import Listing, Suggest
from revln.serve.service import Service
from revln.store.words import encode_uri, sql_string
from revln.types import Record

__all__ = ["BrowsingRoutes"]


class BrowsingRoutes:
    """What there is.

    Args:
        service: what they work with.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory
        self._catalog = CatalogReader(service.memory)

    def add_to(self, app: FastAPI) -> None:
        """Makes them routes of an application."""
        app.add_api_route("/v1/records", self.show, response_model=shapes.Records, tags=["records"])
        app.add_api_route("/v1/facets", self.facets, response_model=shapes.Facets, tags=["search"])
        app.add_api_route("/v1/suggestions", self.suggest, response_model=shapes.Suggestions, tags=["search"])
        app.add_api_route("/v1/abilities", self.abilities, response_model=shapes.Abilities, tags=["state"])

    async def show(self, asked: Annotated[Listing, Query()]) -> Json:
        """Lists photos, the newest first; or records by id, or the answers taught about a photo."""
        with self._service.turn():
            records, total = await self._service.run(lambda: self._listed(asked))
        return Json({"records": [record.to_dict() for record in records], "total": total})

    async def facets(self) -> Json:
        """Tells what photos can be filtered by."""
        with self._service.turn():
            catalog = await self._service.run(self._catalog.read)
        return Json(
            {
                "photos": catalog.photos,
                **{
                    name: [{"value": value, "photos": count} for value, count in counts.items()]
                    for name, counts in (
                        ("labels", catalog.labels),
                        ("sources", catalog.sources),
                        ("folders", catalog.folders),
                    )
                },
            }
        )

    async def suggest(self, asked: Annotated[Suggest, Query()]) -> Json:
        """Tells what somebody who types may mean: labels, words and short texts of the photos."""
        with self._service.turn():
            found = await self._service.run(lambda: self._catalog.read().suggest(asked.prefix, asked.k))
        return Json({"suggestions": [{"text": it.text, "kind": it.kind, "photos": it.photos} for it in found]})

    async def abilities(self) -> Json:
        """Tells what this server allows, and what its model can do."""
        settings = self._service.settings
        with self._service.turn():
            model = await self._service.run(self._memory.current_model)
        generator = model.generator
        return Json(
            {
                "writes": not settings.read_only,
                "roots": [] if settings.read_only else [str(root) for root in settings.roots],
                "languages": [] if generator is None else list(generator.languages),
                "answers": generator is not None and generator.answers,
                "body_bytes": settings.body_bytes,
            }
        )

    def _listed(self, asked: Listing) -> tuple[list[Record], int]:
        sources = one_of("source", asked.sources) if asked.sources else None
        where = conjunction([self._meant(asked), where_of(asked), sources])
        snapshot = self._memory.table.refresh()
        page = snapshot.newest(asked.k, asked.offset, where)
        return list(snapshot.records(page).values()), snapshot.count(where)

    def _meant(self, asked: Listing) -> str:
        """Of which kind of records is spoken.

        Raises:
            RecordNotFoundError: there is no photo that answers could be about.
        """
        if asked.about is not None:
            uri = self._memory.record(asked.about).uri
            return f"kind = 'qa' AND uri = {sql_string(encode_uri(uri))}"
        return one_of("id", asked.ids) if asked.ids else one_of("kind", PHOTO_KINDS)
