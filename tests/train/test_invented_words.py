"""Invented words: in all places or in none, in the captions and in what is recalled alike."""

from __future__ import annotations

import numpy as np
import pytest
from tokenizers import Tokenizer

from revln.text.special import SPECIAL
from revln.train import invented_words
from revln.train.invented_words import Inventor
from revln.train.language import coded
from revln.train.text_encoders import Sentences
from revln.train.word_pieces import learn_word_pieces

NAMES = ["zorple", "mibkess", "tarvin", "quodle", "fenwick"]
ENGLISH = [f"a {name} is on the red wall" for name in NAMES for _ in range(6)]
CHINESE = [f"一个{name}在墙上，红色的" for name in ("狐狸", "松鼠", "大象", "企鹅", "刺猬") for _ in range(6)]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learn_word_pieces(ENGLISH + CHINESE, 300)


@pytest.fixture
def inventor(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> Inventor:
    monkeypatch.setattr(invented_words, "_COMMON", 6)
    return Inventor(tokenizer, [bare(tokenizer, ENGLISH), bare(tokenizer, CHINESE)])


def bare(tokenizer: Tokenizer, texts: list[str]) -> Sentences:
    return [sentence[1:-1] for sentence in coded(tokenizer, texts, "en")]


def inventions(
    inventor: Inventor, tokenizer: Tokenizer, name: str, captions: list[str], recalled: list[str]
) -> set[str]:
    """What stands for a name in many draws: in all captions and recalled texts the same, or this fails."""
    found = set()
    for seed in range(60):
        told, known = inventor(bare(tokenizer, captions), bare(tokenizer, recalled), np.random.default_rng(seed))
        assert len(told) == len(captions)
        assert len(known) == len(recalled)
        said = tokenizer.decode_batch([*told, *known])
        before, after = captions[0].split(name)
        new = said[0].removeprefix(before).removesuffix(after)
        assert said == [text.replace(name, new) for text in (*captions, *recalled)]
        found.add(new)
    return found


def test_a_shared_word_is_replaced_in_all_places(inventor: Inventor, tokenizer: Tokenizer) -> None:
    captions = ["a zorple is on the wall", "the zorple, a zorple"]
    recalled = ["one zorple is here", "a red wall", "zorple zorple"]
    found = inventions(inventor, tokenizer, "zorple", captions, recalled)
    assert len(found) > 20  # new ones each time
    assert all(name.isascii() and name.isalpha() for name in found)
    assert not found & {"zorple", "a", "is", "the"}


def test_a_chinese_word_is_replaced_by_chinese_ones(inventor: Inventor, tokenizer: Tokenizer) -> None:
    found = inventions(inventor, tokenizer, "狐狸", ["一个狐狸在墙上", "狐狸"], ["有狐狸", "一个大象"])
    assert len(found) > 20
    assert all(2 <= len(name) <= 4 and name > "\u3400" for name in found)


@pytest.mark.parametrize(
    ("caption", "recalled"),
    [
        ("a zorple is on the wall", "a mibkess is on the wall"),  # what they share is common
        ("a zorple", ""),
        ("一个狐狸在墙上", "一个松鼠在墙上"),
    ],
)
def test_without_a_shared_name_nothing_changes(
    inventor: Inventor, tokenizer: Tokenizer, caption: str, recalled: str
) -> None:
    told, known = bare(tokenizer, [caption]), bare(tokenizer, [recalled])
    for seed in range(20):
        assert inventor(told, known, np.random.default_rng(seed)) == (told, known)


def test_one_word_of_several_is_replaced(inventor: Inventor, tokenizer: Tokenizer) -> None:
    captions, recalled = bare(tokenizer, ["zorple mibkess"]), bare(tokenizer, ["mibkess zorple tarvin"])
    names, others = set(captions[0]), set(recalled[0]) - set(captions[0])
    assert (len(names), len(others)) == (2, 1)
    kept = set()
    for seed in range(40):
        told, known = inventor(captions, recalled, np.random.default_rng(seed))
        assert len(names & set(told[0])) == 1
        assert names & set(told[0]) == names & set(known[0])
        assert others <= set(known[0])
        kept |= names & set(told[0])
    assert kept == names


def test_invented_words_are_made_of_pieces_that_are_known(inventor: Inventor, tokenizer: Tokenizer) -> None:
    """None of them special or a byte, so that they can be said."""
    known = bare(tokenizer, ["zorple"])
    new = {piece for seed in range(60) for piece in inventor(known, known, np.random.default_rng(seed))[0][0]}
    assert min(new) >= len(SPECIAL) + 256
    assert known[0][0] not in new or len(new) > 5
