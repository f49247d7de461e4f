from __future__ import annotations

import json

import pytest

from revln.cli.options import KindName, ModeName
from revln.retrieve import MODES
from revln.types import KINDS


def test_the_help_knows_all_modes_and_kinds() -> None:
    assert tuple(ModeName) == MODES
    assert tuple(KindName) == KINDS


def test_json_is_all_of_stdout(run, memory) -> None:
    result = run("search", "red", "--memory", memory, "-k", "2", "--json")
    document = json.loads(result.stdout)
    assert document["matched"] is True
    assert document["hits"][0]["label"] == "red"
    assert set(document["hits"][0]) == {
        "rank", "score", "fused_score", "probability", "id", "source", "kind", "uri", "text", "texts", "label", "meta",
    }  # fmt: skip
    assert result.stderr == ""


def test_table(run, memory) -> None:
    result = run("search", "red", "--memory", memory)
    first = result.stdout.splitlines()[1].split()
    assert first[:3] == ["1", "100", "%"]
    assert first[-2].endswith("red/red.jpg")
    assert first[-1] == "red"
    assert "No photo fits" not in result.stdout


def test_no_match_is_said_first(run, run_json, memory) -> None:
    result = run("search", "a giraffe", "--memory", memory)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "No photo fits well; the nearest are:"
    assert run_json("search", "a giraffe", "--memory", memory)["matched"] is False


def test_nothing_found(run, memory) -> None:
    assert run("search", "red", "--memory", memory, "--where", "label = 'none'").stdout == "Nothing found.\n"


def test_paths(run, memory, photos) -> None:
    result = run("search", "red", "--memory", memory, "--paths", "-k", "1")
    assert result.stdout == f"{photos / 'red' / 'red.jpg'}\n"


def test_by_image_and_with_text(run_json, memory, photos) -> None:
    by_image = run_json("search", "--image", photos / "blue" / "blue.jpg", "--memory", memory)
    assert by_image["hits"][0]["label"] == "blue"
    both = run_json(
        "search", "green", "--image", photos / "blue" / "blue.jpg", "--text-weight", "0.99", "--memory", memory
    )
    assert both["hits"][0]["label"] == "green"


def test_options_reach_the_search(run_json, memory) -> None:
    assert len(run_json("search", "red", "--memory", memory, "-k", "1")["hits"]) == 1
    assert run_json("search", "red", "--memory", memory, "--offset", "1")["hits"][0]["rank"] == 2
    assert len(run_json("search", "red", "--memory", memory, "--min-score", "0.9")["hits"]) == 1
    where = run_json("search", "red", "--memory", memory, "--where", "label IN ('blue', 'green')")
    assert {hit["label"] for hit in where["hits"]} == {"blue", "green"}
    ordered = run_json("search", "red", "--memory", memory, "--sort", "-label", "--min-score", "-1")
    assert [hit["label"] for hit in ordered["hits"]] == ["red", "green", "blue"]
    by_words = run_json("search", "nonsense", "--memory", memory, "--mode", "text")
    assert (by_words["hits"], by_words["matched"]) == ([], False)
    assert run_json("search", "red", "--memory", memory, "--kind", "text", "--kind", "qa")["hits"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["red", "-k", "0"], "error: k is 0: ask for at least 1 hit"),
        (["red", "--offset", "-1"], "error: offset is -1"),
        ([""], "error: the query is empty: say what to look for"),
        (["   "], "error: the query is empty"),
        ([], "error: nothing to search for"),
        (["red", "--where", "label = 'red'; DROP TABLE records"], "error: ; is not allowed in a filter"),
        (["red", "--where", "colour = 'red'"], "error: unknown column 'colour'"),
        (["red", "--where", ""], "error: the filter is empty"),
        (["red", "--sort", "beauty"], "error: unknown sort key 'beauty'"),
        (["--image", "nowhere.jpg"], "error: nowhere.jpg: no such file"),
    ],
)
def test_bad_queries(run, memory, arguments: list[str], message: str) -> None:
    result = run("search", *arguments, "--memory", memory)
    assert result.exit_code == 1
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["red", "--mode", "magic"], ["red", "-k", "many"], ["red", "--nonsense"]])
def test_wrong_usage(run, arguments: list[str]) -> None:
    result = run("search", *arguments, "--json")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert result.stderr.endswith("try: revln search --help\n")
    assert result.stdout == ""


def test_a_missing_memory_is_named_with_the_way_out(run, home) -> None:
    result = run("search", "red")
    assert result.exit_code == 1
    assert f"no memory at {home / 'memory.revln'}" in result.stderr
    assert "revln index FOLDER" in result.stderr
    assert not home.joinpath("memory.revln").exists()


def test_the_memory_variable(run_json, memory, monkeypatch) -> None:
    monkeypatch.setenv("REVLN_MEMORY", str(memory))
    assert run_json("search", "red")["hits"]


def test_a_query_in_another_script_is_warned_about_on_stderr(run, memory) -> None:
    result = run("search", "雪地里的狗", "--memory", memory, "--json")
    assert result.stderr.startswith("warning: ")
    assert json.loads(result.stdout)["warnings"]
