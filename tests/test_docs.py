"""The documentation points to what is there: links, anchors, and every command that it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from revln.errors import MissingExtraError

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "benchmarks/README.md"])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`(revln [^`]+)`")
HEADER = re.compile(r"^# Command:\s+(revln .+)$", re.MULTILINE)
END = {"|", "||", "&&", ";", ">", ">>"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MkDocs make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in LINK.findall(text):
        if re.match(r"\w+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = page.parent / file if file else page
        assert linked.exists(), f"{target}: no such file"
        assert not anchor or anchor in anchors(linked), f"{target}: no such heading"


def test_the_readmes_show_the_same_code_and_commands() -> None:
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh.md"))
    assert FENCE.findall(chinese) == FENCE.findall(english)
    assert SPAN.findall(chinese) == SPAN.findall(english)


def shown_commands() -> list[Any]:
    """Each command line that a page or a configuration shows, once."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = [body for language, body in FENCE.findall(text) if language in {"sh", "bash", "console"}]
        lines = (line.strip().removeprefix("$ ") for body in blocks for line in body.replace("\\\n", " ").splitlines())
        spans = (" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text)))
        found |= {line: name_of(page) for line in (*lines, *spans) if line.startswith("revln ")}
    for config in sorted(ROOT.glob("configs/*.toml")):
        found |= {line: name_of(config) for line in HEADER.findall(config.read_text(encoding="utf-8"))}
    return [pytest.param(line, id=f"{where}: {line}") for line, where in found.items()]


@pytest.mark.parametrize("line", shown_commands())
def test_commands_exist_with_their_options(line: str) -> None:
    from revln.cli import app

    words = shlex.split(line)
    end = next((place for place, word in enumerate(words) if word in END), len(words))
    try:
        parse(typer.main.get_command(app), words[1:end])
    except MissingExtraError as error:
        pytest.skip(str(error))


def parse(command: Any, words: list[str], parent: Any = None) -> None:
    """Parses a command line without running anything; values are not converted, so files need not exist.

    Raises:
        UsageError: there is no such command or option, or an option lacks its value.
    """
    context = command.context_class(command, info_name=command.name, parent=parent)
    _, rest, _ = command.make_parser(context).parse_args(list(words))
    if hasattr(command, "resolve_command"):
        if not rest:
            return
        _, command, rest = command.resolve_command(context, rest)
        parse(command, rest, context)
    else:
        assert not rest, f"too many arguments: {rest}"


@pytest.mark.parametrize("line", ["serch dog", "search dog --no-such-option", "memory explode", "index --source"])
def test_a_command_that_does_not_exist_is_noticed(line: str) -> None:
    from revln.cli import app

    with pytest.raises(Exception, match=r"(?i)no such|requires an argument"):
        parse(typer.main.get_command(app), line.split())
