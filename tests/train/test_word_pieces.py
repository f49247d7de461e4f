"""The tokenizer of the language model: what goes in comes out, in few pieces, and from run to run the same."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from tokenizers import Tokenizer

from revln.text.special import BYTES, END, PAD, SPECIAL, beginning
from revln.train.word_pieces import learn_word_pieces

TEXTS = [
    "a black dog is running through the snow , while a man watches",
    "two children in red coats play on the beach",
    'a man\'s t-shirt (red) says "stop"',
    "一只黑色的狗在雪地里奔跑，一个男人看着",
    "两个穿红色外套的孩子在沙滩上玩",
] * 20
BESIDES = len(SPECIAL) + len(BYTES)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn_word_pieces(TEXTS, 400)


def there_and_back(tokenizer: Tokenizer, text: str) -> str:
    said: str = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids)
    return said


@pytest.mark.parametrize(
    "text",
    [
        "a dog",
        "A black dog, a man's hat and a t-shirt; two children (in red) say \"stop\" & don't run!",
        "at 3.5 km/h, 12:30 p.m. in the U.S. - or #1?",
        "'quoted' words, an ellipsis… and a dash – here",
        "一只黑色的狗，在雪地里奔跑。",
        "一只dog在跑，穿red T恤的man",
        "一只狗 a dog 两个 3 孩子",
        "a 🙂 dog 👩‍👩‍👧🇨🇳",
        "🙂",
        "שלום мир ελλάδα ภาษาไทย 한국어 𠮷 𝔘",
        "</s> <pad> <en> <0x41>",
        "",
    ],
)
def test_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    assert there_and_back(tokenizer, text) == text


def test_only_spaces_that_no_one_writes_are_lost(tokenizer: Tokenizer) -> None:
    spaced = " a man 's hat , red  and\tblack . "
    assert there_and_back(tokenizer, spaced) == "a man's hat, red and black."


def test_special_tokens_say_nothing(tokenizer: Tokenizer) -> None:
    first, end, pad = (tokenizer.token_to_id(name) for name in (beginning("en"), END, PAD))
    assert (pad, end) == (0, 1)
    ids = tokenizer.encode("a red dog", add_special_tokens=False).ids
    assert tokenizer.decode_batch([[first, *ids, end, pad, pad]]) == ["a red dog"]


def test_a_word_is_cut_alike_wherever_it_stands(tokenizer: Tokenizer) -> None:
    pieces = tokenizer.encode("dog and dog, dog", add_special_tokens=False).tokens
    assert [piece for piece in pieces if piece.endswith("dog")] == ["▁dog"] * 3


@pytest.mark.parametrize("size", [10, 60, 100, 400])
def test_as_many_pieces_as_were_asked_for_at_most(size: int) -> None:
    tokenizer = learn_word_pieces(TEXTS, size)
    assert BESIDES + min(size, 60) <= tokenizer.get_vocab_size() <= BESIDES + size
    for text in TEXTS[2:5]:
        assert there_and_back(tokenizer, text) == text


def test_more_pieces_say_it_in_fewer(tokenizer: Tokenizer) -> None:
    few = learn_word_pieces(TEXTS, 100)
    for text in TEXTS[:5]:
        assert len(tokenizer.encode(text).ids) < len(few.encode(text).ids)


def test_chinese_pieces_have_two_characters_at_most(tokenizer: Tokenizer) -> None:
    """Also where longer phrases are as common."""
    chinese = [piece for piece in tokenizer.get_vocab() if re.search("[一-鿿]", piece)]
    assert {len(piece) for piece in chinese} == {1, 2}
    rare = learn_word_pieces(["𠮷𠮷𠮷々々々"] * 9, 100)
    assert {len(piece) for piece in rare.get_vocab() if piece not in {*SPECIAL, *BYTES}} <= {1, 2}


LEARN = """
import sys
sys.path.insert(0, {path!r})
from revln.train.word_pieces import learn_word_pieces
texts = [chr(0x4e00 + n) + chr(0x4e00 + 7 * n % 5000) + " dog" + chr(97 + n % 26) for n in range(5000)]
print(learn_word_pieces(texts, 4500).to_str())
"""


def test_another_run_learns_the_same() -> None:
    """Even where more characters are equally common than there is room for."""
    command = [sys.executable, "-c", LEARN.format(path=sys.path[0])]
    learnt = {
        subprocess.run(command, capture_output=True, text=True, check=True, encoding="utf-8").stdout for _ in range(3)
    }
    assert len(learnt) == 1
    assert "dog" in learnt.pop()
