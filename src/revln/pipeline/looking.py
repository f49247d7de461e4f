"""Looking at photos that somebody asks about, whatever the question is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from revln.errors import ImageError
from revln.models import ImageLike, Model, load_model
from revln.pipeline.memory import Memory
from revln.types import ImageEncoding

__all__ = ["look_at_all", "model_to_ask"]


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
