"""What varies the examples of a step: other crops and light, mixtures of two, labels that are not quite certain."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from revln.train import efficientnet

__all__ = ["augmented", "mixed", "smoothed"]

_LEAST_AREA = 0.35  # of a photo that a crop keeps
_MOST_STRETCH = 4 / 3  # of a crop's sides
_LIGHT = 0.3  # by which brightness, contrast and colour differ at most
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601, as Pillow has it


def augmented(pixels: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Random crops of photos, flipped half of the time, with other light (Szegedy et al., CVPR 2015, arXiv 1409.4842).

    Like ``revln.train.features.Augmentation``, for a whole batch at once.

    Args:
        pixels: uint8 [n, s, s, 3]; s may be somewhat more than ``side``, so that small crops stay sharp.
        side: of what comes out.
        generator: what is drawn from.

    Returns:
        Normalised pixels [n, 3, side, side].
    """

    def drawn(least: float, most: float) -> Tensor:
        return torch.empty(len(pixels)).uniform_(least, most, generator=generator)

    extent = drawn(_LEAST_AREA, 1.0).sqrt()
    stretch = _MOST_STRETCH ** drawn(-0.5, 0.5)
    width, height = (extent * stretch).clamp(max=1.0), (extent / stretch).clamp(max=1.0)
    boxes = torch.zeros(len(pixels), 2, 3)
    boxes[:, 0, 0], boxes[:, 0, 2] = width * drawn(-1.0, 1.0).sign(), drawn(-1.0, 1.0) * (1 - width)
    boxes[:, 1, 1], boxes[:, 1, 2] = height, drawn(-1.0, 1.0) * (1 - height)
    places = F.affine_grid(boxes, [len(pixels), 3, side, side], align_corners=False)
    x = F.grid_sample(pixels.permute(0, 3, 1, 2).float(), places, padding_mode="border", align_corners=False)
    brightness, contrast, colour = (drawn(1 - _LIGHT, 1 + _LIGHT)[:, None, None, None] for _ in range(3))
    grey = torch.tensor(_GREY)[:, None, None]
    x = (x * brightness).clamp(0, 255)
    x = torch.lerp((x * grey).sum(1, keepdim=True).mean((2, 3), keepdim=True), x, contrast).clamp(0, 255)
    x = torch.lerp((x * grey).sum(1, keepdim=True), x, colour).clamp(0, 255)
    return (x - efficientnet.PIXEL_MEAN) / efficientnet.PIXEL_STD


def smoothed(owners: Tensor, labels: int, smoothing: float) -> Tensor:
    """Targets [n, labels] that leave some probability to all labels (Szegedy et al., CVPR 2016, arXiv 1512.00567).

    Args:
        owners: index [n] of the right label.
        labels: how many there are.
        smoothing: probability that is spread evenly.
    """
    return F.one_hot(owners, labels) * (1 - smoothing) + smoothing / labels


def mixed(inputs: Tensor, targets: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each example mixed with another of its batch, and its target likewise.

    This is mixup (Zhang et al., ICLR 2018, arXiv 1710.09412) with one share for the whole batch. Of maps within a
    network it is manifold mixup (Verma et al., ICML 2019, arXiv 1806.05236).

    Args:
        inputs: [n, ...].
        targets: [n, labels], rows summing to one.
        alpha: of the Beta distribution that the share of the first is drawn from; 0 mixes nothing.
        rng: what is drawn from.
    """
    if not alpha:
        return inputs, targets
    share, others = float(rng.beta(alpha, alpha)), torch.from_numpy(rng.permutation(len(inputs)))
    return torch.lerp(inputs[others], inputs, share), torch.lerp(targets[others], targets, share)
