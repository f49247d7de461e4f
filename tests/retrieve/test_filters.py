from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from revln.errors import QueryError
from revln.retrieve import compile_where
from revln.retrieve.filters import conjunction, one_of
from revln.store import RecordTable, Row


@pytest.mark.parametrize(
    ("where", "sql"),
    [
        ("label='dog'", "label = 'dog'"),
        ("LABEL = 'Dog' And Width>100", "label = 'Dog' and width > 100"),
        ("taken_at >= '2024-06-01'", "taken_at >= timestamp '2024-06-01 00:00:00'"),
        ("'2024' < taken_at", "timestamp '2024-01-01 00:00:00' < taken_at"),
        ("taken_at < '2024-06-01 12:30'", "taken_at < timestamp '2024-06-01 12:30:00'"),
        ("taken_at = timestamp '2024-06-01'", "taken_at = timestamp '2024-06-01'"),
        (
            "taken_at between '2024-06' and '2024-07' and id = '2024-06'",
            "taken_at between timestamp '2024-06-01 00:00:00' and timestamp '2024-07-01 00:00:00' and id = '2024-06'",
        ),
        (
            "label = 'x' or '2024-01-02' <= indexed_at",
            "label = 'x' or timestamp '2024-01-02 00:00:00' <= indexed_at",
        ),
        ("taken_at not in ('2024-06-01')", "taken_at not in ( timestamp '2024-06-01 00:00:00' )"),
        ("date_part('year', taken_at) = 2024", "date_part ( 'year' , taken_at ) = 2024"),
        ("'dog' in keywords", "array_has(keywords, 'dog')"),
        ("not 'a' NOT IN keywords", "not not array_has(keywords, 'a')"),
        ("label = 'O''Brien; -- /* \" drop'", "label = 'O''Brien; -- /* \" drop'"),
    ],
)
def test_compiled(where: str, sql: str) -> None:
    assert compile_where(where) == sql


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("", "the filter is empty"),
        ("  \n", "the filter is empty"),
        ("label = 'a'; DROP TABLE records", "; is not allowed"),
        ("label = 'a' -- all", "comments"),
        ("label /* x */ = 'a'", "comments"),
        ("label = 'a", "quote in the filter is not closed"),
        ('label = "dog"', "single quotes"),
        ("`label` = 'dog'", "single quotes"),
        ("lable = 'dog'", "unknown column 'lable': did you mean label\\? known are camera, height, id"),
        ("text = 'dog'", "unknown column 'text'"),
        ("_rowid = 1", "unknown column '_rowid'"),
        ("image_vector is null", "unknown column"),
        ("loer(label) = 'dog'", "unknown function 'loer': did you mean lower"),
        ("(label = 'a'", "parentheses"),
        (")label = 'a'(", "parentheses"),
        ("taken_at > 'yesterday'", "'yesterday' is no date to compare taken_at with: write '2024-06-01'"),
        ("taken_at > '2024-13-01'", "no date"),
        ("taken_at like '2024%'", "no date"),
        ("in keywords", "keywords are tested as in"),
        ("label not in keywords", "keywords are tested as in"),
        ("select 1", "unknown column 'select'"),
    ],
)
def test_refused(where: str, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        compile_where(where)


def test_parts() -> None:
    assert one_of("label", ["a", "O'B"]) == "label IN ('a', 'O''B')"
    assert conjunction([None, "a = 1 or b = 2", "c"]) == "(a = 1 or b = 2) AND (c)"
    assert conjunction([None]) is None


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ("taken_at >= '2024-06-02'", 1),
        ("taken_at between '2024-06' and '2024-06-01 12:00'", 1),
        ("'2024-06-01 10:00:00' = taken_at", 1),
        ("taken_at in ('2024-06-01 10:00', '2024-06-03')", 2),
        ("taken_at is null", 1),
        ("indexed_at > '2020'", 3),
        ("date_part('month', taken_at) = 6", 2),
        ("'dog' in keywords", 1),
        ("'dog' not in keywords", 2),
        ("array_has_any(keywords, ['dog', 'cat'])", 2),
        ("array_length(keywords) = 2", 1),
        ("label like 'd%' or label ilike 'CAT'", 2),
        ("lower(label) = 'dog' and upper(camera) = 'NIKON'", 1),
        ("camera is not null", 1),
        ("not (label in ('dog', 'cat'))", 0),
        ("lat > -1.5e1 and lon between 8 and 9", 1),
        ("width * height >= 100 and size = 10", 3),
        ("starts_with(uri, '/a/') and ends_with(uri, '1') and contains(uri, 'a')", 1),
        ("regexp_like(uri, '[12]$')", 2),
        ("length(trim(label)) = 3 and coalesce(camera, 'none') = 'none'", 1),
        ("abs(lat) = 10 and round(lon) = 9", 1),
        ("source = 'photos' and kind = 'image' and id != ''", 3),
        ("true", 3),
        ("label = 'x; DROP'", 0),
    ],
)
def test_filters_run(table: RecordTable, make_photo: Callable[..., Row], where: str, count: int) -> None:
    table.upsert([
        make_photo("/a/1", label="dog", taken_at=datetime(2024, 6, 1, 10), camera="Nikon", keywords=("dog", "sun"),
                   width=10, height=10),
        make_photo("/a/2", label="cat", taken_at=datetime(2024, 6, 3), keywords=("cat",), lat=-10.0, lon=8.6,
                   width=20, height=10),
        make_photo("/b/3", width=10, height=20),
    ])  # fmt: skip
    assert table.snapshot.count(compile_where(where)) == count
