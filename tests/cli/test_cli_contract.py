from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import typer

from revln._version import __version__
from revln.cli import app, root
from revln.cli.output import plain, short_path

FAILING = "revln.cli.search.open_memory"


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


ALL = [path for path, _ in commands(typer.main.get_command(app))]


def test_the_commands_are_those_of_the_design() -> None:
    assert [" ".join(path) for path in ALL] == [
        "index", "search", "classify", "caption", "ask", "serve", "mcp", "demo", "doctor", "memory add", "memory info",
        "memory delete", "memory relocate", "memory verify", "memory duplicates", "memory audit", "memory migrate",
        "memory rollback", "memory compact", "memory export", "memory import", "model list", "model info",
        "model verify", "model import", "eval retrieval", "eval classify", "eval caption", "eval ask",
        "data questions",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_help_has_examples_and_the_shared_options(run, path: tuple[str, ...]) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    examples = result.stdout.partition("Examples:\n")[2]
    assert f"revln {' '.join(path)}" in examples
    assert "--json" in result.stdout
    assert "--debug" in result.stdout


def test_no_arguments_show_the_help(run) -> None:
    result = run()
    assert result.exit_code == 0
    assert "revln index ~/Photos" in result.stdout
    assert "train" in result.stdout


def test_version(run) -> None:
    assert run("--version").stdout == f"revln {__version__}\n"


def test_unknown_command_is_wrong_usage(run) -> None:
    result = run("serach", "dog")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: No such command 'serach'")
    assert run("memory").exit_code == 2


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "/root/x"), "error: /root/x: permission denied\n"),
        (OSError(28, "No space left on device"), "error: no space left on device\n"),
    ],
)
def test_system_errors_take_one_line(run, monkeypatch, error: OSError, message: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(FAILING, fail)
    result = run("search", "red")
    assert (result.exit_code, result.stderr, result.stdout) == (1, message, "")


def test_interruption(run, monkeypatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(FAILING, fail)
    result = run("search", "red")
    assert (result.exit_code, result.stderr) == (130, "interrupted: what was finished is kept\n")


@pytest.mark.parametrize("arguments", [("search", "red", "--debug"), ("--debug", "search", "red")])
def test_debug_shows_the_traceback(run, arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert type(result.exception).__name__ == "MemoryStoreError"


def test_a_group_without_its_package_names_the_extra(run, monkeypatch) -> None:
    point = EntryPoint("paint", "a_package_that_is_not_there.cli:app", "revln.commands")
    monkeypatch.setattr(root, "_extensions", lambda: {"paint": point})
    assert "paint" in run("--help").stdout
    result = run("paint", "--help")
    assert result.exit_code == 1
    assert result.stderr == "error: a_package_that_is_not_there is not installed: pip install 'revln[paint]'\n"


def test_train_without_torch(run, monkeypatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    for name in [name for name in sys.modules if name.partition("train")[0] == "revln."]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("revln.train", raising=False)
    result = run("train", "align")
    assert result.exit_code == 1
    assert result.stderr == "error: torch is not installed: pip install 'revln[train]'\n"


def test_listing_train_does_not_load_it(process) -> None:
    code = "import sys\nsys.argv[1:] = ['--help']\nfrom revln.cli import run\ntry: run()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    modules = done.stdout.splitlines()[-1].split()
    assert "train" in done.stdout
    assert not {"torch", "lance", "onnxruntime", "numpy", "PIL", "revln.train", "rich.table"} & set(modules)


def test_a_search_loads_nothing_that_it_does_not_need(process, memory) -> None:
    code = f"import sys\nsys.argv[1:] = ['search', 'red', '--memory', {str(memory)!r}]\n"
    code += "from revln.cli import run\ntry: run()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    modules = done.stdout.splitlines()[-1].split()
    assert "red.jpg" in done.stdout
    assert not {"torch", "pandas", "matplotlib", "onnx", "tensorflow", "datasets", "revln.train"} & set(modules)
    assert not {"fastapi", "starlette", "uvicorn", "prometheus_client", "revln.serve"} & set(modules)


def test_json_in_a_process_of_its_own(process, photos, tmp_path) -> None:
    done = process("index", photos, "--memory", tmp_path / "m", "--model", "tiny", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["added"] == 3
    assert done.stderr == ""  # no progress bar in a pipe


def test_errors_in_a_process_of_its_own(process, tmp_path) -> None:
    failed = process("search", "red", "--memory", tmp_path / "none")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith("error: no memory at")
    assert "Traceback" not in failed.stderr
    assert "Traceback" in process("search", "red", "--memory", tmp_path / "none", "--debug").stderr
    assert process("search", "--nonsense").returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind on Windows")
def test_a_reader_that_leaves_early_is_no_error(process, memory) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "revln.cli", "search", "red", "--paths", "--memory", str(memory)]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals on Windows")
def test_progress_on_a_terminal(process, photos, tmp_path) -> None:
    import pty

    terminal, other = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "revln.cli",
        "index",
        str(photos),
        "--memory",
        str(tmp_path / "m"),
        "--model",
        "tiny",
    ]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=other, check=True, timeout=60, env=environment)
    os.close(other)
    shown = os.read(terminal, 1_000_000).decode()
    os.close(terminal)
    assert b"3 added" in done.stdout
    assert "4/4" in shown
    assert "records/s" in shown


def opened_for_reading(pipe: Path, reader: subprocess.Popen[str]) -> int:
    """The writing end of a named pipe, once the reader has opened the other."""
    for _ in range(600):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # nobody reads yet
            assert reader.poll() is None, reader.communicate()
            time.sleep(0.05)
    reader.kill()
    raise AssertionError("the caption file was never opened")


@pytest.mark.skipif(os.name == "nt", reason="signals differ on Windows")
def test_control_c_in_a_process_of_its_own(process, tmp_path) -> None:
    # A pipe in place of the caption file holds the process where it is.
    pipe = tmp_path / "captions.csv"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "revln.cli", "index", str(tmp_path), "--captions", str(pipe), "--model", "tiny"]
    # A child inherits that a signal is ignored, as it is under nohup, but not that it is handled.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    writer = opened_for_reading(pipe, started)
    time.sleep(0.1)
    started.send_signal(signal.SIGINT)
    out, err = started.communicate(timeout=30)
    os.close(writer)
    assert (started.returncode, out, err) == (130, "", "interrupted: what was finished is kept\n")


def test_text_that_would_drive_the_terminal_is_made_plain(tmp_path, monkeypatch) -> None:
    assert plain("a\x1b[31m\nb\x07") == "a [31m b"
    monkeypatch.chdir(tmp_path)
    assert short_path(str(tmp_path / "a" / "b.jpg")) == str(Path("a") / "b.jpg")
    assert short_path("/somewhere/else.jpg") == "/somewhere/else.jpg"
    assert short_path("a name") == "a name"
