"""Options that several commands share, each declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "CaptionsPath",
    "EvidenceCount",
    "ExcludeSelf",
    "GeneratorName",
    "KindName",
    "Labels",
    "LanguageName",
    "MemoryPath",
    "ModeName",
    "ModelName",
    "NoMemory",
    "RecalledCount",
    "RecordLabel",
    "SourceName",
    "SplitPath",
    "Where",
    "split_labels",
]


class ModeName(StrEnum):
    """``revln.retrieve.MODES``, spelt here so that the help needs no NumPy."""

    VECTOR = "vector"
    TEXT = "text"
    HYBRID = "hybrid"


class KindName(StrEnum):
    """``revln.types.KINDS``, likewise."""

    IMAGE = "image"
    IMAGE_TEXT = "image_text"
    TEXT = "text"
    LABEL = "label"
    QA = "qa"
    TRIPLE = "triple"


MemoryPath = Annotated[
    Path | None,
    typer.Option(
        "--memory", metavar="DIR", help="The memory; REVLN_MEMORY or the one in your data folder if not given."
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", help="Model by name or directory; the memory's own, then base, if not given."
    ),
]
Where = Annotated[
    str | None,
    typer.Option("--where", metavar="SQL", help="Only records that pass a filter, as in taken_at >= '2024-06-01'."),
]
CaptionsPath = Annotated[
    Path | None,
    typer.Option("--captions", metavar="FILE", help="Captions: CSV with image,caption; COCO JSON; or Karpathy JSON."),
]
SplitPath = Annotated[
    Path | None,
    typer.Option("--split", metavar="FILE", help="Only the images named in this file, one a line."),
]
SourceName = Annotated[str, typer.Option("--source", metavar="NAME", help="Name of the source, to filter by later.")]
RecordLabel = Annotated[str | None, typer.Option("--label", metavar="LABEL", help="Its class.")]
Labels = Annotated[
    str | None,
    typer.Option("--labels", metavar="A,B,C", help="Classes to choose from, divided by commas."),
]
EvidenceCount = Annotated[
    int, typer.Option("-k", "--neighbours", metavar="N", help="How many records of the memory have a say.")
]

RecalledCount = Annotated[
    int, typer.Option("-k", "--recalled", metavar="N", help="How many records of the memory are looked at.")
]
NoMemory = Annotated[bool, typer.Option("--no-memory", help="Rest on the photo alone.")]
ExcludeSelf = Annotated[
    bool, typer.Option("--exclude-self", help="Leave out what the memory holds of the photo itself.")
]
GeneratorName = Annotated[
    str | None,
    typer.Option(
        "--generator",
        metavar="NAME",
        help="A larger model writes: openai:MODEL, which is sent the photo and what is recalled, or smollm2, here.",
    ),
]
LanguageName = Annotated[
    str | None, typer.Option("--lang", metavar="CODE", help="Language, en or zh; the model's first if not given.")
]


def split_labels(labels: str | None) -> list[str] | None:
    """The classes of ``--labels``; ``None`` when there are none to choose from."""
    if labels is None:
        return None
    from revln.errors import InputError

    names = list(dict.fromkeys(name.strip() for name in labels.split(",") if name.strip()))
    if not names:
        raise InputError("--labels names no class: write them like --labels daisy,rose")
    return names
