"""``--where``: an SQL boolean expression over the typed columns, checked before it reaches the store.

Two things are made easier than SQL has them: a date is a plain string (``taken_at >= '2024-06'``), and
``'dog' IN keywords`` tests a list. All else is passed on as written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from revln.errors import QueryError
from revln.retrieve.columns import COLUMNS, TIME_COLUMNS, unknown_name

__all__ = ["compile_where", "conjunction", "one_of"]

_EXAMPLE = "taken_at >= '2024-06-01' AND label = 'dog'"
_KEYWORDS = frozenset({"and", "or", "not", "in", "like", "ilike", "escape", "between", "is", "null", "true", "false"})
_TYPED_LITERALS = frozenset({"timestamp", "date"})
_FUNCTIONS = frozenset({
    "lower", "upper", "length", "trim", "starts_with", "ends_with", "contains", "regexp_like",
    "coalesce", "abs", "round", "array_has", "array_has_any", "array_has_all", "array_length", "date_part",
})  # fmt: skip
_COMPARISONS = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<comment>--|/\*)
      | (?P<string>'(?:[^']|'')*')
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<name>[^\W\d]\w*)
      | (?P<symbol><=|>=|<>|!=|[=<>()+\-*/%,\[\]])
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?)?)?")


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of the expression: its sort (a group of ``_TOKEN``, or what a name turned out to be) and its text."""

    sort: str
    text: str


def compile_where(where: str) -> str:
    """Checks a filter and gives the SQL for the store.

    Args:
        where: as the user wrote it.

    Raises:
        QueryError: it is empty, holds more than an expression, or names a column or function that does not exist.
    """
    tokens = _classified(_tokens(where))
    if not tokens:
        raise QueryError(f"the filter is empty: write it like {_EXAMPLE}")
    _check_brackets(tokens)
    return " ".join(_membership(_dated(tokens)))


def one_of(column: str, values: Iterable[str]) -> str:
    """SQL for a column that has one of some values."""
    quoted = ("'" + value.replace("'", "''") + "'" for value in values)
    return f"{column} IN ({', '.join(quoted)})"


def conjunction(parts: Iterable[str | None]) -> str | None:
    """SQL that holds when all parts do; ``None`` parts hold always."""
    present = [f"({part})" for part in parts if part is not None]
    return " AND ".join(present) or None


def _tokens(where: str) -> list[_Token]:
    tokens = []
    for found in _TOKEN.finditer(where):
        sort, text = found.lastgroup or "other", found.group()
        if sort == "comment":
            raise QueryError(f"comments ({text}) are not allowed in a filter: write it like {_EXAMPLE}")
        if sort == "other":
            raise QueryError(_stray(text))
        if sort != "space":
            tokens.append(_Token(sort, text))
    return tokens


def _stray(text: str) -> str:
    if text == "'":
        return "a quote in the filter is not closed: write strings as 'dog', and a quote within one as ''"
    if text in '"`':
        return f"{text} is no quote in a filter: write strings in single quotes, as in label = 'dog'"
    return f"{text} is not allowed in a filter, which is one SQL expression: write it like {_EXAMPLE}"


def _classified(tokens: Sequence[_Token]) -> list[_Token]:
    """Tokens whose names are told apart into columns, functions and keywords, all in lower case."""
    classified = []
    for place, token in enumerate(tokens):
        if token.sort != "name":
            classified.append(token)
            continue
        name = token.text.lower()
        following = tokens[place + 1] if place + 1 < len(tokens) else _Token("end", "")
        if name in _KEYWORDS or (name in _TYPED_LITERALS and following.sort == "string"):
            sort = "keyword"
        elif following.text == "(":
            sort = "function"
            if name not in _FUNCTIONS:
                raise QueryError(unknown_name("function", token.text, _FUNCTIONS))
        else:
            sort = "column"
            if name not in COLUMNS:
                raise QueryError(unknown_name("column", token.text, COLUMNS))
        classified.append(_Token(sort, name))
    return classified


def _check_brackets(tokens: Sequence[_Token]) -> None:
    open_ones = 0
    for token in tokens:
        open_ones += {"(": 1, ")": -1}.get(token.text, 0) if token.sort == "symbol" else 0
        if open_ones < 0:
            break
    if open_ones:
        raise QueryError(f"the parentheses of the filter do not match: write it like {_EXAMPLE}")


def _dated(tokens: Sequence[_Token]) -> list[_Token]:
    """Tokens with the strings that are compared with a time made timestamps, which Lance asks for."""
    calls = _within_call(tokens)
    dated = []
    for place, token in enumerate(tokens):
        typed = place > 0 and tokens[place - 1].text in _TYPED_LITERALS
        if token.sort == "string" and not typed and not calls[place]:
            column = _compared_with(tokens, place)
            if column in TIME_COLUMNS:
                dated.append(_Token("string", _timestamp(column, token.text)))
                continue
        dated.append(token)
    return dated


def _within_call(tokens: Sequence[_Token]) -> list[bool]:
    """For each token, whether it is an argument of a function."""
    within, stack = [], [False]
    for place, token in enumerate(tokens):
        if token.text == "(" and token.sort == "symbol":
            stack.append(stack[-1] or (place > 0 and tokens[place - 1].sort == "function"))
        elif token.text == ")" and token.sort == "symbol":
            stack.pop()
        within.append(stack[-1])
    return within


def _compared_with(tokens: Sequence[_Token], place: int) -> str:
    """Column that the string at ``place`` is compared with: that after the next operator, else the last before."""
    after = tokens[place + 1 : place + 3]
    if len(after) == 2 and after[0].text in _COMPARISONS and after[1].sort == "column":
        return after[1].text
    return next((token.text for token in reversed(tokens[:place]) if token.sort == "column"), "")


def _timestamp(column: str, literal: str) -> str:
    text = literal[1:-1]
    if _DATE.fullmatch(text):
        try:
            moment = datetime.fromisoformat(text + "0001-01-01"[len(text) :])  # a year or month stands for its start
        except ValueError:
            pass
        else:
            return f"timestamp '{moment.isoformat(sep=' ')}'"
    raise QueryError(f"{literal} is no date to compare {column} with: write '2024-06-01' or '2024-06-01 12:30'")


def _membership(tokens: Sequence[_Token]) -> list[str]:
    """Texts of the tokens, with ``'dog' [NOT] IN keywords`` made a test of the list."""
    texts: list[str] = []
    for token in tokens:
        texts.append(token.text)
        negated = texts[-3:-1] == ["not", "in"]
        if token.sort == "column" and token.text == "keywords" and texts[-2:-1] == ["in"]:
            value = -4 if negated else -3
            if len(texts) < -value or not texts[value].startswith("'"):
                raise QueryError("keywords are tested as in 'dog' IN keywords: a string comes before IN")
            texts[value:] = [*(["not"] if negated else []), f"array_has(keywords, {texts[value]})"]
    return texts
