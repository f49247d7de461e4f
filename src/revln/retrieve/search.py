"""One search: by meaning, by words, or by both, with filters, a cut-off, sorting and pages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from revln.errors import QueryError
from revln.protocols import Calibration, MemoryView, RowIds, VectorSearch
from revln.retrieve.evidence import Cut, QueryVector, match, match_all
from revln.retrieve.fusion import log_odds, word_count
from revln.retrieve.knowledge import EncodeTexts, Knowledge
from revln.retrieve.scope import PHOTO_KINDS, Scope, reweighted
from revln.retrieve.sort import parse_sort
from revln.types import Embedding, Hit, Kind, Record, SearchResult, Via

__all__ = ["MODES", "PHOTO_KINDS", "Mode", "QueryVector", "Searcher"]

Mode = Literal["vector", "text", "hybrid"]
MODES: tuple[Mode, ...] = ("vector", "text", "hybrid")
_LIST_DEPTH = 1000  # of the lists that hybrid search fuses
_TOLD = 4.0  # log-odds of meaning and words from which a record fits, whatever the former says alone


@dataclass(frozen=True, slots=True)
class _Found:
    """A row in the running: what becomes a ``Hit`` once its record is read."""

    row_id: int
    fused_score: float
    score: float = 0.0
    probability: float = 0.0
    via: Via | None = None


@dataclass(frozen=True, slots=True)
class Searcher:
    """Searches one version of a memory.

    Attributes:
        view: its records.
        index: its vectors.
        calibration: makes cosines probabilities.
        encode_texts: unit rows [n, dim] of names that knowledge leads to; without it knowledge leads to the photos that
            it is linked with, not to those that look like it.
        matched_at: probability from which on a record fits the query.
    """

    view: MemoryView
    index: VectorSearch
    calibration: Calibration
    encode_texts: EncodeTexts | None = None
    matched_at: float = 0.5

    def search(
        self,
        query: QueryVector | None = None,
        text: str | None = None,
        *,
        k: int = 10,
        offset: int = 0,
        where: str | None = None,
        mode: Mode = "vector",
        sort: str = "score",
        min_score: float | None = None,
        kinds: Iterable[Kind] | None = None,
        sources: Iterable[str] | None = None,
        weights: Mapping[str, float] | None = None,
        knowledge: bool = True,
    ) -> SearchResult:
        """Finds records.

        Args:
            query: vector to compare with; needed in all modes but ``text``, where it gives the hits their scores.
            text: words to look for; needed in all modes but ``vector``.
            k: how many hits, at least 1.
            offset: how many of the best to leave out.
            where: SQL filter, see ``compile_where``.
            mode: ``vector`` ranks by calibrated cosine, ``text`` by BM25, ``hybrid`` by both, see ``log_odds``.
            sort: ``score`` for the mode's own order, or a key of ``SORT_KEYS``, with ``-`` before it for descending.
                A vector search sorted so holds the records that fit (by ``min_score`` if given, else by
                ``matched_at``), since otherwise it would be the whole memory.
            min_score: leaves out hits with a smaller cosine.
            kinds: kinds of records to find; photos if not given.
            sources: only records of these sources are found, and only theirs lead to photos; all if not given.
            weights: by the name of a source or kind, what the odds of its records' probabilities are multiplied by. A
                record of which both are named has the product of the two.
            knowledge: whether texts that clearly fit a query by text lead to photos; see ``Knowledge``.

        Returns:
            The hits. ``fused_score`` is what the mode ranks by: the probability in vector mode, or the cosine when
            that gives the same order; the BM25 score in text mode; the log-odds in hybrid mode. A hit without
            vectors, or in text mode without a query vector, has the score and probability 0.

        Raises:
            QueryError: an option out of range, a bad filter, or a query that the mode cannot use.
        """
        started = time.perf_counter()
        _check_numbers(k, offset)
        _check_query(query, text, mode, min_score)
        if mode == "text" and weights:
            raise QueryError("weights change probabilities, mode text ranks by words: choose vector or hybrid")
        sort_key = parse_sort(sort)
        scope = Scope(self.view, where, kinds, sources, weights)
        reach: int | Cut = offset + k
        if min_score is not None:
            reach = Cut("score", min_score)
        elif sort_key is not None:
            reach = Cut("probability", self.matched_at) if mode == "vector" else scope.total
        found = self._ranked(query, text, mode, scope, reach, follow=knowledge and text is not None)
        if min_score is not None:
            found = [row for row in found if row.score >= min_score]
        elif sort_key is not None and mode == "vector":
            found = [row for row in found if row.probability >= self.matched_at]
        matched = any(self._fits(row, mode) for row in found)
        if sort_key is not None:
            values = self.view.column(sort_key.column, _row_ids(found))
            found = [found[place] for place in sort_key.order([values.get(row.row_id) for row in found])]
        hits = self._hits(found[offset : offset + k], query, offset)
        return SearchResult(hits=hits, matched=matched, seconds=time.perf_counter() - started)

    def nearest_images(
        self, query: QueryVector, k: int, allowed: RowIds | None = None
    ) -> tuple[tuple[Hit, ...], Embedding]:
        """The ``k`` records of any kind whose pictures are nearest, and their vectors [n, dim].

        Args:
            query: what to be near to.
            k: how many, at least 1.
            allowed: only these records, ascending; ``None`` for all.
        """
        matches = self.index.search(query.vector, k, "image", allowed)
        chances = self.calibration.probability(query.vector, matches.scores, query.modality, "image")
        columns = (matches.row_ids, matches.scores, matches.scores, chances)
        found = [_Found(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]
        return self._hits(found, query, 0), self.index.image_vectors(matches.row_ids)

    def _fits(self, row: _Found, mode: Mode) -> bool:
        """Whether a row that was found is what was asked for."""
        told = mode == "text" or (mode == "hybrid" and row.fused_score >= _TOLD)
        return told or row.probability >= self.matched_at

    def _ranked(
        self, query: QueryVector | None, text: str | None, mode: Mode, scope: Scope, reach: int | Cut, *, follow: bool
    ) -> list[_Found]:
        """The best rows in the mode's own order: so many, or all that pass a cut and maybe others."""
        if scope.total == 0:
            return []
        if mode == "vector":
            return self._by_vector(query, scope, reach, follow=follow)
        depth = scope.total if isinstance(reach, Cut) else reach
        if mode == "text":
            return self._scored(self._by_text(text, scope, depth), query, scope)
        # One depth for all pages, or else a row's place would depend on the page asked for.
        list_depth = max(_LIST_DEPTH, depth)
        deep = self._to_the_last(query, scope, reach, follow=follow) if isinstance(reach, Cut) else list_depth
        by_vector = self._by_vector(query, scope, deep, follow=follow)
        by_text = self._by_text(text, scope, scope.total)
        best = self._scored(by_text[:list_depth], query, scope)
        found = {row.row_id: row for row in (*best, *by_vector)}
        # What meaning finds may have the words, too, behind the best of those that do.
        fused = self._fused(list(found.values()), {row.row_id: row.fused_score for row in by_text}, text, scope)
        both = [replace(row, fused_score=score) for row, score in zip(found.values(), fused.tolist(), strict=True)]
        return sorted(both, key=lambda row: (-row.fused_score, row.row_id))[:depth]

    def _fused(
        self, found: Sequence[_Found], words: Mapping[int, float], text: str | None, scope: Scope
    ) -> npt.NDArray[np.float64]:
        """What meaning and words say of rows together [n]."""
        scores, chances = np.array([(row.score, row.probability) for row in found]).reshape(-1, 2).T
        known = (scores != 0) | (chances > 0)
        if known.any():  # a row without vectors is as unlikely as the least likely of the others
            chances = np.where(known, chances, chances[known].min())
        told = np.array([words.get(row.row_id, 0.0) for row in found])
        told[scope.weights_of(_row_ids(found)) == 0] = 0.0  # of which nothing is to remain
        return log_odds(chances, told, word_count(text or ""))

    def _by_vector(self, query: QueryVector | None, scope: Scope, reach: int | Cut, *, follow: bool) -> list[_Found]:
        if query is None:  # ``_check_query`` has refused this for the modes that need one
            return []
        direct = self._direct(query, scope, reach)
        if not follow or query.modality != "text":
            return direct
        led = self._led(query, scope)
        if not led:
            return direct
        merged = {row.row_id: replace(row, fused_score=row.probability) for row in direct} | led
        best = sorted(merged.values(), key=lambda row: (-row.probability, -row.score, row.row_id))
        return best if isinstance(reach, Cut) else best[:reach]

    def _to_the_last(self, query: QueryVector | None, scope: Scope, cut: Cut, *, follow: bool) -> Cut:
        """A cut by probability that no row fails which stands above the last one to pass a cut by the cosine."""
        passing = [row for row in self._by_vector(query, scope, cut, follow=follow) if row.score >= cut.least]
        # A little lower, since the last digit of a probability may depend on what is computed along with it.
        lowest = min((row.probability for row in passing), default=1.0) * (1 - 1e-5)
        return Cut("probability", lowest)

    def _direct(self, query: QueryVector, scope: Scope, reach: int | Cut, within: RowIds | None = None) -> list[_Found]:
        """Rows by how well their own vectors fit."""
        if isinstance(reach, Cut):
            matches = match_all(query, self.index, self.calibration, reach, scope)
        else:
            matches = match(query, self.index, self.calibration, reach, scope.groups(within))
        fused = matches.scores if matches.comparable else matches.probabilities
        columns = (matches.row_ids, fused, matches.scores, matches.probabilities)
        return [_Found(*values) for values in zip(*(column.tolist() for column in columns), strict=True)]

    def _led(self, query: QueryVector, scope: Scope) -> dict[int, _Found]:
        """The rows for which knowledge says more than their own vectors do."""
        leads = Knowledge(self.view, self.index, self.calibration, self.encode_texts).leads(query, scope)
        if not leads:
            return {}
        rows = np.array(sorted(leads), np.uint64)
        chances = reweighted(np.array([leads[row].probability for row in rows.tolist()]), scope.weights_of(rows))
        direct = {row.row_id: row for row in self._direct(query, scope, len(rows), rows)}
        led = {}
        for row_id, chance in zip(rows.tolist(), chances.tolist(), strict=True):
            own = direct.get(row_id, _Found(row_id, 0.0))
            if chance > own.probability:
                led[row_id] = replace(own, fused_score=chance, probability=chance, via=leads[row_id].via)
        return led

    def _by_text(self, text: str | None, scope: Scope, depth: int) -> list[_Found]:
        row_ids, scores = self.view.full_text(text or "", depth, scope.sql)
        return [_Found(row_id, score) for row_id, score in zip(row_ids.tolist(), scores.tolist(), strict=True)]

    def _scored(self, found: Sequence[_Found], query: QueryVector | None, scope: Scope) -> list[_Found]:
        """Rows with the cosine and probability of their best vectors, their order and fused scores kept."""
        if not found or query is None:
            return list(found)
        own = {row.row_id: row for row in self._direct(query, scope, len(found), np.sort(_row_ids(found)))}
        return [replace(own.get(row.row_id, row), fused_score=row.fused_score) for row in found]

    def _hits(self, page: Sequence[_Found], query: QueryVector | None, offset: int) -> tuple[Hit, ...]:
        row_ids = _row_ids(page)
        records = self.view.records(row_ids)
        numbers = self._best_texts(row_ids, query)
        return tuple(
            Hit(
                rank=rank,
                score=row.score,
                probability=row.probability,
                record=records[row.row_id],
                fused_score=row.fused_score,
                text=_text(records[row.row_id], numbers.get(row.row_id, 0)),
                via=row.via,
            )
            for rank, row in enumerate(page, start=offset + 1)
        )

    def _best_texts(self, row_ids: RowIds, query: QueryVector | None) -> dict[int, int]:
        """Number of the text that is nearest to the query, for the rows that have texts."""
        if query is None or len(row_ids) == 0:
            return {}
        found = self.index.search(query.vector, len(row_ids), "text", np.sort(row_ids))
        return dict(zip(found.row_ids.tolist(), found.text_numbers.tolist(), strict=True))


def _check_numbers(k: int, offset: int) -> None:
    if k < 1:
        raise QueryError(f"k is {k}: ask for at least 1 hit")
    if offset < 0:
        raise QueryError(f"offset is {offset}: it cannot be negative")


def _check_query(query: QueryVector | None, text: str | None, mode: str, min_score: float | None) -> None:
    if mode not in MODES:
        raise QueryError(f"unknown mode {mode!r}: choose from {', '.join(MODES)}")
    if query is None and mode != "text":
        raise QueryError(f"nothing to search for: mode {mode} needs a text or an image")
    if mode != "vector" and not (text and text.strip()):
        raise QueryError(f"no words to search for: mode {mode} needs a text")
    if query is None and min_score is not None:
        raise QueryError("min_score cuts by the cosine, which a search by words alone does not have: leave it out")


def _row_ids(found: Sequence[_Found]) -> RowIds:
    return np.array([row.row_id for row in found], np.uint64)


def _text(record: Record, number: int) -> str | None:
    return record.texts[number] if number < len(record.texts) else None
