"""What a full text search asks Lance for."""

from __future__ import annotations

from lance.query import BooleanQuery, FullTextOperator, FullTextQuery, MatchQuery, Occur

from revln.store.schema import TEXT_COLUMN
from revln.store.words import cjk_runs, query_words

__all__ = ["text_query"]

_APART = 0.1


def text_query(query: str) -> str | FullTextQuery:
    """The query as Lance takes it.

    A row that holds all characters of a Chinese run, be they apart, counts a little: rows indexed before pairs were
    have no other way to be found.
    """
    words = query_words(query)
    apart = [
        MatchQuery(" ".join(run), TEXT_COLUMN, operator=FullTextOperator.AND, boost=_APART) for run in cjk_runs(query)
    ]
    if not apart:
        return words
    return BooleanQuery([(Occur.SHOULD, part) for part in (MatchQuery(words, TEXT_COLUMN), *apart)])
