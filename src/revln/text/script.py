"""Which writing system a sentence is in."""

from __future__ import annotations

import unicodedata
from collections import Counter

__all__ = ["LANGUAGE_SCRIPTS", "dominant_script", "foreign_script"]

LANGUAGE_SCRIPTS = {"en": "Latin", "zh": "Chinese"}
_NAMES = {"Cjk": "Chinese"}  # where a script's usual name is not the one in Unicode's character names


def dominant_script(text: str) -> str | None:
    """Writing system of most letters: "Latin", "Chinese", "Cyrillic" ...; None when the text has no letters."""
    scripts = Counter(unicodedata.name(letter, "UNKNOWN").split()[0] for letter in text if letter.isalpha())
    if not scripts:
        return None
    script = scripts.most_common(1)[0][0].title()
    return _NAMES.get(script, script)


def foreign_script(text: str, languages: tuple[str, ...]) -> str | None:
    """The dominant script of a text when none of the languages is written in it."""
    script = dominant_script(text)
    known = {LANGUAGE_SCRIPTS[language] for language in languages if language in LANGUAGE_SCRIPTS}
    return script if script is not None and known and script not in known else None
