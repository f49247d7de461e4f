"""The tool that teaches."""

from __future__ import annotations

from revln.errors import QueryError
from revln.mcp import shapes
from revln.mcp.requests import Teach
from revln.mcp.service import Service
from revln.mcp.tools import Result, Tool
from revln.types import Record

__all__ = ["TEACH"]


def _teach(service: Service, asked: Teach) -> Result:
    record = service.wrote(_taught(service, asked))
    return Result(
        shapes.Taught(
            id=record.id,
            source=record.source,
            kind=record.kind,
            uri=record.uri,
            texts=list(record.texts),
            label=record.label,
            meta=dict(record.meta),
        )
    )


def _taught(service: Service, asked: Teach) -> Record:
    if asked.id is not None and asked.image_path is not None:
        raise QueryError("which photo is meant: give an id or an image_path, not both")
    texts = [text for text in (asked.text, *asked.texts) if text and text.strip()]
    if asked.id is None or asked.question is not None or asked.answer is not None:
        return service.memory.add(
            image=_image(service, asked),
            texts=texts,
            label=asked.label,
            question=asked.question,
            answer=asked.answer,
        )
    if not texts and asked.label is None:
        raise QueryError("nothing to add: give texts, a label, or a question with its answer")
    return service.memory.correct(asked.id, texts=texts or None, label=asked.label)  # its file need not be there


def _image(service: Service, asked: Teach) -> str | None:
    if asked.id is not None:
        return service.memory.record(asked.id).uri
    return None if asked.image_path is None else str(service.file(asked.image_path))


TEACH = Tool(
    name="add_to_memory",
    title="Add to the memory",
    description=(
        "Teaches the memory one thing, which later answers can rest on: of a photo (its id, or an image file) texts, a "
        "label, or a question with its answer; or a text, or a question with its answer, by itself. A photo that the "
        "memory holds keeps its record: texts that are given take the place of ALL its texts, a label that of its "
        "label, another answer that of the first. Only add what the user has said or confirmed."
    ),
    asks=Teach,
    answers=shapes.Taught,
    work=_teach,
    writes=True,
)
