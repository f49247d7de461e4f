from __future__ import annotations

import pytest

from revln.text import as_sentence, without_stop
from revln.text.special import BYTES, SPECIAL, beginning


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        ("A dog runs .", "A dog runs"),
        ("  A dog\n runs.  ", "A dog runs"),
        ("一只狗在跑。", "一只狗在跑"),
        ("wait...", "wait"),
        ("Is it a dog?", "Is it a dog?"),
        ("a 3.5 m wall", "a 3.5 m wall"),
        (".", ""),
        ("", ""),
    ],
)
def test_a_text_without_its_full_stop(text: str, bare: str) -> None:
    assert without_stop(text) == bare
    assert without_stop(bare) == bare


@pytest.mark.parametrize(
    ("text", "language", "sentence"),
    [
        ("a dog runs", "en", "A dog runs."),
        ("a dog runs .", "en", "A dog runs."),
        ("Ada's dog", "en", "Ada's dog."),
        ("is it a dog?", "en", "Is it a dog?"),
        ("look!", "en", "Look!"),
        ("élan", "fr", "Élan."),
        ("2 dogs", "en", "2 dogs."),
        ("一只狗在跑", "zh", "一只狗在跑。"),
        ("狗在哪里？", "zh", "狗在哪里？"),
        ("", "en", ""),
        (" . ", "zh", ""),
    ],
)
def test_a_sentence_as_it_is_shown(text: str, language: str, sentence: str) -> None:
    assert as_sentence(text, language) == sentence
    assert as_sentence(sentence, language) == sentence


def test_special_tokens_are_told_from_each_other_and_from_bytes() -> None:
    assert len({*SPECIAL, *BYTES}) == len(SPECIAL) + 256
    assert SPECIAL[0] == "<pad>"  # which pads with 0, as arrays begin
    assert {beginning("en"), beginning("zh")} <= set(SPECIAL)
