"""``revln caption``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import memory_if_any
from revln.cli.options import (
    ExcludeSelf,
    GeneratorName,
    LanguageName,
    MemoryPath,
    ModelName,
    NoMemory,
    RecalledCount,
)
from revln.cli.photo_answers import answer_about_photos, show_told
from revln.config import RECALLED

__all__ = ["caption"]


@command(
    "caption",
    "revln caption photo.jpg",
    "revln caption new/*.jpg --memory photos.revln --lang zh --json",
)
def caption(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Photos.")],
    language: LanguageName = None,
    k: RecalledCount = RECALLED,
    no_memory: NoMemory = False,
    exclude_self: ExcludeSelf = False,
    beams: Annotated[int, typer.Option("--beams", metavar="N", help="Width of the search for the best sentence.")] = 5,
    nucleus: Annotated[
        float, typer.Option("--nucleus", metavar="P", help="Draw words among the likeliest of this share; 0: do not.")
    ] = 0.0,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="For --nucleus.")] = 0,
    generator: GeneratorName = None,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Describe photos in a sentence.

    Looks at each photo and at what the memory recalls of it, and lists the records that the sentence rests on.
    """
    opened = memory_if_any(memory, model, ignored=no_memory)
    from revln.answer import Decoding
    from revln.pipeline import caption_all

    decoding = Decoding(beams=1 if nucleus else beams, nucleus=nucleus, seed=seed)
    ask = partial(
        caption_all,
        files,
        memory=opened,
        model=model,
        k=k,
        lang=language,
        exclude_self=exclude_self,
        decoding=decoding,
        generator=generator,
    )
    return answer_about_photos("Describing", ask, show_told)
