"""Having a larger model write captions and answers with what the memory recalls; see ``revln.bridge``."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from revln.answer import dont_know
from revln.bridge import open_writer
from revln.config import RECALLED
from revln.errors import GeneratorError, ImageError, QueryError
from revln.images import encode_jpeg
from revln.models import ImageLike, Model, open_rgb
from revln.pipeline.looking import look_at_all
from revln.pipeline.memory import Memory
from revln.pipeline.recalling import Recaller
from revln.protocols import Writer
from revln.text import written_in
from revln.types import Answer, Evidence, Hit, ImageEncoding, WriteReply, WriteRequest

__all__ = ["Own", "OwnWords", "Scribe", "Unanswered"]

Unanswered = ImageError | GeneratorError
"""Why there is no answer about a photo."""

_SIDE = 1024  # pixels of the longer side of what leaves the machine
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SCRIPTS = ("en", "zh")  # what a question is in is told by its script


class OwnWords(NamedTuple):
    """What the model's own generator says.

    Attributes:
        described: its caption of the photo.
        answer: its caption or answer, with what that rests on.
    """

    described: str
    answer: Answer


Own = Callable[[str, ImageEncoding, str | None], OwnWords]
"""Has the model's own generator speak about a photo, by its name, its encoding and a question."""


class Scribe:
    """Has a larger model tell about photos.

    Args:
        model: whose joint space recalls; it needs a generator only for writers that do not look.
        memory: what is recalled; None for none.
        generator: the writer, or its name.
        own: makes what has the model's own generator speak; called for writers that do not look.
        k: records to recall; 0 for none.
        language: of captions; the model's first when not given.
        exclude_self: leave out records of the photo itself.
        threshold: confidence below which it says that it does not know.

    Raises:
        QueryError: there is no such writer, or a number or the language is out of range.
        BundleError: the writer does not look, and the model has no generator.
        MissingExtraError: what the writer runs with is not installed.
        GeneratorError: the endpoint lacks a key.
    """

    def __init__(
        self,
        model: Model,
        memory: Memory | None,
        generator: str | Writer,
        own: Callable[[], Own],
        *,
        k: int = RECALLED,
        language: str | None = None,
        exclude_self: bool = False,
        threshold: float = 0.0,
    ) -> None:
        self._model, self._threshold = model, threshold
        self._recaller = Recaller(model, memory, k=k, exclude_self=exclude_self)
        self._language = language or _first_language(model)
        if not _LANGUAGE.fullmatch(self._language):
            raise QueryError(f"{self._language!r} is no code of a language: give one like en or zh")
        self._writer = open_writer(generator) if isinstance(generator, str) else generator
        self._make_own = own
        if not self._writer.looks:
            _ = self._own  # without a generator this is told before any photo is read
        self._gone: GeneratorError | None = None

    @cached_property
    def _own(self) -> Own:
        return self._make_own()

    def write_all(
        self,
        asked: Sequence[tuple[ImageLike, Sequence[str | None]]],
        progress: Callable[[int, int], None] | None,
        unanswered: Callable[[Unanswered], None] | None,
    ) -> Iterator[Answer]:
        """What is told of images, in order.

        Args:
            asked: images, each with the questions about it; None for a caption.
            progress: called with the number of images that are done, and of all.
            unanswered: called for each image that cannot be read, and each question that the writer fails on; without
                it, that is raised.
        """
        seen_all = look_at_all([image for image, _ in asked], self._model, unanswered)
        for done, ((image, questions), seen) in enumerate(zip(asked, seen_all, strict=True), start=1):
            if seen is not None:
                for question in questions:
                    yield from self._written(image, seen, question, unanswered)
            if progress is not None:
                progress(done, len(asked))

    def _written(
        self,
        image: ImageLike,
        seen: tuple[str, ImageEncoding],
        question: str | None,
        unanswered: Callable[[Unanswered], None] | None,
    ) -> tuple[Answer, ...]:
        try:
            return (self.write(image, *seen, question),)
        except (GeneratorError, ImageError) as error:
            if unanswered is None:
                raise
            unanswered(error)
            return ()

    def write(self, image: ImageLike, uri: str, seen: ImageEncoding, question: str | None = None) -> Answer:
        """What is told of one image.

        Args:
            image: the image itself.
            uri: its name.
            seen: its encoding.
            question: about it; None for a caption.

        Raises:
            ImageError: the image cannot be read any more.
            GeneratorError: the writer fails; after a failure that would last it is not asked again.
        """
        if self._gone is not None:
            raise GeneratorError(self._gone.reason, lasting=True, name=uri)
        language = self._language if question is None else _language_of(question)
        vector = None if question is None else self._model.encode_texts([question])[0]
        hits = self._recaller.recall(uri, seen, language or "en", vector).hits
        photo, own = None, None
        if self._writer.looks:
            photo = encode_jpeg(open_rgb(image, _SIDE), _SIDE)
        else:
            own = self._own(uri, seen, question)
        request = WriteRequest(language, hits, question, photo, own.described if own else None)
        try:
            reply = self._writer.write(request)
        except GeneratorError as error:
            self._gone = error if error.lasting else None
            raise GeneratorError(error.reason, lasting=error.lasting, name=uri) from error
        evidence, none_weight = _cited(hits, reply) if own is None else (own.answer.evidence, own.answer.none_weight)
        unsure = reply.sure is not None and reply.sure < self._threshold
        abstained = reply.text is None or unsure
        return Answer(
            uri,
            dont_know(language) if abstained or reply.text is None else reply.text,
            reply.sure,
            abstained,
            evidence,
            none_weight,
            language=language,
            question=question,
        )


def _cited(hits: Sequence[Hit], reply: WriteReply) -> tuple[tuple[Evidence, ...], float]:
    """The cited records, which share the weight equally, and the weight of none: all of it if nothing is cited."""
    by_id = {hit.record.id: hit for hit in hits}
    known = [by_id[cited] for cited in reply.cited if cited in by_id]
    return tuple(Evidence(hit, 1 / len(known)) for hit in known), 0.0 if known else 1.0


def _first_language(model: Model) -> str:
    languages = model.generator.languages if model.generator is not None else model.card.languages
    return languages[0] if languages else "en"


def _language_of(question: str) -> str | None:
    return next((language for language in _SCRIPTS if written_in(question, language)), None)
