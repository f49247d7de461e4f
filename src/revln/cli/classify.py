"""``revln classify``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import memory_for_classes
from revln.cli.options import EvidenceCount, Labels, MemoryPath, ModelName, split_labels
from revln.cli.photo_answers import answer_about_photos
from revln.config import NEIGHBOURS

if TYPE_CHECKING:
    from revln.types import Answer

__all__ = ["classify"]


@command(
    "classify",
    "revln classify photo.jpg --labels daisy,rose,tulip",
    "revln classify new/*.jpg --memory flowers.revln --json",
)
def classify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Photos.")],
    labels: Labels = None,
    k: EvidenceCount = NEIGHBOURS,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Say what photos show.

    Chooses among the classes given, else among the labels of the memory, and lists the records each answer rests on.
    """
    names = split_labels(labels)
    opened = memory_for_classes(memory, names, model)
    from revln.pipeline import classify_all

    ask = partial(classify_all, files, memory=opened, labels=names, model=model, k=k)
    return answer_about_photos("Classifying", ask, _show)


def _show(answers: list[Answer]) -> None:
    from revln.cli.tables import show_answers

    show_answers(answers)
