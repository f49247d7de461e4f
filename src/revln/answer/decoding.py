"""Sentences out of a speaker that says one token after the other: greedy, by beam search, or drawn by chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from revln.errors import QueryError
from revln.protocols import Speaker
from revln.types import Embedding

__all__ = ["ANSWERING", "Decoding", "Sentence", "alternatives", "decode", "follow"]

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoding:
    """How sentences are found.

    Attributes:
        most: longest sentence, in tokens, its end included.
        beams: sentences that are kept in the running; 1 is greedy.
        length_penalty: power of the length by which log-probabilities are divided; larger prefers longer ones (Wu et
            al., arXiv 1609.08144, section 7, in the form that is usual now).
        agreement: weight of how well a sentence agrees with what is said of like images, where that is known, in
            choosing among those that beam search finds; see ``agreements``.
        fit: weight of the cosine of a sentence to the image in the joint space, in that choice. With 0, classes of the
            vision model are not named either.
        nucleus: draw among the likeliest tokens that together have this probability (Holtzman et al., ICLR 2020,
            arXiv 1904.09751); 0 takes the likeliest.
        temperature: of that.
        seed: of that; each sentence is drawn as if it were the only one.
    """

    most: int = 25
    beams: int = 5
    length_penalty: float = 0.6
    agreement: float = 8.0
    fit: float = 10.0
    nucleus: float = 0.0
    temperature: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.most < 1 or self.beams < 1:
            raise QueryError(f"{self.most} tokens in {self.beams} beams: ask for at least one of each")
        if not 0 <= self.nucleus <= 1 or not self.temperature > 0:
            raise QueryError(
                f"nucleus {self.nucleus} and temperature {self.temperature}: the first is a share from 0 to 1, the "
                "second is positive"
            )
        if self.seed < 0:
            raise QueryError(f"seed {self.seed}: give a number from 0 on")
        if self.nucleus and self.beams > 1:
            raise QueryError("sentences are drawn by chance one at a time: give beams=1 with nucleus")


ANSWERING = Decoding(most=8, length_penalty=0.7)
"""How answers are found, which are a few words long; their choice is weighed at this power of the length."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What was said.

    Attributes:
        ids: tokens, without beginning and end.
        log_probabilities: of each token, and of the end if it was reached.
        looked: share of attention that each place of the context had, mean over the tokens [s].
    """

    ids: tuple[int, ...]
    log_probabilities: tuple[float, ...]
    looked: Embedding

    def score(self, length_penalty: float) -> float:
        """Log-probability, divided by that power of the length."""
        length: float = max(len(self.log_probabilities), 1) ** length_penalty
        return float(np.sum(self.log_probabilities)) / length

    @property
    def likelihood(self) -> float:
        """Geometric mean of the tokens' probabilities."""
        return float(np.exp(np.mean(self.log_probabilities))) if self.log_probabilities else 0.0


@dataclass(slots=True)
class _Ended:
    """The sentences of one row that have ended, with their scores."""

    found: list[tuple[float, Sentence]] = field(default_factory=list)

    def best_first(self) -> list[Sentence]:
        return [sentence for _, sentence in sorted(self.found, key=lambda pair: -pair[0])]


def follow(speaker: Speaker, prompt: Sequence[int], decoding: Decoding) -> Iterator[tuple[int, float, Embedding]]:
    """Says one sentence token by token, so that it can be shown as it grows.

    Args:
        speaker: what speaks, about one thing.
        prompt: tokens that it begins with.
        decoding: greedy or by chance; ``beams`` does not count.

    Yields:
        Each token with its log-probability and the attention [s] that went with it; the end as well, if it comes.
    """
    for tokens, log_probabilities, looked in _steps(speaker, np.array([prompt]), decoding):
        yield int(tokens[0]), float(log_probabilities[0]), looked[0]


