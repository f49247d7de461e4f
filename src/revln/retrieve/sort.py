"""``--sort``: the order of hits when it is not that of the score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from revln.errors import QueryError
from revln.retrieve.columns import COLUMNS, unknown_name

__all__ = ["SORT_KEYS", "SortKey", "parse_sort"]

_SCORE = "score"
_SORTABLE = COLUMNS - {"keywords"}
SORT_KEYS = (_SCORE, *sorted(_SORTABLE))


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column to sort by.

    Attributes:
        column: its name.
        descending: largest or latest first.
    """

    column: str
    descending: bool = False

    def order(self, values: Sequence[Any]) -> list[int]:
        """Places of the values in this order; equal values keep theirs, ``None`` comes last either way."""
        present = [place for place, value in enumerate(values) if value is not None]
        absent = [place for place, value in enumerate(values) if value is None]
        return sorted(present, key=lambda place: values[place], reverse=self.descending) + absent


def parse_sort(key: str) -> SortKey | None:
    """A sort key as written: a column, with ``-`` before it for descending order; ``None`` for ``score``.

    Raises:
        QueryError: there is no such key.
    """
    if key == _SCORE:
        return None
    column = key.removeprefix("-").lower()
    if column not in _SORTABLE:
        raise QueryError(unknown_name("sort key", key, SORT_KEYS))
    return SortKey(column, descending=key.startswith("-"))
