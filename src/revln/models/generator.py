"""The generator of a bundle: an image and what the memory recalls of it to the words of a sentence, one by one."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from revln.errors import BundleError
from revln.metrics import Line
from revln.models.bundle import GENERATOR_LOOK, GENERATOR_SAY, GENERATOR_TOKENIZER, TEXT, VISION, Bundle
from revln.models.card import CARD
from revln.models.tower import open_session, run_session
from revln.protocols import Speaker
from revln.text import encodable, open_tokenizer, pad, without_stop
from revln.text.special import ANSWER, ASK, END, beginning
from revln.types import Embedding

__all__ = ["LOOK_INPUTS", "SAID", "SAY_INPUTS", "SEEN", "BundleGenerator", "Said", "Seen"]

LOOK_INPUTS = ("grid", "whole", "words", "likenesses")
SEEN = ("keys", "values", "bias", "copied", "copy_keys", "copy_bias", "shares")
SAY_INPUTS = ("ids", "past", *SEEN)
SAID = ("log_probabilities", "past_after", "looked")

_DIGITS = 12  # of a SHA-256, as it is shown

Array = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """Images with what the memory recalls of them, as the graph that says words takes them.

    Attributes:
        tensors: by name, one of ``SEEN``; ``shares`` [n, 1 + k] are those of none of the texts and of each.
        entries: which text each place of the context belongs to [s]: -1 for the image, and for none of the texts.
    """

    tensors: dict[str, Array]
    entries: Ids

    def __len__(self) -> int:
        return len(self.tensors["shares"])

    def only(self, places: Ids) -> Seen:
        """Some of the images."""
        axes = {"keys": 1, "values": 1}  # that of the layers comes first
        tensors = {name: np.take(tensor, places, axes.get(name, 0)) for name, tensor in self.tensors.items()}
        return Seen(tensors, self.entries)


@dataclass(frozen=True, slots=True)
class Said:
    """What the generator says next.

    Attributes:
        log_probabilities: of each token [m, t, vocabulary].
        past: what the next call takes as ``past``.
        looked: share of attention of each place of the context [m, t, s].
    """

    log_probabilities: Embedding
    past: Embedding
    looked: Embedding


class BundleGenerator:
    """Runs the generator of a bundle on one core. Its files are opened at first use; safe in threads.

    Args:
        bundle: the model, which has one.

    Attributes:
        languages: that it speaks.
        max_tokens: longest sentence, beginning and end included.
        likeness_weights: of the likeness of an image to a record's picture and to its text, and of a question to the
            text, in recalling.
        answers: whether it has learnt to answer questions.
        answer_confidence: line from the log-odds of an answer, as the generator gives them, to those of its being
            right.

    Raises:
        BundleError: the card lacks something that is to be known of it, or it was trained with other towers.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._opening = threading.RLock()
        for name in (GENERATOR_LOOK, GENERATOR_SAY, GENERATOR_TOKENIZER):
            bundle.require(name)
        facts = bundle.card.generator
        try:
            self.languages: tuple[str, ...] = tuple(facts["languages"])
            if not self.languages:
                raise ValueError("it speaks no language")
            self.max_tokens = int(facts["max_tokens"])
            picture, text, question = map(float, facts["likeness_weights"])
            self.likeness_weights: tuple[float, float, float] = (picture, text, question)
            self.answers = bool(facts.get("answers"))
            slope, intercept = map(float, facts.get("answer_confidence", (1, 0)))
            self.answer_confidence: Line = (slope, intercept)
            self._recalled_tokens = int(facts["recalled_tokens"])
            size = {name: int(facts["decoder"][name]) for name in ("layers", "heads", "key_heads", "width")}
            self._past_shape = (size["layers"], size["key_heads"], size["width"] // size["heads"])
            towers = {name: str(facts["towers"][name]) for name in (VISION, TEXT)}
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise BundleError(
                f"{bundle.directory / CARD}: says too little of the generator ({error}): install or export the bundle "
                "again"
            ) from error
        self._refuse_other_towers(towers)

    def _refuse_other_towers(self, trained_with: Mapping[str, str]) -> None:
        """Raises ``BundleError`` if the bundle has other towers: the generator would see what is not there."""
        files = self.bundle.card.files
        others = [
            f"{name} {digest[:_DIGITS]} and not {files[name][:_DIGITS]}"
            for name, digest in trained_with.items()
            if digest != files[name]
        ]
        if others:
            raise BundleError(
                f"{self.bundle.directory}: its generator was trained with {', '.join(others)}: put back the towers "
                "that it was trained with, or train it on these with revln train joint"
            )

    @cached_property
    def _sessions(self) -> tuple[Any, Any]:
        return self._opened(GENERATOR_LOOK, LOOK_INPUTS, SEEN), self._opened(GENERATOR_SAY, SAY_INPUTS, SAID)

    def _opened(self, name: str, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
        path = self.bundle.file(name)
        session = open_session(path)
        found = [tuple(value.name for value in values) for values in (session.get_inputs(), session.get_outputs())]
        if set(found[0]) != set(inputs) or found[1] != tuple(outputs):
            raise BundleError(
                f"{path}: makes {', '.join(found[1])} of {', '.join(found[0])}, not {', '.join(outputs)} of "
                f"{', '.join(inputs)}: export the bundle again"
            )
        return session

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        tokenizer = open_tokenizer(self.bundle.file(GENERATOR_TOKENIZER), "export the bundle again")
        tokenizer.encode_special_tokens = True  # in what a user writes, "</s>" is text
        return tokenizer

    def beginning(self, language: str) -> int:
        """The token that sentences in a language begin with."""
        return self._special(beginning(language))

    def question(self, text: str) -> list[int]:
        """The tokens that the answer to a question follows."""
        return [self._special(ASK), *self.encode([text])[0], self._special(ANSWER)]

    @cached_property
    def end(self) -> int:
        """The token that sentences end with."""
        return self._special(END)

    def _special(self, name: str) -> int:
        with self._opening:
            number = self._tokenizer.token_to_id(name)
        if number is None:
            raise BundleError(f"{self.bundle.directory / GENERATOR_TOKENIZER}: has no {name}: export the bundle again")
        return number

    def encode(self, texts: Sequence[str], most: int | None = None) -> list[list[int]]:
        """Token ids of each text, without beginning and end, at most ``most``."""
        with self._opening:
            tokenizer = self._tokenizer
        return [coding.ids[:most] for coding in tokenizer.encode_batch(encodable(texts), add_special_tokens=False)]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of token ids; special tokens are left out."""
        with self._opening:
            text: str = self._tokenizer.decode(list(ids))
        return text

    def look(self, grid: Embedding, whole: Embedding, texts: Sequence[Sequence[str]], likenesses: Embedding) -> Seen:
        """Looks at images and at what the memory recalls of each.

        Args:
            grid: of the image tower [n, places, channels].
            whole: unit vectors of the images in the shared part of the joint space [n, dim].
            texts: recalled for each image, k of them; an empty one is not there.
            likenesses: cosines [n, k, 3] of the image to the record's image and to the text, and of the question, if
                there is one, to the text.
        """
        count = max((len(own) for own in texts), default=0) or 1
        filled = [list(own) + [""] * (count - len(own)) for own in texts]
        words = self.encode([without_stop(text) for own in filled for text in own], self._recalled_tokens)
        ids = pad(words)[0].reshape(len(texts), count, -1)
        given = np.zeros((len(texts), count, len(self.likeness_weights)), np.float32)
        given[:, : likenesses.shape[1]] = likenesses
        with self._opening:
            session = self._sessions[0]
        feeds: dict[str, Array] = {"grid": grid, "whole": whole, "words": ids, "likenesses": given}
        tensors = dict(zip(SEEN, run_session(session, self.bundle.directory / GENERATOR_LOOK, feeds), strict=True))
        before = tensors["bias"].shape[1] - ids.shape[1] * ids.shape[2]
        entries = np.concatenate([np.full(before, -1), np.repeat(np.arange(count), ids.shape[2])])
        return Seen(tensors, entries)

    def speaker(self, seen: Seen) -> Speaker:
        """What speaks about the images that are seen; rows of them serve as many sentences each, in turn."""
        return _Speaker(self, seen)

    def say(self, ids: Ids, seen: Seen, past: Embedding | None = None) -> Said:
        """Goes on with sentences: tokens [m, t]."""
        if past is None:
            layers, heads, width = self._past_shape
            past = np.zeros((layers, 2, len(ids), heads, 0, width), np.float32)
        with self._opening:
            session = self._sessions[1]
        feeds: dict[str, Array] = {"ids": ids, "past": past, **seen.tensors}
        return Said(*run_session(session, self.bundle.directory / GENERATOR_SAY, feeds))


@dataclass(frozen=True, slots=True)
class _Speaker:
    generator: BundleGenerator
    seen: Seen

    @property
    def end(self) -> int:
        return self.generator.end

    def say(self, ids: Ids, past: Embedding | None = None) -> Said:
        return self.generator.say(ids, self.seen, past)

    def only(self, places: Ids) -> Speaker:
        return _Speaker(self.generator, self.seen.only(places))