def decode(speaker: Speaker, prompts: Ids, decoding: Decoding) -> list[Sentence]:
    """A sentence of each row: the best that beam search finds, or with one beam as ``follow`` says it.

    Args:
        speaker: what speaks, about as many things at once as there are rows.
        prompts: tokens [rows, t] that the sentences begin with.
        decoding: how they are found.
    """
    return [found[0] for found in alternatives(speaker, prompts, decoding)]


def alternatives(speaker: Speaker, prompts: Ids, decoding: Decoding) -> list[list[Sentence]]:
    """All sentences of each row that beam search finds, the best first; with one beam the one that ``follow`` says.

    Args:
        speaker: what speaks, about as many things at once as there are rows.
        prompts: tokens [rows, t] that the sentences begin with.
        decoding: how they are found.
    """
    if decoding.beams > 1:
        return _beam_search(speaker, prompts, decoding)
    tokens, log_probabilities, looked = (
        np.stack(parts, axis=1) for parts in zip(*_steps(speaker, prompts, decoding), strict=True)
    )
    sentences = []
    for row, said in enumerate(tokens.tolist()):
        length = said.index(speaker.end) + 1 if speaker.end in said else len(said)
        ids = tuple(token for token in said[:length] if token != speaker.end)
        told = tuple(log_probabilities[row, :length].tolist())
        sentences.append([Sentence(ids, told, looked[row, :length].mean(axis=0))])
    return sentences


def _steps(speaker: Speaker, prompts: Ids, decoding: Decoding) -> Iterator[tuple[Ids, Embedding, Embedding]]:
    """Token [rows] after token, their log-probabilities [rows] and attention [rows, s], until all rows have ended.

    What a row says after its end is to be passed over.
    """
    rows = len(prompts)
    chances = [np.random.default_rng(decoding.seed) for _ in range(rows)]
    given, past, ended, ids = prompts, None, np.zeros(rows, bool), np.zeros((rows, 0), np.int64)
    for _ in range(decoding.most):
        said = speaker.say(given, past)
        past, last = said.past, _without_repeats(said.log_probabilities[:, -1], ids)
        tokens = np.array([_choose(row, decoding, chance) for row, chance in zip(last, chances, strict=True)])
        yield tokens, last[np.arange(rows), tokens], said.looked[:, -1]
        given, ended = tokens[:, None], ended | (tokens == speaker.end)
        ids = np.concatenate([ids, given], axis=1)
        if ended.all():
            return


def _beam_search(speaker: Speaker, prompts: Ids, decoding: Decoding) -> list[list[Sentence]]:
    rows, beams = len(prompts), decoding.beams
    going = np.arange(rows)  # those in the running; what follows is about them, ``beams`` entries each
    given, past = np.repeat(prompts, beams, axis=0), None
    ids = np.zeros((rows * beams, 0), np.int64)
    # Beams of a row begin alike, so all but one are kept out of the running at first.
    totals = np.where(np.arange(rows * beams) % beams == 0, 0.0, -np.inf)
    told: list[list[float]] = [[] for _ in range(rows * beams)]
    looked: list[Embedding] = []
    ended = [_Ended() for _ in range(rows)]
    for length in range(1, decoding.most + 1):
        said = speaker.say(given, past)
        past, step = said.past, _without_repeats(said.log_probabilities[:, -1], ids)
        attention = said.looked[:, -1]
        looked = looked or [np.zeros_like(row) for row in attention]
        sums = np.add(totals[:, None], step, dtype=np.float64).reshape(len(going), -1)
        most = min(2 * beams, sums.shape[1])
        best = np.argpartition(sums, -most, axis=1)[:, -most:]
        if np.isnan(np.take_along_axis(sums, best, axis=1)).any():  # of a generator that overflows; they come last
            sums = np.nan_to_num(sums, nan=-np.inf, neginf=-np.inf)
            best = np.argpartition(sums, -most, axis=1)[:, -most:]
        parents, chosen, scores = _continued(sums, best, step.shape[1], speaker.end, beams)
        norm = length**decoding.length_penalty
        for row, place in zip(*np.nonzero(best % step.shape[1] == speaker.end), strict=True):
            total = sums[row, best[row, place]]
            if np.isfinite(total):
                here = row * beams + best[row, place] // step.shape[1]
                log_probabilities = (*told[here], float(step[here, speaker.end]))
                mean = np.divide(looked[here] + attention[here], length, dtype=np.float32)
                sentence = Sentence(tuple(ids[here].tolist()), log_probabilities, mean)
                ended[going[row]].found.append((total / norm, sentence))
        open_ended = [not _is_done(ended[row], scores[place, 0], length, decoding) for place, row in enumerate(going)]
        kept = np.flatnonzero(open_ended)
        if len(kept) < len(going):
            going = going[kept]
            if not len(going):
                break
            speaker = speaker.only(kept)
        # The order of the beams follows their parents, and so does all that is remembered of them.
        flat = (kept[:, None] * beams + parents[kept]).reshape(-1)
        tokens, totals = chosen[kept].reshape(-1), scores[kept].reshape(-1)
        given = tokens[:, None]
        ids = np.concatenate([ids[flat], given], axis=1)
        told = [[*told[parent], float(step[parent, token])] for parent, token in zip(flat, tokens, strict=True)]
        looked = [looked[parent] + attention[parent] for parent in flat]
        past = past[:, :, flat]
    for place, row in enumerate(going):  # cut off
        here = place * beams
        mean = np.divide(looked[here], length, dtype=np.float32)
        sentence = Sentence(tuple(ids[here].tolist()), tuple(told[here]), mean)
        ended[row].found.append((totals[here] / length**decoding.length_penalty, sentence))
    return [own.best_first() for own in ended]


