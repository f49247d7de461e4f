"""What does this photo show? A sentence by the generator, with the records of the memory that it rests on."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from revln.answer import Decoding, Sentence, decode, rests_on
from revln.config import RECALLED
from revln.errors import BundleError, ImageError, QueryError
from revln.models import BundleGenerator, ImageLike, Model
from revln.pipeline.looking import look_at_all, model_to_ask
from revln.pipeline.memory import Memory
from revln.retrieve import Recollection, recall
from revln.text import as_sentence
from revln.types import Answer, Embedding, ImageEncoding, Record

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
        if k < 0:
            raise QueryError(f"k is {k}: recall some records, or 0 for none")
        self._model, self._generator = model, generator_of(model)
        self.language = language or self._generator.languages[0]
        if self.language not in self._generator.languages:
            spoken = ", ".join(self._generator.languages)
            raise QueryError(f"the model {model.id} does not speak {self.language!r}: choose from {spoken}")
        self._k, self._exclude_self = k, exclude_self
        self._searcher = None if memory is None or k == 0 else memory.searcher()
        decoding = decoding or Decoding()
        most = self._generator.max_tokens - 1  # which its beginning is one of
        self._decoding = dataclasses.replace(decoding, most=min(decoding.most, most))

    def caption(self, seen: Sequence[tuple[str, ImageEncoding]]) -> list[Answer]:
        """Captions of encoded images, each given with its name."""
        recalled = [self._recall(uri, encoding) for uri, encoding in seen]
        context = self._generator.look(
            np.concatenate([_grid(encoding, self._model) for _, encoding in seen]),
            np.concatenate([self._model.shared(encoding.embeddings) for _, encoding in seen]),
            [own.texts for own in recalled],
            _padded([own.likenesses for own in recalled]),
        )
        prompts = np.full((len(seen), 1), self._generator.beginning(self.language))
        sentences = decode(self._generator.speaker(context), prompts, self._decoding)
        return [
            self._answer(uri, sentence, own, context.entries)
            for (uri, _), sentence, own in zip(seen, sentences, recalled, strict=True)
        ]

    def _answer(self, uri: str, sentence: Sentence, recalled: Recollection, entries: npt.NDArray[np.int64]) -> Answer:
        evidence, none = rests_on(recalled.hits, sentence.looked, entries)
        text = as_sentence(self._generator.decode(sentence.ids), self.language)
        return Answer(uri, text, sentence.likelihood, evidence=evidence, none_weight=none, language=self.language)

    def _recall(self, uri: str, seen: ImageEncoding) -> Recollection:
        searcher = self._searcher
        if searcher is None:
            return Recollection((), np.zeros((0, 3), np.float32))
        return recall(
            searcher.view,
            searcher.index,
            searcher.calibration,
            self._model.encode_texts,
            seen.embeddings[0],
            k=self._k,
            weights=self._generator.likeness_weights,
            language=self.language,
            excluded=_is_of(uri) if self._exclude_self else None,
        )


def generator_of(model: Model) -> BundleGenerator:
    """The generator of a model.

    Raises:
        BundleError: it has none.
    """
    if model.generator is None:
        raise BundleError(
            f"the model {model.id} has no generator, so it cannot describe photos: use one that has, such as base, "
            "or train one with revln train joint"
        )
    return model.generator


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


def _grid(seen: ImageEncoding, model: Model) -> Embedding:
    if seen.grid is None:
        raise BundleError(f"{model.bundle.directory}: its image tower gives no grid: export the bundle again")
    return seen.grid


def _padded(likenesses: Sequence[Embedding]) -> Embedding:
    """Rows of likenesses [n, k, 3], zeros where there are fewer."""
    most = max((len(own) for own in likenesses), default=0)
    filled = np.zeros((len(likenesses), most, 3), np.float32)
    for row, own in enumerate(likenesses):
        filled[row, : len(own)] = own
    return filled


def _is_of(uri: str) -> Callable[[Record], bool]:
    path = os.path.abspath(uri)  # noqa: PTH100 - links stay as the user named them
    return lambda record: record.uri == path
