"""From what a larger model says to a reply: strict about its meaning, tolerant of what stands around it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from typing import Any

from revln.errors import GeneratorError
from revln.types import WriteReply

__all__ = ["excerpt", "parse_reply"]

_log = logging.getLogger("revln.bridge")
_FENCED = re.compile(r"```\w*\s*\n(.*?)```", re.DOTALL)
_SHOWN = 100  # characters


def parse_reply(said: str, given: Sequence[str], who: str) -> WriteReply:
    """The reply in what was said; cited ids that were not given, and a ``sure`` that is no probability, are left out.

    Args:
        said: JSON, maybe in a fence of Markdown.
        given: ids that may be cited.
        who: says it, for errors.

    Raises:
        GeneratorError: it is no such JSON.
    """
    document = _document(said)
    if not _has_form(document):
        raise GeneratorError(
            f"{who}: replied {excerpt(said)!r}, which is not the JSON that it was told to write: try again, or use a "
            "larger model"
        )
    text, evidence = document["text"], document.get("evidence")
    known, cited = set(given), list(dict.fromkeys(map(_hashable, evidence or [])))
    for unknown in (one for one in cited if one not in known):
        _log.warning("%s: cites %r, which it was not given: left out", who, excerpt(unknown))
    text = " ".join(text.split()) if text is not None else ""
    return WriteReply(text or None, tuple(one for one in cited if one in known), _probability(document, who))


def excerpt(said: str) -> str:
    """The beginning of a text, fit for one line."""
    line = " ".join(said.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def _document(said: str) -> Any:
    for text in (said, *_FENCED.findall(said)):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            continue
    return None


def _has_form(document: Any) -> bool:
    if not isinstance(document, dict) or "text" not in document:
        return False
    return isinstance(document["text"], str | None) and isinstance(document.get("evidence"), list | None)


def _hashable(cited: Any) -> str:
    return cited if isinstance(cited, str) else json.dumps(cited)


def _probability(document: dict[str, Any], who: str) -> float | None:
    sure = document.get("sure")
    if sure is None:
        return None
    if isinstance(sure, int | float) and not isinstance(sure, bool) and 0 <= sure <= 1:
        return float(sure)
    _log.warning("%s: is sure by %r, which is no probability: left out", who, excerpt(str(sure)))
    return None