def _continued(
    sums: npt.NDArray[np.float64], best: Ids, vocabulary: int, end: int, beams: int
) -> tuple[Ids, Ids, npt.NDArray[np.float64]]:
    """Parent, token and total [rows, beams] of the best continuations that do not end, the best first."""
    parents, chosen = np.zeros((len(sums), beams), np.int64), np.zeros((len(sums), beams), np.int64)
    scores = np.full((len(sums), beams), -np.inf)  # of slots for which there is no continuation
    for row, places in enumerate(best):
        going = [place for place in places[np.argsort(-sums[row, places])] if place % vocabulary != end][:beams]
        for slot, place in enumerate(going):
            parents[row, slot], chosen[row, slot] = divmod(int(place), vocabulary)
            scores[row, slot] = sums[row, place]
    return parents, chosen, scores


def _without_repeats(log_probabilities: Embedding, ids: Ids) -> Embedding:
    """The same [m, vocabulary], but for tokens that would say three in a row a second time (Paulus et al., 2017).

    Args:
        log_probabilities: of the next token.
        ids: what has been said so far [m, t].
    """
    again = (ids[:, :-2] == ids[:, -2:-1]) & (ids[:, 1:-1] == ids[:, -1:])
    rows, places = np.nonzero(again)
    if not len(rows):
        return log_probabilities
    allowed = log_probabilities.copy()
    allowed[rows, ids[rows, places + 2]] = -np.inf
    return allowed


def _is_done(own: _Ended, going: float, length: int, decoding: Decoding) -> bool:
    """Whether no sentence in the running can become better than the best that has ended."""
    if not own.found:
        return False
    longest = decoding.most if decoding.length_penalty > 0 else length
    best = max(score for score, _ in own.found)
    return best >= float(going / longest**decoding.length_penalty)


def _choose(log_probabilities: Embedding, decoding: Decoding, chance: np.random.Generator) -> int:
    if not decoding.nucleus:
        return int(log_probabilities.argmax())
    scaled = log_probabilities.astype(np.float64) / decoding.temperature
    shares = np.exp(scaled - scaled.max())
    shares /= shares.sum()
    order = np.argsort(-shares)
    # The smallest set that reaches the share; the token that crosses it belongs to it.
    kept = order[: int(np.searchsorted(np.cumsum(shares[order]), decoding.nucleus)) + 1]
    return int(chance.choice(kept, p=shares[kept] / shares[kept].sum()))
