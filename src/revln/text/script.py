"""Which writing system a sentence is in."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

__all__ = ["LANGUAGE_SCRIPTS", "dominant_script", "foreign_script", "written_in"]

_LATIN = "cs da de en es et fi fr hr hu id it lt lv ms nl no pl pt ro sk sl sv sw tr vi"
LANGUAGE_SCRIPTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_LATIN.split(), ("Latin",)),
    **dict.fromkeys(("be", "bg", "mk", "ru", "uk"), ("Cyrillic",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)),
    **dict.fromkeys(("hi", "mr", "ne"), ("Devanagari",)),
    "bn": ("Bengali",),
    "el": ("Greek",),
    "he": ("Hebrew",),
    "ja": ("Hiragana", "Katakana", "Chinese"),
    "ko": ("Hangul",),
    "ta": ("Tamil",),
    "th": ("Thai",),
    "zh": ("Chinese",),
}
"""Scripts by ISO 639-1 code of the language."""

_NAMES = {"Cjk": "Chinese", "Ideographic": "Chinese"}  # where Unicode's character names have not the usual one


def dominant_script(text: str) -> str | None:
    """Writing system of most letters: "Latin", "Chinese", "Cyrillic" ...; None when the text has no letters."""
    if text.isascii():  # most texts, and quickly told
        return "Latin" if any(map(str.isalpha, text)) else None
    # Compatibility forms, such as full-width letters, are named by their form: NFKC gives the plain ones.
    plain = unicodedata.normalize("NFKC", text)
    scripts = Counter(unicodedata.name(letter, "UNKNOWN").split()[0] for letter in plain if letter.isalpha())
    if not scripts:
        return None
    script = scripts.most_common(1)[0][0].title()
    return _NAMES.get(script, script)


def foreign_script(text: str, languages: Sequence[str]) -> str | None:
    """The dominant script of a text when none of the languages is written in it.

    None as well when there is a language whose script is not known here.
    """
    script = dominant_script(text)
    if script is None or not languages or any(language not in LANGUAGE_SCRIPTS for language in languages):
        return None
    known = {name for language in languages for name in LANGUAGE_SCRIPTS[language]}
    return None if script in known else script


def written_in(text: str, language: str) -> bool:
    """Whether a text is in the script of a language, as far as that is known here."""
    return dominant_script(text) in LANGUAGE_SCRIPTS.get(language, ())
