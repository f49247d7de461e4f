from __future__ import annotations

import pytest

from revln.text import dominant_script, foreign_script


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("a dog in the snow", "Latin"),
        ("雪地里的狗", "Chinese"),
        ("собака на снегу", "Cyrillic"),
        ("ｄｏｇ", "Latin"),
        ("ひらがな", "Hiragana"),
        ("a photo of 狗", "Latin"),
        ("狗 dog", "Latin"),
        ("一只大黄狗 dog", "Chinese"),
        ("2024-06-01 !?", None),
        ("", None),
    ],
)
def test_dominant_script(text: str, script: str | None) -> None:
    assert dominant_script(text) == script


def test_a_script_that_no_language_is_written_in_is_foreign() -> None:
    assert foreign_script("雪地里的狗", ("en",)) == "Chinese"
    assert foreign_script("雪地里的狗", ("en", "zh")) is None
    assert foreign_script("雪山", ("ja",)) is None
    assert foreign_script("hund", ("de",)) is None
    assert foreign_script("42", ("en",)) is None


def test_languages_of_unknown_script_warn_of_nothing() -> None:
    assert foreign_script("собака", ("en", "xx")) is None
    assert foreign_script("собака", ()) is None
