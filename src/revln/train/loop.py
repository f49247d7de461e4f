"""The one training loop. A stage says what is trained, on which loss, and how it is measured; the rest is here.

Everything random of an epoch is drawn from the seed and the epoch's number, so that a resumed run equals an
uninterrupted one.
"""

from __future__ import annotations

import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from revln.errors import TrainingError
from revln.train.config import StageConfig
from revln.train.learner import Learner, ParameterGroup
from revln.train.progress import Progress
from revln.train.run_directory import Metrics, RunDirectory

__all__ = ["Draw", "Result", "Stage", "run"]

log = logging.getLogger("revln.train")

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Draw:
    """The randomness of one epoch.

    Attributes:
        numpy: for choices of examples.
        torch: for tensors. Dropout draws from torch's own generator, which ``of_epoch`` seeds.
    """

    numpy: np.random.Generator
    torch: torch.Generator

    @classmethod
    def of_epoch(cls, seed: int, epoch: int) -> Draw:
        """The same for the same seed and epoch."""
        seed = seed * 100_003 + epoch
        torch.manual_seed(seed)
        return cls(np.random.default_rng(seed), torch.Generator().manual_seed(seed))


class Stage(ABC, Generic[M]):
    """What one stage of training says of itself.

    Attributes:
        config: epochs, schedule and what else all stages share.
        module: what is trained, averaged and saved.
        steps: of an epoch.
        weights_file: name of the file for the best averaged weights.
        headline: metrics that are logged and plotted beside the score.
    """

    config: StageConfig
    module: M
    steps: int
    weights_file: ClassVar[str] = "best.safetensors"
    headline: tuple[str, ...] = ()

    @abstractmethod
    def groups(self) -> Sequence[ParameterGroup]:
        """The weights to train, with their rates; all others are frozen."""

    @abstractmethod
    def losses(self, draw: Draw) -> Iterator[Tensor]:
        """The losses of an epoch's ``steps`` steps, each computed when it is asked for."""

    def settled(self, average: M) -> M:
        """What is measured and saved, given the averaged weights: these themselves, unless a stage has it otherwise."""
        return average

    @abstractmethod
    def evaluate(self, module: M) -> Metrics:
        """Metrics of the averaged weights; ``score``, the larger the better, tells which are the best."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a run.

    Attributes:
        metrics: of the best epoch.
        before: before training.
        seconds: of this run; those before a ``--resume`` are not in it.
    """

    metrics: Metrics
    before: Metrics
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As printed."""
        return {"metrics": self.metrics, "before": self.before, "seconds": self.seconds}


def run(stage: Stage[M], directory: RunDirectory) -> Result:
    """Trains a stage, from the beginning or from where the run in the directory is.

    Args:
        stage: what to train.
        directory: where the run is kept.

    Raises:
        TrainingError: the loss is not finite, or a file cannot be written; the last checkpoint is kept.
    """
    started = time.monotonic()
    history, epochs = directory.history, stage.config.epochs
    learner = Learner(stage.module, stage.groups(), stage.config, epochs * stage.steps)
    if history:
        directory.restore(learner)
        log.info("going on after epoch %d", len(history) - 1)
    else:
        history.append({"epoch": 0, **_evaluate(stage, learner)})
    directory.save(learner, stage.headline)
    progress = Progress("step", epochs * stage.steps)
    progress.skip((len(history) - 1) * stage.steps)
    for epoch in range(len(history), epochs + 1):
        begun = time.monotonic()
        loss = _train_epoch(stage, learner, epoch, progress, directory.checkpoint)
        if not learner.finite():
            raise _not_finite("a weight", f"after epoch {epoch}", directory.checkpoint, epoch - 1)
        metrics = {"epoch": epoch, "loss": round(loss, 4), **_evaluate(stage, learner)}
        metrics["seconds"] = round(time.monotonic() - begun, 1)
        # The weights come first: a run that is killed in between resumes before this epoch and writes them again.
        if metrics["score"] > max((line["score"] for line in history[1:]), default=-math.inf):
            directory.save_weights(stage.settled(learner.average), stage.weights_file)
        history.append(metrics)
        directory.save(learner, stage.headline)
        shown = ", ".join(f"{name} {metrics[name]}" for name in ("loss", "score", *stage.headline))
        log.info("epoch %d/%d: %s", epoch, epochs, shown)
    best = max(history[1:], key=lambda line: line["score"])
    _compare(history[0], best)
    return Result(best, history[0], round(time.monotonic() - started, 1))


def _train_epoch(stage: Stage[M], learner: Learner[M], epoch: int, progress: Progress, checkpoint: Path) -> float:
    draw = Draw.of_epoch(stage.config.seed, epoch - 1)
    stage.module.train()
    values = []
    for step, loss in zip(range(stage.steps), stage.losses(draw), strict=True):
        values.append(loss.item())
        if not math.isfinite(values[-1]):
            raise _not_finite(f"the loss ({values[-1]})", f"at epoch {epoch}, step {step + 1}", checkpoint, epoch - 1)
        learner.learn(loss, (epoch - 1) * stage.steps + step)
        progress.advance(note=f"epoch {epoch}, loss {values[-1]:.3f}")
    return float(np.mean(values))


def _evaluate(stage: Stage[M], learner: Learner[M]) -> Metrics:
    with torch.inference_mode():
        return stage.evaluate(stage.settled(learner.average).eval())


def _not_finite(what: str, where: str, checkpoint: Path, epoch: int) -> TrainingError:
    return TrainingError(
        f"{what} is not finite {where}: lower the learning rates, or limit the gradient with clip = 1.0; "
        f"the checkpoint after epoch {epoch} is kept in {checkpoint}"
    )


def _compare(before: Metrics, after: Metrics) -> None:
    """Old scores beside the new: what a stage makes worse is seen as well."""
    log.info("%-28s %10s %10s", "", "before", f"epoch {after['epoch']}")
    for name, value in before.items():
        if name != "epoch":
            log.info("%-28s %10.2f %10.2f", name, value, after[name])
    if after["score"] < before["score"]:
        log.warning("no epoch scored better than the start")
