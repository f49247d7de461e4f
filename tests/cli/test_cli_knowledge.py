from __future__ import annotations

from pathlib import Path

import pytest

from revln.pipeline import Memory


@pytest.fixture
def taught(memory: Path) -> Path:
    """Three photos, of which the blue one is known by a text that a search for green finds."""
    Memory.open(memory).add(texts="green", label="blue", source="notes")
    return memory


def test_knowledge_is_shown(run, run_json, taught) -> None:
    hits = run_json("search", "green", "--memory", taught)["hits"]
    led = next(hit for hit in hits if hit["label"] == "blue")
    assert led["via"]["text"] == "green"
    assert led["via"]["kind"] == "text"
    assert "via" not in next(hit for hit in hits if hit["label"] == "green")
    line = next(line for line in run("search", "green", "--memory", taught).stdout.splitlines() if "via" in line)
    assert line.rstrip().endswith("blue · via text: green")


def test_knowledge_sources_and_weights(run_json, taught) -> None:
    def blue(*options: str) -> float:
        hits = run_json("search", "green", "--memory", taught, *options)["hits"]
        return next(hit["probability"] for hit in hits if hit["label"] == "blue")

    assert blue() > 0.9
    assert blue("--no-knowledge") < 0.1
    assert blue("--source", "files") < 0.1
    assert blue("--source", "files", "--source", "notes") > 0.9
    assert blue("--weight", "notes=0") < 0.1
    assert blue("--weight", "image=0.5") < blue("--weight", "notes=2")
    assert run_json("search", "green", "--memory", taught, "--source", "notes")["hits"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "nots"], "error: unknown source 'nots': did you mean notes?"),
        (["--weight", "nots=2"], "error: unknown source or kind 'nots': did you mean notes?"),
        (["--weight", "notes"], "error: 'notes' is no weight: write it like wordnet=0.5"),
        (["--weight", "=2"], "error: '=2' is no weight"),
        (["--weight", "notes=much"], "error: 'notes=much' is no weight"),
        (["--weight", "notes=-1"], "error: the weight of notes is -1.0: give a number from 0 up"),
    ],
)
def test_bad_options(run, taught, arguments: list[str], message: str) -> None:
    result = run("search", "red", "--memory", taught, *arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
