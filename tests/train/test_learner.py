"""A step of training, by hand: rates, freezing, clipping, averaging, tied weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from revln.errors import ConfigError
from revln.train.checkpoint import load_into, tensors_of
from revln.train.config import StageConfig
from revln.train.learner import Learner, ParameterGroup, layerwise


class Weights(nn.Module):
    """Three numbers, and a count."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.ones(1)) for _ in range(3))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def total(self) -> torch.Tensor:
        return 3 * self.a.sum() + 4 * self.b.sum() + 5 * self.c.sum()


CONFIG = StageConfig(weight_decay=0.0, warmup=0.5, ema=0.0)


def test_groups_move_at_their_rates_and_the_rest_is_frozen() -> None:
    """The first steps of Adam with a constant gradient are as long as the rate."""
    weights = Weights()
    learner = Learner(weights, [ParameterGroup([weights.a], 0.1), ParameterGroup([weights.b], 0.01)], CONFIG, 4)
    moved = []
    for step in range(4):
        before = weights.a.item(), weights.b.item()
        learner.learn(weights.total(), step)
        moved.append((before[0] - weights.a.item(), before[1] - weights.b.item()))
    # Up over two steps, and down as half a cosine over all four.
    factors = [rise * (1 + math.cos(math.pi * step / 4)) / 2 for step, rise in enumerate((0.5, 1, 1, 1))]
    for found, factor in zip(moved, factors, strict=True):
        assert found == pytest.approx((0.1 * factor, 0.01 * factor), rel=1e-3)
    assert weights.c.item() == 1
    assert weights.c.grad is None


def test_rate_of_0_freezes() -> None:
    weights = Weights()
    learner = Learner(weights, [ParameterGroup([weights.a], 0.1), ParameterGroup([weights.b], 0.0)], CONFIG, 1)
    learner.learn(weights.total(), 0)
    assert (weights.b.item(), weights.b.grad) == (1, None)
    with pytest.raises(ConfigError, match="every learning rate is 0"):
        Learner(weights, [ParameterGroup([weights.a], 0.0)], CONFIG, 1)


def test_gradients_are_clipped_together() -> None:
    for clip, expected in ((0.0, (3.0, 4.0)), (10.0, (3.0, 4.0)), (1.0, (0.6, 0.8))):
        weights = Weights()
        config = StageConfig(clip=clip)
        learner = Learner(weights, [ParameterGroup([weights.a], 1e-3), ParameterGroup([weights.b], 1e-3)], config, 1)
        learner.learn(weights.total(), 0)
        assert (weights.a.grad.item(), weights.b.grad.item()) == pytest.approx(expected, rel=1e-4)


def test_average_forgets_the_start_first() -> None:
    weights = Weights()
    learner = Learner(weights, [ParameterGroup([weights.a], 0.1)], StageConfig(ema=0.9), 100)
    average = 1.0
    for step, decay in enumerate((1 / 10, 2 / 11, 3 / 12)):
        weights.count += 1
        learner.learn(weights.total(), step)
        average = decay * average + (1 - decay) * weights.a.item()
        assert learner.average.a.item() == pytest.approx(average, rel=1e-6)
    assert learner.average.count == 3
    learner.learn(weights.total(), 10_000 % 100)
    assert not learner.average.a.requires_grad


def test_statistics_are_averaged_like_weights() -> None:
    """Those of a normalisation belong to the weights that they were taken with; how many steps it saw is a count."""
    norm = nn.BatchNorm1d(1)
    learner = Learner(norm, [ParameterGroup(list(norm.parameters()), 0.1)], StageConfig(ema=0.9), 100)
    average = 0.0
    for step, decay in enumerate((1 / 10, 2 / 11, 3 / 12)):
        learner.learn(norm(torch.tensor([[5.0], [7.0]])).square().sum(), step)
        average = decay * average + (1 - decay) * norm.running_mean.item()
        assert learner.average.running_mean.item() == pytest.approx(average, rel=1e-6)
    assert learner.average.running_mean < norm.running_mean
    assert learner.average.num_batches_tracked == 3


def test_lower_layers_learn_slower() -> None:
    layers = [nn.Linear(1, 1) for _ in range(3)]
    groups = layerwise([layer.parameters() for layer in layers], 0.4, 0.5)
    assert [group.rate for group in groups] == pytest.approx([0.1, 0.2, 0.4])
    assert [len(group.parameters) for group in groups] == [2, 2, 2]


def test_tied_weights_stay_tied() -> None:
    def tied() -> nn.Sequential:
        model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
        model[1].weight = model[0].weight
        return model

    one, two = tied(), tied()
    assert tensors_of(one).keys() == {"0.weight"}
    load_into(two, tensors_of(one))
    assert two[1].weight is two[0].weight
    torch.testing.assert_close(two[1].weight, one[0].weight)
