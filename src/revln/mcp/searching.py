"""The tool that finds photos."""

from __future__ import annotations

from revln.errors import QueryError
from revln.mcp import shapes
from revln.mcp.requests import Search
from revln.mcp.service import Service
from revln.mcp.tools import Picture, Result, Tool
from revln.types import Hit

__all__ = ["SEARCH"]


def _search(service: Service, asked: Search) -> Result:
    if asked.query is None and asked.image_path is None:
        raise QueryError("nothing to look for: give a query, an image_path, or both")
    found = service.memory.search(
        asked.query,
        None if asked.image_path is None else service.file(asked.image_path),
        k=asked.k,
        where=asked.where,
    )
    hits = [_told(hit) for hit in found.hits]
    thumbs = service.memory.thumbs([hit.id for hit in hits[: service.settings.pictures]])
    pictures = [Picture(f"{rank}. {hit.uri}", thumbs[hit.id]) for rank, hit in enumerate(hits, 1) if hit.id in thumbs]
    return Result(shapes.Found(hits=hits, matched=found.matched, warnings=list(found.warnings)), pictures)


def _told(hit: Hit) -> shapes.Hit:
    return shapes.Hit(
        id=hit.record.id,
        uri=hit.record.uri,
        text=hit.text,
        label=hit.record.label,
        probability=round(hit.probability, 6),
        score=round(hit.score, 6),
        taken_at=hit.record.meta.get("taken_at"),
    )


SEARCH = Tool(
    name="search_images",
    title="Search photos",
    description=(
        "Finds the user's own photos by a sentence, by an image that they should resemble, or by both. Tells how "
        "likely each is what was asked for, and shows the first few. When matched is false, nothing fits."
    ),
    asks=Search,
    answers=shapes.Found,
    work=_search,
)
