"""How errors are told to a client: what is wrong and what to do, in one line."""

from __future__ import annotations

import logging
import traceback

from pydantic import ValidationError

from revln.errors import RevlnError

__all__ = ["told"]

_logger = logging.getLogger("revln.mcp")


def told(error: Exception) -> str:
    """What a client is told.

    Of an error that nobody has thought of it is told nothing but that there was one. The log has its kind and place,
    without its text, which may hold what was asked for.
    """
    if isinstance(error, RevlnError):
        return _line(str(error))
    if isinstance(error, ValidationError):
        return _line("; ".join(_of_argument(entry["loc"], entry["msg"]) for entry in error.errors()))
    _logger.error("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))
    return "something went wrong in the server: its log says more"


def _of_argument(place: tuple[int | str, ...], message: str) -> str:
    name = ".".join(str(part) for part in place)
    message = message[:1].lower() + message[1:]
    return f"{name}: {message}" if name else message


def _line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text).strip()
