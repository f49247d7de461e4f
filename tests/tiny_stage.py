"""A stage that trains in milliseconds: a small net learns a line. Run as a script, it is a process to be killed.

python tests/tiny_stage.py OUT [--resume] [--pause]
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from revln.train.config import StageConfig
from revln.train.learner import ParameterGroup
from revln.train.loop import Draw, Result, Stage, run
from revln.train.run_directory import Metrics, RunDirectory


@dataclass(frozen=True, slots=True)
class TinyConfig(StageConfig):
    epochs: int = 3
    batch_size: int = 8
    ema: float = 0.5
    rate: float = 0.05


class TinyStage(Stage[nn.Sequential]):
    """Fits y = 2 x0 - x1 with dropout, from inputs that are drawn anew each step."""

    config: TinyConfig
    weights_file: ClassVar[str] = "line.safetensors"
    headline: ClassVar[tuple[str, ...]] = ("error",)

    def __init__(self, config: TinyConfig | None = None) -> None:
        self.config = config or TinyConfig()
        self.steps = 5
        torch.manual_seed(self.config.seed)
        self.module = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, 1))

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(list(self.module.parameters()), self.config.rate)]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        for _ in range(self.steps):
            scale = float(draw.numpy.uniform(0.9, 1.1))
            yield self.error(self.module, scale * torch.randn(self.config.batch_size, 2, generator=draw.torch))

    def evaluate(self, module: nn.Sequential) -> Metrics:
        grid = torch.cartesian_prod(torch.linspace(-1, 1, 5), torch.linspace(-1, 1, 5))
        error = self.error(module, grid).item()
        return {"score": -error, "error": error}

    def error(self, module: nn.Module, x: Tensor) -> Tensor:
        return (module(x)[:, 0] - 2 * x[:, 0] + x[:, 1]).square().mean()


class PausingStage(TinyStage):
    """Stays in its second epoch."""

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        if self.module[0].weight.grad is not None:
            time.sleep(600)
        return super().losses(draw)


def train(out: Path, stage: TinyStage | None = None, *, resume: bool = False) -> Result:
    stage = stage or TinyStage()
    return run(stage, RunDirectory(out, stage.config, resume=resume))


if __name__ == "__main__":
    train(Path(sys.argv[1]), PausingStage() if "--pause" in sys.argv else None, resume="--resume" in sys.argv)
