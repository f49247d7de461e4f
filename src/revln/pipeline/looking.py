"""Looking at photos that somebody asks about, whatever the question is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeVar

from revln.errors import ImageError
from revln.models import ImageLike, Model, load_model, map_ordered
from revln.pipeline.memory import Memory
from revln.types import Answer, ImageEncoding

__all__ = ["look_at_all", "model_to_ask", "speak_of_all"]

Item = TypeVar("Item")


def model_to_ask(memory: Memory | None, model: Model | str | Path | None) -> Model:
    """The model of a memory; without one the model that is given, or ``base``."""
    if memory is not None:
        return memory.model
    return model if isinstance(model, Model) else load_model(model or "base")


def look_at_all(
    images: Sequence[ImageLike], model: Model, unreadable: Callable[[ImageError], None] | None
) -> Iterator[tuple[str, ImageEncoding] | None]:
    """Each image's name and encoding, in order, on all cores.

    Args:
        images: files, PIL images or RGB arrays.
        model: encodes them.
        unreadable: called for each image that cannot be read, which ``None`` stands for then; without it, that is
            raised.
    """
    for number, (image, seen) in enumerate(zip(images, model.try_look(images), strict=True), start=1):
        if not isinstance(seen, ImageError):
            yield str(image) if isinstance(image, str | Path) else f"image {number}", seen
        elif unreadable is None:
            raise seen
        else:
            unreadable(seen)
            yield None


def speak_of_all(
    speak: Callable[[list[Item]], list[Answer]],
    items: Iterable[Item | None],
    together: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Answer]:
    """Answers in order, some at a time in one thread a core.

    Args:
        speak: answers for several items at once.
        items: one an image; ``None`` for one that could not be read.
        together: items that are spoken of at once.
        total: how many images there are.
        progress: told of each that is done how many are, and the total.
    """

    def batches() -> Iterator[list[Item | None]]:
        left = iter(items)
        while batch := list(islice(left, together)):
            yield batch

    def work(batch: list[Item | None]) -> tuple[int, list[Answer]]:
        there = [item for item in batch if item is not None]
        return len(batch), speak(there) if there else []

    done = 0
    for count, answers in map_ordered(work, batches(), ahead=1):
        yield from answers
        for _ in range(count):
            done += 1
            if progress is not None:
                progress(done, total)
