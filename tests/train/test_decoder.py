"""The decoder against torch's attention, and with itself: what it has seen, it need not see again."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from revln.train.decoder import Decoder, DecoderSize, _turned

SIZE = DecoderSize(vocabulary=20, width=24, layers=2, heads=4, key_heads=2, hidden=32)
IDS = torch.tensor([[3, 7, 7, 1, 9, 2], [5, 8, 2, 6, 6, 4]])


@pytest.fixture
def decoder() -> Decoder:
    """One that looks, with weights large enough to tell right from wrong."""
    torch.manual_seed(0)
    decoder = Decoder(SIZE, dropout=0.5, looks=True).eval().requires_grad_(requires_grad=False)
    for weights in decoder.parameters():
        weights.copy_(torch.randn_like(weights) * 0.4)
    return decoder


def heads(x: torch.Tensor) -> torch.Tensor:
    return x.unflatten(-1, (-1, SIZE.head_width)).transpose(1, 2)


def test_self_attention_is_torchs(decoder: Decoder) -> None:
    attention, x = decoder.layers[0].attention, torch.randn(2, 6, SIZE.width)
    turns = decoder._turns(torch.arange(6))
    bias = torch.full((6, 6), -1e4).triu(1)
    found, kept = attention(x, turns, bias, decoder.no_past(2)[0])
    query, key, value = (heads(part(x)) for part in (attention.query, attention.key, attention.value))
    query, key = (_turned(part, *turns) for part in (query, key))
    mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(found, attention.out(mixed.transpose(1, 2).flatten(2)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(kept, torch.stack([key, value]))


def test_attention_to_a_context_is_torchs(decoder: Decoder) -> None:
    cross, x, tokens = decoder.layers[0].cross, torch.randn(2, 6, SIZE.width), torch.randn(2, 5, SIZE.width)
    bias = torch.randn(2, 5)
    bias[1, 3:] = -1e4
    keys, values = cross.prepare(tokens)
    found, looked = cross(x, keys, values, bias[:, None, None])
    query = heads(cross.query(cross.norm(x)))
    mixed = F.scaled_dot_product_attention(
        query, heads(cross.key(tokens)), heads(cross.value(tokens)), bias[:, None, None]
    )
    torch.testing.assert_close(found, cross.out(mixed.transpose(1, 2).flatten(2)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(looked.sum(-1), torch.ones(2, 6))
    assert not looked[1, :, 3:].any()


def test_a_norm_is_torchs(decoder: Decoder) -> None:
    x = torch.randn(2, 6, SIZE.width)
    torch.testing.assert_close(decoder.norm(x), F.rms_norm(x, (SIZE.width,), decoder.norm.weight, SIZE.epsilon))


def test_what_was_said_need_not_be_read_again(decoder: Decoder) -> None:
    """In parts of any length, with and without a context."""
    context = decoder.prepare(torch.randn(2, 5, SIZE.width), torch.randn(2, 5))
    for looked_at in (None, context):
        whole = decoder(IDS, decoder.no_past(2), looked_at)
        past, parts = decoder.no_past(2), []
        for part in IDS.split([1, 3, 1, 1], dim=1):
            step = decoder(part, past, looked_at)
            past = step.past
            parts.append(step)
        for name in ("hidden", "looked"):
            found = torch.cat([getattr(part, name) for part in parts], 1)
            torch.testing.assert_close(found, getattr(whole, name), atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(past, whole.past, atol=1e-5, rtol=1e-5)


def test_sentences_go_on_alike_with_and_without_what_is_kept(decoder: Decoder) -> None:
    again, ids, past = IDS[:, :1], IDS[:, :1], decoder.no_past(2)
    for _ in range(12):
        step = decoder(ids[:, -1:], past)
        past, ids = step.past, torch.cat([ids, decoder.scores(step.hidden[:, -1:]).argmax(-1)], 1)
        hidden = decoder(again, decoder.no_past(2)).hidden
        again = torch.cat([again, decoder.scores(hidden[:, -1:]).argmax(-1)], 1)
    assert ids.equal(again)
    assert len(ids.unique()) > 3


@pytest.mark.parametrize("place", range(1, 6))
def test_a_later_word_changes_nothing_before_it(decoder: Decoder, place: int) -> None:
    other = IDS.clone()
    other[:, place] = 11
    one, two = (decoder(ids, decoder.no_past(2)).hidden for ids in (IDS, other))
    torch.testing.assert_close(one[:, :place], two[:, :place], atol=0, rtol=0)
    assert (one[:, place:] - two[:, place:]).abs().amax(dim=(0, 2)).min() > 1e-3


def test_only_the_distance_of_words_counts(decoder: Decoder) -> None:
    """A query at place i and a key at place j fit as well as at places i + 40 and j + 40, but not as at i and j + 1."""
    query, key = torch.randn(2, SIZE.head_width)

    def fit(i: int, j: int) -> float:
        turned = [_turned(x, *decoder._turns(torch.tensor([place])))[0] for x, place in ((query, i), (key, j))]
        return float(turned[0] @ turned[1])

    assert fit(0, 0) == pytest.approx(float(query @ key), rel=1e-5)
    assert fit(47, 43) == pytest.approx(fit(7, 3), rel=1e-4)
    assert abs(fit(7, 4) - fit(7, 3)) > 0.01


def test_sentences_of_one_row_share_its_context(decoder: Decoder) -> None:
    tokens, bias = torch.randn(2, 5, SIZE.width), torch.randn(2, 5)
    ids = torch.cat([IDS, IDS.flip(1)])
    shared = decoder(ids, decoder.no_past(4), decoder.prepare(tokens, bias))
    rows = [0, 0, 1, 1]
    alone = decoder(ids, decoder.no_past(4), decoder.prepare(tokens[rows], bias[rows]))
    torch.testing.assert_close(shared.hidden, alone.hidden, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shared.looked, alone.looked, atol=1e-5, rtol=1e-5)
