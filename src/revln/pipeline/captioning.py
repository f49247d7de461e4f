"""What does this photo show? A sentence by the generator, with the records of the memory that it rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from revln.answer import Decoding
from revln.config import RECALLED
from revln.errors import ImageError, QueryError
from revln.models import ImageLike, Model
from revln.pipeline.looking import look_at_all, model_to_ask
from revln.pipeline.memory import Memory
from revln.pipeline.telling import Teller, Told
from revln.text import as_sentence
from revln.types import Answer, ImageEncoding

__all__ = ["Captioner", "caption", "caption_all"]

_TOGETHER = 16  # photos that are captioned at once


class Captioner:
    """Captions images.

    Args:
        model: looks at the images, and speaks.
        memory: what is recalled; None for none.
        k: records to recall; 0 for none.
        language: of the captions; the generator's first when not given.
        exclude_self: leave out records of the photo itself.
        decoding: how sentences are found; they are no longer than the generator has learnt.

    Raises:
        BundleError: the model has no generator.
        QueryError: it does not speak the language.
    """

    def __init__(
        self,
        model: Model,
        memory: Memory | None = None,
        *,
        k: int = RECALLED,
        language: str | None = None,
        exclude_self: bool = False,
        decoding: Decoding | None = None,
    ) -> None:
        self._teller = Teller(model, memory, k=k, exclude_self=exclude_self)
        generator = self._teller.generator
        self.language = language or generator.languages[0]
        if self.language not in generator.languages:
            spoken = ", ".join(generator.languages)
            raise QueryError(f"the model {model.id} does not speak {self.language!r}: choose from {spoken}")
        decoding = decoding or Decoding()
        most = generator.max_tokens - 1  # which its beginning is one of
        self._decoding = dataclasses.replace(decoding, most=min(decoding.most, most))

    def caption(self, seen: Sequence[tuple[str, ImageEncoding]]) -> list[Answer]:
        """Captions of encoded images, each given with its name."""
        recalled = [self._teller.recall(uri, encoding, self.language) for uri, encoding in seen]
        prompts = np.full((len(seen), 1), self._teller.generator.beginning(self.language))
        told = self._teller.tell([encoding for _, encoding in seen], recalled, prompts, self._decoding)
        return [self._answer(uri, own) for (uri, _), own in zip(seen, told, strict=True)]

    def _answer(self, uri: str, told: Told) -> Answer:
        text = as_sentence(self._teller.generator.decode(told.sentence.ids), self.language)
        return Answer(
            uri,
            text,
            told.sentence.likelihood,
            evidence=told.evidence,
            none_weight=told.none_weight,
            language=self.language,
        )


def caption(
    image: ImageLike,
    *,
    memory: Memory | None = None,
    model: Model | str | Path | None = None,
    k: int = RECALLED,
    lang: str | None = None,
    exclude_self: bool = False,
    decoding: Decoding | None = None,
) -> Answer:
    """A sentence about one image, with the records that it rests on.

    Args:
        image: a file, PIL image or RGB array.
        memory: what to recall from.
        model: used without a memory; ``base`` when not given.
        k: records to recall.
        lang: language of the caption, such as ``en`` or ``zh``.
        exclude_self: leave out records of the photo itself.
        decoding: how sentences are found.

    Raises:
        ImageError: the image cannot be read.
        BundleError: the model has no generator.
        QueryError: it does not speak the language.
    """
    return next(
        caption_all([image], memory=memory, model=model, k=k, lang=lang, exclude_self=exclude_self, decoding=decoding)
    )


def caption_all(
    images: Sequence[ImageLike],
    *,
    memory: Memory | None = None,
    model: Model | str | Path | None = None,
    k: int = RECALLED,
    lang: str | None = None,
    exclude_self: bool = False,
    decoding: Decoding | None = None,
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[ImageError], None] | None = None,
) -> Iterator[Answer]:
    """``caption`` for many images, in order, on all cores.

    ``unreadable`` is called for each image that cannot be read, which is then left out; without it, that is raised.
    """
    used = model_to_ask(memory, model)
    captioner = Captioner(used, memory, k=k, language=lang, exclude_self=exclude_self, decoding=decoding)
    waiting: list[tuple[str, ImageEncoding]] = []
    for done, seen in enumerate(look_at_all(images, used, unreadable), start=1):
        if seen is not None:
            waiting.append(seen)
        if len(waiting) == _TOGETHER or done == len(images):
            yield from captioner.caption(waiting) if waiting else ()
            waiting = []
        if progress is not None:
            progress(done, len(images))
