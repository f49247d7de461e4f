"""What commands that answer about photos share: progress, photos that cannot be read, and the reply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from revln.cli.command import Reply
from revln.cli.output import note, plain, progress_bar

if TYPE_CHECKING:
    from revln.errors import GeneratorError, ImageError
    from revln.types import Answer

__all__ = ["answer_about_photos", "show_told"]


def answer_about_photos(
    title: str, ask: Callable[..., Iterator[Answer]], show: Callable[[list[Answer]], None]
) -> Reply:
    """Asks, and names the photos that cannot be read or answered about; by them the command fails, when all is done.

    Args:
        title: of the progress bar.
        ask: gives the answers; takes ``progress`` and ``unreadable`` as ``revln.pipeline.classify_all`` does.
        show: prints them for people.
    """
    unreadable: list[ImageError | GeneratorError] = []
    with progress_bar(title, "photos") as progress:
        answers = list(ask(progress=progress, unreadable=unreadable.append))
    for error in unreadable:
        note(f"error: {plain(str(error))}")
    skipped = [{"path": error.name, "reason": error.reason} for error in unreadable]
    data = {"results": [answer.to_dict() for answer in answers], "skipped": skipped}
    return Reply(data, lambda: show(answers) if answers else None, 1 if unreadable else 0)


def show_told(answers: list[Answer]) -> None:
    """Prints captions or answers with what they rest on."""
    from revln.cli import tables

    tables.show_told(answers)
