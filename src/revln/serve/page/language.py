"""In which language the page is shown."""

from __future__ import annotations

__all__ = ["COOKIE", "LANGUAGES", "choose_language"]

COOKIE = "revln_lang"
"""The cookie in which a browser keeps what was chosen; it says nothing else."""

LANGUAGES = {"en": "en", "zh": "zh-Hans"}
"""Tag of each language, for ``<html lang>``."""

_DEFAULT = "en"


def choose_language(chosen: str | None, accepted: str) -> str:
    """The language to use: what was chosen, else the first that the browser asks for and the page has.

    Args:
        chosen: value of the cookie.
        accepted: ``Accept-Language``.
    """
    if chosen in LANGUAGES:
        return chosen
    wanted = sorted((_weighted(part) for part in accepted.split(",")), key=lambda pair: -pair[1])
    tags = (tag.partition("-")[0] for tag, weight in wanted if weight > 0)
    return next((tag for tag in tags if tag in LANGUAGES), _DEFAULT)


def _weighted(part: str) -> tuple[str, float]:
    tag, _, weight = part.partition(";")
    name, _, value = weight.strip().partition("=")
    try:
        return tag.strip().lower(), float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return tag.strip().lower(), 0.0
