"""``revln classify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import memory_for_classes
from revln.cli.options import EvidenceCount, Labels, MemoryPath, ModelName, split_labels
from revln.cli.output import note, plain, progress_bar
from revln.config import NEIGHBOURS

if TYPE_CHECKING:
    from revln.errors import ImageError
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

    unreadable: list[ImageError] = []
    with progress_bar("Classifying", "photos") as progress:
        found = classify_all(
            files, memory=opened, labels=names, model=model, k=k, progress=progress, unreadable=unreadable.append
        )
        answers = list(found)
    for error in unreadable:
        note(f"error: {plain(str(error))}")
    skipped = [{"path": error.name, "reason": error.reason} for error in unreadable]
    data = {"results": [answer.to_dict() for answer in answers], "skipped": skipped}
    return Reply(data, lambda: _show(answers), 1 if unreadable else 0)


def _show(answers: list[Answer]) -> None:
    from revln.cli.tables import show_answers

    if answers:
        show_answers(answers)
