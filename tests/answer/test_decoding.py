"""Sentences of speakers that are tables: what is found is compared with all the sentences that there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
import pytest

from revln.answer import Decoding, alternatives, decode, follow
from revln.errors import QueryError

FIRST, END, A, B, C = range(5)
Next = Callable[[tuple[int, ...]], np.ndarray]  # tokens so far to the log-probabilities of the next


class Said(NamedTuple):
    log_probabilities: np.ndarray
    past: np.ndarray
    looked: np.ndarray


class Table:
    """Says what tables, one a row, give for the tokens so far, which are its past. Looks at the place of the last."""

    end = END

    def __init__(self, *rows: Next) -> None:
        self.rows = rows

    def say(self, ids: np.ndarray, past: np.ndarray | None = None) -> Said:
        before = np.zeros((1, 1, len(ids), 0), np.int64) if past is None else past
        after = np.concatenate([before, ids[None, None]], axis=3)
        beams = len(ids) // len(self.rows)
        told = [self.rows[place // beams](tuple(so_far)) for place, so_far in enumerate(after[0, 0].tolist())]
        return Said(np.stack(told)[:, None], after, np.eye(5, dtype=np.float32)[ids])

    def only(self, places: np.ndarray) -> Table:
        return Table(*(self.rows[place] for place in places))


def by_last(likely: Mapping[int, Mapping[int, float]]) -> Next:
    """Probabilities of the next token by the last one."""
    table = np.zeros((5, 5))
    for last, shares in likely.items():
        table[last, list(shares)] = list(shares.values())
    with np.errstate(divide="ignore"):
        logarithms = np.log(table)
    return lambda so_far: logarithms[so_far[-1]]


def at_random(seed: int, words: int = 3) -> Next:
    """Probabilities by all of the tokens so far."""

    def tell(so_far: tuple[int, ...]) -> np.ndarray:
        shares = np.random.default_rng((seed, *so_far)).dirichlet(np.ones(2 + words))
        return np.log(shares)

    return tell


def likeliest(tell: Next, most: int, penalty: float, words: int = 3) -> tuple[int, ...]:
    """The best of all sentences that end in time or are cut off."""

    def score(ids: tuple[int, ...]) -> float:
        return sum(log_probabilities(tell, ids)) / len(ids) ** penalty

    tokens = [token for token in range(2 + words) if token != END]
    ended = [(*ids, END) for length in range(most) for ids in product(tokens, repeat=length)]
    best = max([*ended, *product(tokens, repeat=most)], key=score)
    return best[:-1] if best[-1] == END else best


def log_probabilities(tell: Next, ids: tuple[int, ...]) -> list[float]:
    return [float(tell((FIRST, *ids[:place]))[token]) for place, token in enumerate(ids)]


def begun(rows: int) -> np.ndarray:
    return np.full((rows, 1), FIRST)


# A looks better than B at first, and leads nowhere.
GARDEN_PATH = by_last({FIRST: {A: 0.6, B: 0.4}, A: {END: 0.3, A: 0.25, B: 0.25, C: 0.2}, B: {C: 1.0}, C: {END: 1.0}})


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    (sentence,) = decode(Table(GARDEN_PATH), begun(1), Decoding(beams=1))
    assert sentence.ids == (A,)
    assert sentence.log_probabilities == pytest.approx(np.log([0.6, 0.3]))
    assert sentence.likelihood == pytest.approx((0.6 * 0.3) ** 0.5)


def test_greedy_ends_only_where_the_end_is_likeliest() -> None:
    # As a whole the empty sentence is likelier.
    doubt = {A: 0.24, C: 0.24}
    tell = by_last({FIRST: {A: 0.6, END: 0.4}, A: {**doubt, B: 0.28, END: 0.24}, B: {**doubt, B: 0.24, END: 0.28}})
    assert decode(Table(tell), begun(1), Decoding(beams=1))[0].ids == (A, B)
    assert decode(Table(tell), begun(1), Decoding(beams=2))[0].ids == ()


def test_beam_search_finds_what_greedy_misses() -> None:
    (sentence,) = decode(Table(GARDEN_PATH), begun(1), Decoding(beams=2, length_penalty=0.0))
    assert sentence.ids == (B, C)
    assert sentence.log_probabilities == pytest.approx([np.log(0.4), 0, 0])


def test_the_length_penalty_says_what_a_longer_sentence_is_worth() -> None:
    # "A" alone has the probability 0.35, "B C" 0.3: less, but more for each of its tokens.
    speaker = Table(by_last({FIRST: {A: 0.35, B: 0.3, C: 0.35}, A: {END: 1.0}, B: {C: 1.0}, C: {A: 0.1, END: 0.9}}))
    found = {penalty: decode(speaker, begun(1), Decoding(length_penalty=penalty))[0].ids for penalty in (0.0, 1.0)}
    assert found == {0.0: (A,), 1.0: (B, C)}


def test_what_ends_takes_no_place_of_what_goes_on() -> None:
    likely = {END: 0.6, C: 0.4}
    tell = by_last({FIRST: {A: 0.51, B: 0.49}, A: likely, B: likely, C: {END: 1.0}})
    assert decode(Table(tell), begun(1), Decoding(beams=2, length_penalty=1.0))[0].ids == (A, C)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_wide_beams_find_the_best_of_all_sentences(seed: int, penalty: float) -> None:
    tell = at_random(seed)
    (sentence,) = decode(Table(tell), begun(1), Decoding(most=4, beams=4**3, length_penalty=penalty))
    assert sentence.ids == likeliest(tell, 4, penalty)


@pytest.mark.parametrize("seed", range(4))
def test_more_beams_than_there_are_words(seed: int) -> None:
    tell = at_random(seed, words=1)
    (sentence,) = decode(Table(tell), begun(1), Decoding(most=4, beams=20, length_penalty=1.0))
    assert sentence.ids == likeliest(tell, 4, 1.0, words=1)


@pytest.mark.parametrize("decoding", [Decoding(6, beams=1), Decoding(6, beams=3), Decoding(6, 1, nucleus=0.9, seed=5)])
def test_rows_say_together_what_each_says_alone(decoding: Decoding) -> None:
    rows = [at_random(seed) for seed in range(8)]
    together = alternatives(Table(*rows), begun(len(rows)), decoding)
    alone = [alternatives(Table(row), begun(1), decoding)[0] for row in rows]
    assert len({len(found[0].ids) for found in alone}) > 2  # some end before others
    for found, other_found in zip(together, alone, strict=True):
        assert [sentence.ids for sentence in found] == [sentence.ids for sentence in other_found]
        for one, other in zip(found, other_found, strict=True):
            assert one.log_probabilities == other.log_probabilities
            assert np.array_equal(one.looked, other.looked)


@pytest.mark.parametrize("beams", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_told_of_a_sentence_belongs_to_it(seed: int, beams: int) -> None:
    tell = at_random(seed)
    (sentence,) = decode(Table(tell), begun(1), Decoding(most=6, beams=beams))
    told = len(sentence.log_probabilities)
    assert sentence.log_probabilities == pytest.approx(log_probabilities(tell, (*sentence.ids, END)[:told]))
    assert sentence.looked == pytest.approx(np.eye(5)[[FIRST, *sentence.ids][:told]].mean(axis=0))


@pytest.mark.parametrize("beams", [1, 3])
def test_a_sentence_without_end_is_cut_off(beams: int) -> None:
    endless = by_last({FIRST: {A: 0.9, B: 0.1}, A: {B: 0.9, A: 0.1}, B: {A: 0.9, B: 0.1}})
    (sentence,) = decode(Table(endless), begun(1), Decoding(most=4, beams=beams))
    assert sentence.ids == (A, B, A, B)
    assert sentence.likelihood == pytest.approx(0.9)
    assert sentence.looked == pytest.approx([0.25, 0, 0.5, 0.25, 0])


@pytest.mark.parametrize("beams", [1, 3])
def test_three_tokens_in_a_row_are_said_once(beams: int) -> None:
    tell = by_last({FIRST: {A: 1}, A: {B: 0.99, END: 0.01}, B: {A: 0.99, END: 0.01}})
    (sentence,) = decode(Table(tell), begun(1), Decoding(most=20, beams=beams, length_penalty=2))
    assert sentence.ids == (A, B, A, B)
    assert sentence.log_probabilities[-1] == pytest.approx(np.log(0.01))


def test_an_unlikely_end_is_no_reason_to_end() -> None:
    tell = by_last({FIRST: {A: 1}, A: {B: 0.99, END: 0.01}, B: {C: 0.99, END: 0.01}, C: {A: 0.99, END: 0.01}})
    assert decode(Table(tell), begun(1), Decoding(most=5, beams=2))[0].ids == (A, B, C, A, B)


@pytest.mark.parametrize("beams", [1, 3])
def test_an_end_at_once_is_an_empty_sentence(beams: int) -> None:
    silent = by_last({FIRST: {END: 0.8, A: 0.2}, A: {A: 0.5, END: 0.5}})
    (sentence,) = decode(Table(silent), begun(1), Decoding(beams=beams))
    assert sentence.ids == ()
    assert sentence.likelihood == pytest.approx(0.8)


def test_following_gives_the_greedy_sentence_token_by_token() -> None:
    speaker = Table(at_random(1))
    (sentence,) = decode(speaker, begun(1), Decoding(beams=1))
    tokens, told, looked = zip(*follow(speaker, [FIRST], Decoding(beams=1)), strict=True)
    assert len(sentence.ids) > 1
    assert tokens == (*sentence.ids, END)
    assert told == pytest.approx(sentence.log_probabilities)
    assert np.mean(looked, axis=0) == pytest.approx(sentence.looked)


DRAWN = by_last({FIRST: {A: 0.5, B: 0.3, C: 0.15, END: 0.05}, **{word: {END: 1.0} for word in (A, B, C)}})


def drawn(count: int = 1000, **options: float) -> dict[tuple[int, ...], float]:
    """Share of each sentence among those of so many seeds."""
    said = [decode(Table(DRAWN), begun(1), Decoding(beams=1, seed=seed, **options))[0].ids for seed in range(count)]
    return {ids: said.count(ids) / count for ids in sorted(set(said))}


def test_only_the_nucleus_is_drawn_from() -> None:
    assert set(drawn(nucleus=0.45)) == {(A,)}
    assert set(drawn(nucleus=0.6)) == {(A,), (B,)}  # B crosses 0.6, and belongs to it
    assert set(drawn(nucleus=1.0)) == {(), (A,), (B,), (C,)}


def test_the_nucleus_keeps_its_proportions() -> None:
    assert drawn(nucleus=0.7) == pytest.approx({(A,): 5 / 8, (B,): 3 / 8}, abs=0.04)


def test_temperature_flattens_or_sharpens() -> None:
    roots = np.sqrt([0.05, 0.5, 0.3, 0.15])
    flat = dict(zip([(), (A,), (B,), (C,)], roots / roots.sum(), strict=True))
    assert drawn(nucleus=1.0, temperature=2.0) == pytest.approx(flat, abs=0.04)
    assert set(drawn(nucleus=1.0, temperature=0.05)) == {(A,)}


def test_a_seed_draws_the_same_again() -> None:
    def said(seed: int) -> list[tuple[int, ...]]:
        rows = [at_random(row) for row in range(5)]
        return [one.ids for one in decode(Table(*rows), begun(5), Decoding(beams=1, nucleus=1.0, seed=seed))]

    assert said(1) == said(1)
    assert said(1) != said(2)


def test_what_is_drawn_is_told_with_its_own_probability() -> None:
    speaker = Table(DRAWN)
    found = [decode(speaker, begun(1), Decoding(beams=1, nucleus=1.0, seed=seed))[0] for seed in range(20)]
    assert {round(float(np.exp(sentence.log_probabilities[0])), 2) for sentence in found if sentence.ids == (B,)} == {
        0.3
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"most": 0}, "0 tokens in 5 beams: ask for at least one of each"),
        ({"beams": 0}, "25 tokens in 0 beams"),
        ({"beams": 1, "nucleus": 1.5}, "nucleus 1.5 and temperature 1.0"),
        ({"beams": 1, "nucleus": -0.1}, "nucleus -0.1"),
        ({"temperature": 0.0}, "temperature 0.0"),
        ({"seed": -1}, "seed -1: give a number from 0 on"),
        ({"nucleus": 0.9}, "give beams=1 with nucleus"),
    ],
)
def test_what_cannot_be_decoded(options: dict, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Decoding(**options)


@pytest.mark.parametrize("beams", [1, 3])
def test_a_sentence_goes_on_from_its_prompt(beams: int) -> None:
    """And tells of the prompt nothing: neither its tokens nor their probabilities."""
    speaker, decoding = Table(GARDEN_PATH, GARDEN_PATH), Decoding(beams=beams)
    sentences = decode(speaker, np.array([[FIRST, A, B], [FIRST, B, C]]), decoding)
    assert [sentence.ids for sentence in sentences] == [(C,), ()]
    assert sentences[0].log_probabilities == pytest.approx([0.0, 0.0])


def test_what_is_no_number_is_not_said() -> None:
    tell = by_last({FIRST: {A: 0.6, B: 0.4}, A: {END: 0.7, B: 0.3}, B: {END: 1.0}})

    def spoilt(so_far: tuple[int, ...]) -> np.ndarray:
        told = tell(so_far).copy()
        told[C] = np.nan
        return told

    (found,) = alternatives(Table(spoilt), begun(1), Decoding(4, beams=2))
    assert [sentence.ids for sentence in found] == [
        sentence.ids for sentence in alternatives(Table(tell), begun(1), Decoding(4, beams=2))[0]
    ]


def test_alternatives_are_all_that_was_found() -> None:
    """The best first; with one beam there is one."""
    speaker, decoding = Table(GARDEN_PATH), Decoding(beams=3, length_penalty=1.0)
    (found,) = alternatives(speaker, begun(1), decoding)
    scores = [sentence.score(1.0) for sentence in found]
    assert len({sentence.ids for sentence in found}) == len(found) > 2
    assert scores == sorted(scores, reverse=True)
    assert found[0].ids == decode(speaker, begun(1), decoding)[0].ids
    assert len(alternatives(speaker, begun(1), Decoding(beams=1))[0]) == 1
