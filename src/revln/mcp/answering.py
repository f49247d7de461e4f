"""The tools that say what a photo shows, with the records that this rests on."""

from __future__ import annotations

from typing import Any

from revln.mcp import shapes
from revln.mcp.requests import Ask, Describe
from revln.mcp.service import Service
from revln.mcp.tools import Result, Tool
from revln.pipeline import Asked, Asker
from revln.pipeline.captioning import Captioner
from revln.types import Answer

__all__ = ["ASK", "DESCRIBE"]


def _describe(service: Service, asked: Describe) -> Result:
    seen = service.look(asked.id, asked.image_path)
    captioner = Captioner(seen.model, service.memory if asked.use_memory else None, language=asked.lang)
    (answer,) = captioner.caption([(seen.uri, seen.encoding)])
    return Result(shapes.Described(**_told(answer)))


def _ask(service: Service, asked: Ask) -> Result:
    seen = service.look(asked.id, asked.image_path)
    asker = Asker(seen.model, service.memory if asked.use_memory else None, threshold=asked.threshold)
    (answer,) = asker.answer([Asked(seen.uri, seen.encoding, asked.question)])
    return Result(shapes.Answered(**_told(answer), question=asked.question, abstained=answer.abstained))


def _told(answer: Answer) -> dict[str, Any]:
    told = answer.to_dict()
    evidence = [
        shapes.Evidence(
            id=rested.hit.record.id,
            weight=round(rested.weight, 6),
            text=rested.hit.text,
            uri=rested.hit.record.uri,
        )
        for rested in answer.evidence
    ]
    return {
        **{name: told.get(name) for name in ("uri", "text", "confidence", "lang", "none_weight")},
        "evidence": evidence,
    }


_MEMORY = (
    "Recalls what the memory holds of similar photos and lists the records that it rests on with their weights; "
    "none_weight is the share that rests on the photo alone."
)

DESCRIBE = Tool(
    name="describe_image",
    title="Describe a photo",
    description=f"Describes a photo in a sentence: one of the memory by its id, or an image file. {_MEMORY}",
    asks=Describe,
    answers=shapes.Described,
    work=_describe,
)
ASK = Tool(
    name="ask_image",
    title="Ask about a photo",
    description=(
        "Answers a question about a photo in a word or two: one of the memory by its id, or an image file. Says that "
        f"it does not know (abstained) below the threshold. {_MEMORY}"
    ),
    asks=Ask,
    answers=shapes.Answered,
    work=_ask,
)
