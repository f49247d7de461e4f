"""The training loop on a stage of milliseconds: what it leaves, how it goes on, what it refuses."""

from __future__ import annotations

import json
import logging
import math
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import tiny_stage
from faulting import scarcity
from revln.errors import InputError, RevlnError, TrainingError
from revln.train.checkpoint import load_into, read_note, read_tensors
from revln.train.loop import Draw
from revln.train.progress import Progress
from tiny_stage import TinyConfig, TinyStage, train

FILES = {"checkpoint.safetensors", "config.json", "curve.svg", "line.safetensors", "metrics.jsonl"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "whole"
    train(out)
    return out


def epochs_of(run: Path) -> list[dict[str, float]]:
    """Metrics by epoch, without how long it took."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines]


def assert_same(run: Path, other: Path) -> None:
    """Metrics, best weights and the whole state of training are equal to the last bit."""
    assert epochs_of(run) == epochs_of(other)
    for name in ("checkpoint.safetensors", "line.safetensors"):
        one, two = read_tensors(run / name), read_tensors(other / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)
    assert {path.name for path in run.iterdir()} == FILES


def interrupted_at(epoch: int, step: int, error: Exception | None = None, factor: float = 1.0) -> TinyStage:
    """A stage that fails at a step, or whose loss is another there."""

    class Interrupted(TinyStage):
        epoch = 0

        def losses(self, draw: Draw) -> Iterator[Tensor]:
            self.epoch += 1
            for number, loss in enumerate(super().losses(draw)):
                here = (self.epoch, number) == (epoch, step)
                if here and error:
                    raise error
                yield loss * factor if here else loss

    return Interrupted()


def test_run_leaves_metrics_a_curve_and_the_best_weights(whole: Path) -> None:
    epochs = epochs_of(whole)
    assert [epoch["epoch"] for epoch in epochs] == [0, 1, 2, 3]
    assert "loss" not in epochs[0]
    assert epochs[3]["loss"] < epochs[1]["loss"]
    stage = TinyStage()
    assert stage.evaluate(stage.module.eval()) == {name: epochs[0][name] for name in ("score", "error")}
    load_into(stage.module, read_tensors(whole / "line.safetensors"))
    assert stage.evaluate(stage.module.eval())["score"] == max(epoch["score"] for epoch in epochs[1:])
    curve = (whole / "curve.svg").read_text()
    assert all(word in curve for word in ("loss", "score before training", "error", "epoch"))


def test_old_scores_stand_beside_the_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "revln.train")
    result = train(tmp_path / "run")
    epochs = epochs_of(tmp_path / "run")
    assert result.before == epochs[0]
    assert {**result.metrics, "seconds": 0} == {**max(epochs[1:], key=lambda epoch: epoch["score"]), "seconds": 0}
    row = next(message.split() for message in caplog.messages if message.startswith("error "))
    assert [float(number) for number in row[1:]] == pytest.approx(
        [result.before["error"], result.metrics["error"]], abs=0.01
    )


def test_run_that_makes_it_worse_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    train(tmp_path / "run", TinyStage(TinyConfig(rate=50.0, epochs=1)))
    assert "no epoch scored better than the start" in caplog.messages


def test_same_seed_same_run(whole: Path, tmp_path: Path) -> None:
    train(tmp_path / "again")
    assert_same(tmp_path / "again", whole)
    train(tmp_path / "other", TinyStage(TinyConfig(seed=1)))
    assert epochs_of(tmp_path / "other") != epochs_of(whole)


@pytest.mark.parametrize(("epoch", "step"), [(1, 0), (2, 3), (3, 0)])
def test_interrupted_run_resumes_to_the_last_bit(whole: Path, tmp_path: Path, epoch: int, step: int) -> None:
    with pytest.raises(OSError, match="unplugged"):
        train(tmp_path / "run", interrupted_at(epoch, step, OSError("unplugged")))
    assert len(epochs_of(tmp_path / "run")) == epoch
    train(tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", whole)


def test_finished_run_resumes_to_its_result(whole: Path, tmp_path: Path) -> None:
    first = train(tmp_path / "run")
    for name in ("metrics.jsonl", "curve.svg"):  # as if it had been killed after the last checkpoint
        (tmp_path / "run" / name).unlink()
    again = train(tmp_path / "run", resume=True)
    assert (again.metrics, again.before) == (first.metrics, first.before)
    assert_same(tmp_path / "run", whole)


def test_resume_before_the_first_checkpoint_starts(whole: Path, tmp_path: Path) -> None:
    train(tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", whole)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_process_resumes_to_the_last_bit(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [sys.executable, tiny_stage.__file__, str(out)]
    with subprocess.Popen([*command, "--pause"]) as process:
        deadline = time.monotonic() + 120
        while not (out / "metrics.jsonl").exists() or len(epochs_of(out)) < 2:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    subprocess.run([*command, "--resume"], check=True)
    assert_same(out, whole)


def test_loss_that_is_not_finite_stops_at_once(whole: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"loss \(inf\) is not finite at epoch 2, step 4: lower .* epoch 1"):
        train(tmp_path / "run", interrupted_at(2, 3, factor=math.inf))
    assert len(epochs_of(tmp_path / "run")) == 2
    train(tmp_path / "run", resume=True)
    assert_same(tmp_path / "run", whole)


def test_weights_that_are_not_finite_are_not_kept(tmp_path: Path) -> None:
    """The loss of an epoch's last step may be finite when its gradient is not."""

    class Bottomless(TinyStage):
        def losses(self, draw: Draw) -> Iterator[Tensor]:
            for loss in super().losses(draw):
                yield loss + (self.module[0].bias * 0).abs().sqrt().sum()  # whose slope at 0 is infinite

    stage = Bottomless()
    stage.steps = 1
    with pytest.raises(TrainingError, match="a weight is not finite after epoch 1"):
        train(tmp_path / "run", stage)
    assert all(tensor.isfinite().all() for tensor in read_tensors(tmp_path / "run/checkpoint.safetensors").values())


@pytest.mark.parametrize(("room", "kept"), [(0, 1), (1500, 1), (10_000, 2)])
def test_full_disk_keeps_the_checkpoint(whole: Path, tmp_path: Path, room: int, kept: int) -> None:
    """Room for nothing, for the weights but not the checkpoint, for all but the curve."""
    with scarcity("file size", tmp_path / "disk") as place, ExitStack() as until_the_end:

        class Filling(TinyStage):
            evaluations = 0

            def evaluate(self, module: torch.nn.Sequential) -> dict[str, float]:
                self.evaluations += 1
                if self.evaluations == 3:
                    until_the_end.enter_context(place.only(room))
                return super().evaluate(module)

        out = place.home / "run"
        with pytest.raises(TrainingError, match=r"cannot be written \(.*: free some space"):
            train(out, Filling())
    assert len(json.loads(read_note(out / "checkpoint.safetensors"))["history"]) == 1 + kept
    train(out, resume=True)
    assert_same(out, whole)


def test_directory_of_another_run_is_refused(whole: Path) -> None:
    before = {path.name: path.read_bytes() for path in whole.iterdir()}
    with pytest.raises(InputError, match="holds a run already: continue it with --resume"):
        train(whole)
    with pytest.raises(InputError, match=r"other epochs \(3, now 4\), rate \(0\.05, now 0\.1\)"):
        train(whole, TinyStage(replace(TinyConfig(), epochs=4, rate=0.1)), resume=True)
    assert {path.name: path.read_bytes() for path in whole.iterdir()} == before


def test_damaged_checkpoint_is_named(whole: Path, tmp_path: Path) -> None:
    data = (whole / "checkpoint.safetensors").read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"checkpoint\.safetensors: cannot be read"):
        train(tmp_path, resume=True)


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    train(tmp_path / "run")
    stage = TinyStage()
    stage.module[3] = torch.nn.Linear(16, 2)
    with pytest.raises(InputError, match=r"another model, 3\.(weight|bias) differs"):
        train(tmp_path / "run", stage, resume=True)


def test_progress_tells_the_time_left(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level(logging.INFO, "revln.train")
    now = [0.0]
    monkeypatch.setattr("revln.train.progress.time.monotonic", lambda: now[0])
    progress = Progress("step", 1000)
    progress.skip(100)  # in no time, which must not count
    for now[0] in (4.0, 8.0, 12.0):
        progress.advance(2)
    assert caplog.messages == ["step 106/1000, 0.5/s, 30 min left "]
    now[0] = 20_000.0
    progress.advance(1, "at last")
    assert caplog.messages[1].endswith(" 708 h 44 min left at last")


def test_errors_are_ones_that_the_command_line_tells() -> None:
    assert issubclass(TrainingError, RevlnError)
