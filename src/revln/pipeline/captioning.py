"""What does this photo show? A sentence by the generator, with the records of the memory that it rests on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from revln.answer import Decoding
from revln.config import RECALLED
from revln.errors import QueryError
from revln.models import ImageLike, Model
from revln.pipeline.looking import look_at_all, model_to_ask, speak_of_all
from revln.pipeline.memory import Memory
from revln.pipeline.telling import Teller, Told
from revln.pipeline.writing import Own, OwnWords, Scribe, Unanswered
from revln.protocols import Writer
from revln.retrieve import Recollection
from revln.text import as_sentence, without_stop
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
        return self._captions(seen, recalled)

    def follow(self, uri: str, seen: ImageEncoding) -> Iterator[Answer]:
        """The caption of one image as it grows token by token; the last is the one that ``caption`` finds.

        What grows takes the likeliest token each time, so it may be another sentence.
        """
        recalled = self._teller.recall(uri, seen, self.language)
        prompt = [self._teller.generator.beginning(self.language)]
        for told in self._teller.follow(seen, recalled, prompt, self._decoding):
            answer = self._answer(uri, told)
            yield dataclasses.replace(answer, text=without_stop(answer.text))
        yield from self._captions([(uri, seen)], [recalled])

    def _captions(self, seen: Sequence[tuple[str, ImageEncoding]], recalled: Sequence[Recollection]) -> list[Answer]:
        prompts = np.full((len(seen), 1), self._teller.generator.beginning(self.language))
        told = self._teller.tell([encoding for _, encoding in seen], recalled, prompts, self._decoding, self.language)
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
    generator: str | Writer | None = None,
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
        generator: a larger model that writes instead of the model's own generator: ``openai:MODEL``, ``smollm2``, or
            one's own.

    Raises:
        ImageError: the image cannot be read.
        BundleError: the model has no generator.
        QueryError: it does not speak the language.
        GeneratorError: the larger model fails.
    """
    return next(
        caption_all(
            [image],
            memory=memory,
            model=model,
            k=k,
            lang=lang,
            exclude_self=exclude_self,
            decoding=decoding,
            generator=generator,
        )
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
    generator: str | Writer | None = None,
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[Unanswered], None] | None = None,
) -> Iterator[Answer]:
    """``caption`` for many images, in order, on all cores.

    ``unreadable`` is called for each image that cannot be read, or that a larger model fails on, which is then left
    out; without it, that is raised.
    """
    used = model_to_ask(memory, model)

    def make() -> Captioner:
        return Captioner(used, memory, k=k, language=lang, exclude_self=exclude_self, decoding=decoding)

    if generator is not None:
        scribe = Scribe(used, memory, generator, lambda: _own(make()), k=k, language=lang, exclude_self=exclude_self)
        yield from scribe.write_all([(image, [None]) for image in images], progress, unreadable)
        return
    yield from speak_of_all(
        make().caption,
        look_at_all(images, used, unreadable),
        _TOGETHER,
        len(images),
        progress,
    )


def _own(captioner: Captioner) -> Own:
    def words(uri: str, seen: ImageEncoding, question: str | None) -> OwnWords:
        (answer,) = captioner.caption([(uri, seen)])
        return OwnWords(answer.text, answer)

    return words
