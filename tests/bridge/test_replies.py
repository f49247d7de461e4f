"""What larger models say, and what is made of it."""

from __future__ import annotations

import logging

import pytest

from revln.bridge.replies import parse_reply
from revln.errors import GeneratorError
from revln.types import WriteReply

GIVEN = ("a1", "b2")


@pytest.mark.parametrize(
    ("said", "reply"),
    [
        ('{"text": "Ada", "evidence": ["b2"], "sure": 0.7}', WriteReply("Ada", ("b2",), 0.7)),
        ('```json\n{"text": "Ada", "evidence": ["b2"], "sure": 0.7}\n```', WriteReply("Ada", ("b2",), 0.7)),
        ('Here you are:\n```\n{"text": "Ada"}\n```\nAnything else?', WriteReply("Ada")),
        ('{"text": " Ada\\n on  the wall ", "evidence": null, "sure": 1}', WriteReply("Ada on the wall", (), 1.0)),
        ('{"text": null, "evidence": [], "sure": 0}', WriteReply(None, (), 0.0)),
        ('{"text": "  "}', WriteReply(None)),
        ('{"text": "Ada", "evidence": ["b2", "a1", "b2"], "more": 1}', WriteReply("Ada", ("b2", "a1"))),
    ],
)
def test_what_is_understood(said: str, reply: WriteReply) -> None:
    assert parse_reply(said, GIVEN, "model") == reply


@pytest.mark.parametrize("cited", ['"zz"', "7", '{"id": "a1"}', "null", '["a1"]'])
def test_ids_that_were_not_given_are_left_out_and_told(cited: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "revln.bridge"):
        reply = parse_reply(f'{{"text": "Ada", "evidence": ["a1", {cited}]}}', GIVEN, "model")
    assert reply.cited == ("a1",)
    (record,) = caplog.records
    assert "which it was not given: left out" in record.getMessage()


@pytest.mark.parametrize("sure", ["85", "-0.1", "NaN", '"very"', "true", "Infinity"])
def test_what_is_no_probability_is_left_out_and_told(sure: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "revln.bridge"):
        assert parse_reply(f'{{"text": "Ada", "sure": {sure}}}', GIVEN, "model") == WriteReply("Ada")
    assert "which is no probability" in caplog.text


@pytest.mark.parametrize(
    "said",
    [
        "",
        "A red photo.",
        "[]",
        "null",
        "{}",
        '{"caption": "Ada"}',
        '{"text": 3}',
        '{"text": ["Ada"]}',
        '{"text": "Ada", "evidence": "a1"}',
        '{"text": "Ada"',
        "```json\nnothing\n```",
        "[" * 100_000,
    ],
)
def test_what_is_not_understood(said: str) -> None:
    with pytest.raises(GeneratorError, match=r"^model: replied .*try again, or use a larger model") as caught:
        parse_reply(said, GIVEN, "model")
    assert len(str(caught.value)) < 300
