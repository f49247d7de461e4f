"""Filters that are no SQL, made the expression that the memory understands."""

from __future__ import annotations

import os
from typing import Any

from revln.retrieve import compile_where
from revln.retrieve.filters import conjunction, one_of
from revln.serve.requests import Filters, Search, Similar
from revln.store.words import encode_uri, sql_string

__all__ = ["options_of", "where_of"]

_NOT_OPTIONS = {name for name in Filters.model_fields if name != "sources"}


def where_of(filters: Filters, where: str | None = None) -> str | None:
    """The expression for which records are meant; ``None`` for all.

    Args:
        filters: all but the sources, which searching has an option of its own for.
        where: another expression that has to hold.

    Raises:
        QueryError: that does not work.
    """
    start, end = filters.taken_from, filters.taken_to
    parts = [
        None if where is None else compile_where(where),  # by itself, so that its brackets cannot reach beyond it
        None if start is None else f"taken_at >= timestamp '{start.isoformat()} 00:00:00'",
        None if end is None else f"taken_at <= timestamp '{end.isoformat()} 23:59:59.999999'",
        None if not filters.labels else one_of("label", filters.labels),
        None if filters.folder is None else f"starts_with(uri, {sql_string(_beginning(filters.folder))})",
    ]
    return conjunction(parts)


def options_of(asked: Search | Similar, *others: str) -> dict[str, Any]:
    """What a search is called with.

    Args:
        asked: the request.
        others: fields of it that are no options of a search.

    Raises:
        QueryError: its filter does not work.
    """
    return asked.model_dump(exclude=_NOT_OPTIONS | {*others, "where"}) | {"where": where_of(asked, asked.where)}


def _beginning(folder: str) -> str:
    """How the uris of all files below a folder begin."""
    return encode_uri(folder.rstrip(os.sep) + os.sep)
