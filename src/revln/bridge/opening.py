"""From the name of a larger model to what writes with it."""

from __future__ import annotations

from revln.bridge.chat import ChatWriter
from revln.bridge.smollm2 import SmolWriter
from revln.config import openai_endpoint
from revln.errors import QueryError
from revln.protocols import Writer

__all__ = ["open_writer"]


def open_writer(name: str) -> Writer:
    """The writer of a name: ``openai:MODEL`` or ``smollm2``. Nothing is contacted before something is written.

    Raises:
        QueryError: there is no such writer.
        InputError: a setting of it is wrong.
        GeneratorError: it lacks a key.
        MissingExtraError: what it runs with is not installed.
    """
    kind, colon, model = name.partition(":")
    if kind == "openai" and model.strip():
        return ChatWriter(model.strip(), openai_endpoint())
    if kind == "smollm2" and not colon:
        return SmolWriter()
    raise QueryError(f"no generator is called {name!r}: give openai:MODEL, such as openai:gpt-4o-mini, or smollm2")
