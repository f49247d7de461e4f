"""What is the answer to a question about this photo? In a word, with the records of the memory that it rests on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from revln.answer import ANSWERING, Decoding, certainty, dont_know
from revln.config import ABSTAIN_BELOW, RECALLED
from revln.errors import BundleError, QueryError
from revln.models import ImageLike, Model
from revln.pipeline.captioning import Captioner
from revln.pipeline.looking import look_at_all, model_to_ask, speak_of_all
from revln.pipeline.memory import Memory
from revln.pipeline.telling import Teller, Told
from revln.pipeline.writing import Own, OwnWords, Scribe, Unanswered
from revln.protocols import Writer
from revln.retrieve import Recollection
from revln.text import dominant_script, written_in
from revln.types import Answer, ImageEncoding

__all__ = ["Asked", "Asker", "ask", "ask_all"]

_LONGEST = 300  # characters
_TOGETHER = 16  # questions that are answered at once


class Asked(NamedTuple):
    """A question about a photo.

    Attributes:
        uri: name of the photo.
        seen: its encoding.
        question: what is asked.
    """

    uri: str
    seen: ImageEncoding
    question: str


class Asker:
    """Answers questions about images.

    Args:
        model: looks at the images, and speaks.
        memory: what is recalled; None for none.
        k: records to recall; 0 for none.
        exclude_self: leave out records of the photo itself.
        threshold: confidence below which it says that it does not know.
        decoding: how answers are found.

    Raises:
        BundleError: the model has no generator, or one that answers no questions.
        QueryError: a number is out of its range.
    """

    def __init__(
        self,
        model: Model,
        memory: Memory | None = None,
        *,
        k: int = RECALLED,
        exclude_self: bool = False,
        threshold: float = ABSTAIN_BELOW,
        decoding: Decoding | None = None,
    ) -> None:
        _check_threshold(threshold)
        self._model, self._teller = model, Teller(model, memory, k=k, exclude_self=exclude_self)
        if not self._teller.generator.answers:
            raise BundleError(
                f"the model {model.id} describes photos but answers no questions: use one that does, such as base, or "
                "train one with revln train joint --questions"
            )
        self._threshold, self._decoding = threshold, decoding or ANSWERING

    def language_of(self, question: str) -> str:
        """The language that a question is asked in, and answered.

        Raises:
            QueryError: the question is empty or too long, or in none of the model's languages.
        """
        _check_question(question)
        languages = self._teller.generator.languages
        if dominant_script(question) is None:
            return languages[0]
        for language in languages:
            if written_in(question, language):
                return language
        raise QueryError(f"the model {self._model.id} does not read this question: ask in {' or '.join(languages)}")

    def answer(self, asked: Sequence[Asked]) -> list[Answer]:
        """Answers to questions, in order.

        Raises:
            QueryError: see ``language_of``.
        """
        languages = [self.language_of(one.question) for one in asked]
        vectors = self._model.encode_texts([one.question for one in asked])
        recalled = [
            self._teller.recall(one.uri, one.seen, language, vector)
            for one, language, vector in zip(asked, languages, vectors, strict=True)
        ]
        return self._answers(asked, languages, recalled)

    def follow(self, asked: Asked) -> Iterator[Answer]:
        """The answer to one question as it grows token by token; the last is the one that ``answer`` finds.

        What grows takes the likeliest token each time, so it may be another.

        Raises:
            QueryError: see ``language_of``.
        """
        language = self.language_of(asked.question)
        (vector,) = self._model.encode_texts([asked.question])
        recalled = self._teller.recall(asked.uri, asked.seen, language, vector)
        prompt = self._teller.generator.question(asked.question)
        for told in self._teller.follow(asked.seen, recalled, prompt, self._decoding):
            yield self._answer(asked, language, told)
        yield from self._answers([asked], [language], [recalled])

    def _answers(
        self, asked: Sequence[Asked], languages: Sequence[str], recalled: Sequence[Recollection]
    ) -> list[Answer]:
        prompts = [self._teller.generator.question(one.question) for one in asked]
        alike: dict[int, list[int]] = defaultdict(list)  # what is said together has to begin alike
        for place, prompt in enumerate(prompts):
            alike[len(prompt)].append(place)
        told: dict[int, Told] = {}
        for places in alike.values():
            found = self._teller.answer(
                [asked[place].seen for place in places],
                [recalled[place] for place in places],
                np.array([prompts[place] for place in places]),
                self._decoding,
            )
            told |= dict(zip(places, found, strict=True))
        return [
            self._answer(one, language, told[place])
            for place, (one, language) in enumerate(zip(asked, languages, strict=True))
        ]

    def _answer(self, asked: Asked, language: str, told: Told) -> Answer:
        generator = self._teller.generator
        sure = certainty(told.sentence, generator.answer_confidence)
        text = generator.decode(told.sentence.ids).strip()
        abstained = sure < self._threshold or not text
        return Answer(
            asked.uri,
            dont_know(language) if abstained else text,
            sure,
            abstained,
            told.evidence,
            told.none_weight,
            language=language,
            question=asked.question,
        )


def ask(
    image: ImageLike,
    question: str,
    *,
    memory: Memory | None = None,
    model: Model | str | Path | None = None,
    k: int = RECALLED,
    exclude_self: bool = False,
    threshold: float = ABSTAIN_BELOW,
    generator: str | Writer | None = None,
) -> Answer:
    """The answer to a question about an image, with the records that it rests on.

    Args:
        image: a file, PIL image or RGB array.
        question: in a language of the model.
        memory: what to recall from.
        model: used without a memory; ``base`` when not given.
        k: records to recall.
        exclude_self: leave out records of the photo itself.
        threshold: confidence below which it says that it does not know.
        generator: a larger model that answers instead of the model's own generator: ``openai:MODEL``, ``smollm2``, or
            one's own.

    Raises:
        ImageError: the image cannot be read.
        BundleError: the model answers no questions.
        QueryError: the question is empty, too long, or in a language that the model does not read.
        GeneratorError: the larger model fails.
    """
    return next(
        ask_all(
            [(image, question)],
            memory=memory,
            model=model,
            k=k,
            exclude_self=exclude_self,
            threshold=threshold,
            generator=generator,
        )
    )


def ask_all(
    pairs: Sequence[tuple[ImageLike, str]],
    *,
    memory: Memory | None = None,
    model: Model | str | Path | None = None,
    k: int = RECALLED,
    exclude_self: bool = False,
    threshold: float = ABSTAIN_BELOW,
    generator: str | Writer | None = None,
    progress: Callable[[int, int], None] | None = None,
    unreadable: Callable[[Unanswered], None] | None = None,
) -> Iterator[Answer]:
    """``ask`` for many questions, in order; an image that is asked about several times in turn is read once.

    ``unreadable`` is called for each image that cannot be read, whose questions are then left out, and for each
    question that a larger model fails on; without it, that is raised.
    """
    used = model_to_ask(memory, model)
    grouped = _grouped(pairs)
    if generator is not None:
        _check_threshold(threshold)
        for _, question in pairs:
            _check_question(question)

        def own() -> Own:
            return _own(used, memory, k, exclude_self)

        scribe = Scribe(used, memory, generator, own, k=k, exclude_self=exclude_self, threshold=threshold)
        yield from scribe.write_all(grouped, progress, unreadable)
        return
    asker = Asker(used, memory, k=k, exclude_self=exclude_self, threshold=threshold)
    for _, question in pairs:
        asker.language_of(question)  # before any photo is read

    def answer(asked: list[list[Asked]]) -> list[Answer]:
        each = list(chain.from_iterable(asked))
        parts = (each[start : start + _TOGETHER] for start in range(0, len(each), _TOGETHER))
        return list(chain.from_iterable(map(asker.answer, parts)))

    seen_all = look_at_all([image for image, _ in grouped], used, unreadable)
    yield from speak_of_all(
        answer,
        (
            None if seen is None else [Asked(*seen, question) for question in questions]
            for (_, questions), seen in zip(grouped, seen_all, strict=True)
        ),
        _TOGETHER,
        len(grouped),
        progress,
    )


def _own(model: Model, memory: Memory | None, k: int, exclude_self: bool) -> Own:
    captioner = Captioner(model, memory, k=k, exclude_self=exclude_self)
    answers = model.generator is not None and model.generator.answers
    asker = Asker(model, memory, k=k, exclude_self=exclude_self) if answers else None

    def words(uri: str, seen: ImageEncoding, question: str | None) -> OwnWords:
        (described,) = captioner.caption([(uri, seen)])
        if asker is None or question is None:
            return OwnWords(described.text, described)
        return OwnWords(described.text, asker.answer([Asked(uri, seen, question)])[0])

    return words


def _check_threshold(threshold: float) -> None:
    if not 0 <= threshold <= 1:
        raise QueryError(f"threshold {threshold}: give a probability from 0 to 1")


def _check_question(question: str) -> None:
    if not question.strip():
        raise QueryError("the question is empty: ask something about the photo")
    if len(question) > _LONGEST:
        raise QueryError(f"a question of {len(question):,} characters: ask in at most {_LONGEST}")


def _grouped(pairs: Sequence[tuple[ImageLike, str]]) -> list[tuple[ImageLike, list[str]]]:
    """Each image once with its questions, where it is asked about several times in turn."""
    grouped: list[tuple[ImageLike, list[str]]] = []
    for image, question in pairs:
        if grouped and _are_same(grouped[-1][0], image):
            grouped[-1][1].append(question)
        else:
            grouped.append((image, [question]))
    return grouped


def _are_same(one: ImageLike, other: ImageLike) -> bool:
    return one is other or (isinstance(one, str | Path) and isinstance(other, str | Path) and str(one) == str(other))
