"""What a run of training leaves on disk, and how it is found again."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from torch import nn

from revln.errors import InputError, MissingExtraError
from revln.train.checkpoint import read_note, read_tensors, replacing, tensors_of, write_tensors
from revln.train.config import StageConfig
from revln.train.curve import draw_curve
from revln.train.learner import Learner

__all__ = ["CHECKPOINT", "Metrics", "RunDirectory", "best_epoch", "check_run"]

CHECKPOINT = "checkpoint.safetensors"
_METRICS = "metrics.jsonl"

log = logging.getLogger("revln.train")

Metrics = dict[str, float]


def check_run(run: Path, names: Iterable[str], stage: str) -> None:
    """Makes sure that a run has left the files that are needed of it.

    Args:
        run: its directory.
        names: of the files.
        stage: of training that makes them, as in ``revln train lm``.

    Raises:
        InputError: one is missing.
    """
    for name in names:
        if not (run / name).exists():
            raise InputError(f"{run / name}: missing: make it with revln train {stage} --out {run}")


def best_epoch(run: Path) -> tuple[Metrics, Metrics]:
    """What a run that is done measured before training, and after its best epoch."""
    before, *after = map(json.loads, (run / _METRICS).read_text(encoding="utf-8").splitlines())
    return before, max(after, key=lambda line: line["score"])


class RunDirectory:
    """The files of a run. The checkpoint is the truth; metrics and curve are drawn from it.

    | file | what |
    |---|---|
    | ``config.json`` | the configuration |
    | ``checkpoint.safetensors`` | weights, their average, the optimizer; as its note, configuration and metrics |
    | ``metrics.jsonl`` | one line an epoch; epoch 0 is before training |
    | ``curve.svg`` | the metrics, plotted |
    | the stage's ``weights_file`` | the best averaged weights |

    Args:
        path: the directory; it is made when missing.
        config: of the run.
        resume: go on with the run that is there; without, there must be none.

    Attributes:
        checkpoint: path of the checkpoint.
        history: metrics of each epoch done.

    Raises:
        InputError: there is a run already, or the one to go on with has another configuration.
        MissingExtraError: curves cannot be drawn; better now than after the first epoch.
    """

    def __init__(self, path: Path, config: StageConfig, *, resume: bool = False) -> None:
        if find_spec("matplotlib") is None:
            raise MissingExtraError("matplotlib", "train")
        self.path = path
        self.checkpoint = path / CHECKPOINT
        self.history: list[Metrics] = []
        self._metrics = path / _METRICS
        self._config = json.loads(json.dumps(asdict(config)))
        if resume and self.checkpoint.exists():
            note = json.loads(read_note(self.checkpoint))
            self._check(note["config"])
            self.history = note["history"]
        elif resume:
            log.info("no checkpoint in %s yet: starting at the beginning", path)
        elif self._metrics.exists() or self.checkpoint.exists():
            raise InputError(f"{path}: holds a run already: continue it with --resume, or give another --out")
        path.mkdir(parents=True, exist_ok=True)
        self._write("config.json", json.dumps(self._config, indent=1))

    def _check(self, theirs: dict[str, Any]) -> None:
        keys = [key for key in theirs | self._config if theirs.get(key) != self._config.get(key)]
        if keys:
            differences = ", ".join(f"{key} ({theirs.get(key)}, now {self._config.get(key)})" for key in keys)
            raise InputError(
                f"{self.checkpoint}: made with another configuration, of other {differences}: "
                "go on with the same one, or give another --out"
            )

    def restore(self, learner: Learner[Any]) -> None:
        """Gives a learner the state of the last epoch done."""
        learner.restore(read_tensors(self.checkpoint))

    def save(self, learner: Learner[Any], headline: tuple[str, ...]) -> None:
        """Writes what there is after an epoch, of which ``history`` has the metrics.

        Raises:
            TrainingError: something cannot be written; the checkpoint of before is kept then.
        """
        note = json.dumps({"config": self._config, "history": self.history})
        write_tensors(self.checkpoint, learner.tensors(), note)
        self._write(self._metrics.name, "".join(json.dumps(line) + "\n" for line in self.history))
        with replacing(self.path / "curve.svg") as draft:
            draw_curve(self._metrics, draft, headline)

    def save_weights(self, module: nn.Module, name: str) -> None:
        """Writes a module's weights under that name.

        Raises:
            TrainingError: they cannot be written; those of before are kept then.
        """
        write_tensors(self.path / name, tensors_of(module))

    def _write(self, name: str, text: str) -> None:
        with replacing(self.path / name) as draft:
            draft.write_text(text, encoding="utf-8")
