"""``revln ask``."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import memory_if_any
from revln.cli.options import ExcludeSelf, GeneratorName, MemoryPath, ModelName, NoMemory, RecalledCount
from revln.cli.photo_answers import answer_about_photos, show_told
from revln.config import ABSTAIN_BELOW, RECALLED

__all__ = ["ask"]


@command(
    "ask",
    'revln ask photo.jpg "What is the dog doing?"',
    'revln ask photo.jpg "狗在做什么？" --memory photos.revln --json',
)
def ask(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A photo.")],
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="In English or Chinese.")],
    k: RecalledCount = RECALLED,
    no_memory: NoMemory = False,
    exclude_self: ExcludeSelf = False,
    threshold: Annotated[
        float,
        typer.Option("--threshold", metavar="P", help="Say that it is unknown below this confidence; 0: never."),
    ] = ABSTAIN_BELOW,
    generator: GeneratorName = None,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Answer a question about a photo in a word.

    Looks at the photo and at what the memory recalls of it and of the question, and lists the records that the answer
    rests on. Says "I don't know" when it is not sure enough.
    """
    if Path(question).suffix and os.path.isfile(question):  # noqa: PTH113 - false where a name cannot be that long
        raise typer.BadParameter(
            f"{question} is a file: give one photo, then the question in quotation marks", param_hint="QUESTION"
        )
    opened = memory_if_any(memory, model, ignored=no_memory)
    from revln.pipeline import ask_all

    answer = partial(
        ask_all,
        [(file, question)],
        memory=opened,
        model=model,
        k=k,
        exclude_self=exclude_self,
        threshold=threshold,
        generator=generator,
    )
    return answer_about_photos("Answering", answer, show_told)
