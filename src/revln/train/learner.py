"""What a step of training does to the weights: AdamW under a schedule, clipped gradients, a running average."""

from __future__ import annotations

import copy
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from revln.errors import ConfigError
from revln.train.checkpoint import load_into, tensors_of
from revln.train.config import StageConfig

__all__ = ["Learner", "ParameterGroup", "layerwise"]

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class ParameterGroup:
    """Weights that share a learning rate.

    Attributes:
        parameters: the weights.
        rate: peak learning rate; 0 freezes them.
    """

    parameters: Sequence[nn.Parameter]
    rate: float


def layerwise(layers: Sequence[Iterable[nn.Parameter]], rate: float, decay: float) -> list[ParameterGroup]:
    """The last layer learns at ``rate``, each one before by the factor ``decay`` slower.

    Lower layers are more general (Howard and Ruder, ACL 2018, arXiv 1801.06146).
    """
    return [
        ParameterGroup(list(layer), rate * decay ** (len(layers) - 1 - depth)) for depth, layer in enumerate(layers)
    ]


class Learner(Generic[M]):
    """A module in training: its optimizer, its schedule and the average of its weights.

    The rates rise linearly over the warm-up and fall to zero as half a cosine. What no group names is frozen.

    Args:
        module: what is trained, in place.
        groups: its weights with their rates.
        config: decay, warm-up, clipping.
        steps: of the whole training.

    Attributes:
        module: the current weights.
        average: the averaged ones.

    Raises:
        ConfigError: every rate is 0.
    """

    def __init__(self, module: M, groups: Sequence[ParameterGroup], config: StageConfig, steps: int) -> None:
        self.module = module
        self.average = copy.deepcopy(module).requires_grad_(requires_grad=False)
        self._config, self._steps = config, steps
        module.requires_grad_(requires_grad=False)
        trained = [group for group in groups if group.rate]
        if not trained:
            raise ConfigError("every learning rate is 0, so nothing would be trained: raise one")
        self._parameters = [parameter for group in trained for parameter in group.parameters]
        for parameter in self._parameters:
            parameter.requires_grad_()
        self._optimizer = torch.optim.AdamW(
            [{"params": list(group.parameters), "peak": group.rate} for group in trained],
            weight_decay=config.weight_decay,
        )

    def learn(self, loss: Tensor, step: int) -> None:
        """Descends once; ``step`` counts from 0 over the whole training."""
        rise = min(1.0, (step + 1) / max(1.0, self._config.warmup * self._steps))
        factor = rise * (1 + math.cos(math.pi * step / self._steps)) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * factor
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if self._config.clip:
            nn.utils.clip_grad_norm_(self._parameters, self._config.clip)
        self._optimizer.step()
        self._update_average(step)

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # The first steps count less, or the average would remember the random start.
        decay = min(self._config.ema, (1 + step) / (10 + step))
        for averaged, current in zip(self.average.parameters(), self.module.parameters(), strict=True):
            if current.requires_grad:
                averaged.lerp_(current, 1 - decay)
        for kept, buffer in zip(self.average.buffers(), self.module.buffers(), strict=True):
            # Statistics of normalisations are averaged with the weights that they belong to; counts are not.
            if buffer.is_floating_point():
                kept.lerp_(buffer, 1 - decay)
            else:
                kept.copy_(buffer)

    def finite(self) -> bool:
        """Whether no weight is infinite or not a number."""
        return all(bool(parameter.isfinite().all()) for parameter in self._parameters)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that ``restore`` needs, as ``part/name``; the optimizer's parts are numbers."""
        parts = {"weights": tensors_of(self.module), "average": tensors_of(self.average)}
        parts |= {str(number): state for number, state in self._optimizer.state_dict()["state"].items()}
        return {f"{part}/{name}": tensor for part, tensors in parts.items() for name, tensor in tensors.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Takes up where another learner of the same module was when it gave its ``tensors``.

        Raises:
            InputError: they are of another module.
        """
        parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for key, tensor in tensors.items():
            part, _, name = key.partition("/")
            parts[part][name] = tensor
        load_into(self.module, parts.pop("weights"))
        load_into(self.average, parts.pop("average"))
        state = {int(number): values for number, values in parts.items()}
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": state})
