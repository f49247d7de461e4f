"""Sentences in training: the likeliest words, or words by their probability."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from revln.train.decoder import Decoder, DecoderSize
from revln.train.generator import Generator, Recalled, Seen
from revln.train.saying import say

FIRST, END = 3, 1
BEGUN = torch.tensor([[FIRST]] * 2)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(2)
    generator = Generator(Decoder(DecoderSize(9, 16, 2, 4, 2, 32), looks=True), 6, 4, 5, dropout=0.0).eval()
    for weights in generator.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.4)
    return generator.requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def seen(generator: Generator) -> Seen:
    """What is looked at, two rows."""
    torch.manual_seed(3)
    texts = Recalled(torch.tensor([[[4, 5, 6]], [[7, 8, 0]]]), torch.full((2, 1, 3), 0.3))
    return generator.look(torch.randn(2, 4, 6), torch.randn(2, 5), texts)


def log_probabilities(generator: Generator, seen: Seen, ids: Tensor) -> Tensor:
    return generator(ids, generator.decoder.no_past(len(ids)), seen).log_probabilities


def test_the_likeliest_words_are_said(generator: Generator, seen: Seen) -> None:
    """As by reading the whole sentence anew for each word; what comes after the end is padding."""
    said = say(generator, seen, BEGUN, 12)
    assert said[:, 0].tolist() == [FIRST, FIRST]
    told = log_probabilities(generator, seen, said)[:, :-1].argmax(-1)
    for sentence, likeliest in zip(said.tolist(), told.tolist(), strict=True):
        length = sentence.index(END) + 1 if END in sentence else len(sentence)
        assert sentence[1:length] == likeliest[: length - 1]
        assert not any(sentence[length:])
    assert said.shape[1] <= 12


def test_words_are_drawn_by_their_probability(generator: Generator, seen: Seen) -> None:
    said = say(generator, seen, BEGUN, 3, 4000, torch.Generator().manual_seed(0)).reshape(2, 4000, 3)
    expected = log_probabilities(generator, seen, BEGUN)[:, 0].exp()
    for row in range(2):
        found = said[row, :, 1].bincount(minlength=9) / 4000
        torch.testing.assert_close(found, expected[row], atol=0.03, rtol=0)
        # The second word depends on the first one, which is none that ends the sentence.
        first = int(found[2:].argmax()) + 2
        pair = torch.tensor([[FIRST, first]] * 2)
        following = said[row][said[row, :, 1] == first][:, 2].bincount(minlength=9)
        then = log_probabilities(generator, seen, pair)[row, 1].exp()
        torch.testing.assert_close(following / following.sum(), then, atol=0.06, rtol=0)


def test_the_same_chance_says_the_same(generator: Generator, seen: Seen) -> None:
    one, two, other = (say(generator, seen, BEGUN, 8, 5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert one.equal(two)
    assert one.shape != other.shape or not one.equal(other)


def test_nothing_is_said_after_the_end(generator: Generator, seen: Seen) -> None:
    said = say(generator, seen, BEGUN, 30, 200, torch.Generator().manual_seed(0))
    ended = (said == END).cumsum(1).cumsum(1)
    assert not said[ended > 1].any()
    assert (ended[:, -1] > 1).any()


def test_a_sentence_goes_on_from_its_prompt(generator: Generator, seen: Seen) -> None:
    whole = say(generator, seen, BEGUN, 8)
    assert say(generator, seen, whole[:, :3], 8).equal(whole)
    twice = say(generator, seen, whole[:, :2], 5, 2)
    assert twice[:, :2].tolist() == [own for own in whole[:, :2].tolist() for _ in range(2)]
