"""Losses that draw matching rows of two sets of unit vectors together and the others apart.

Throughout, ``images`` is [n, dim], ``texts`` [m, dim], and ``positives`` a boolean [n, m] that tells which belong
together; without it row i belongs to row i. Of owner ids it is ``owners_of_images[:, None] == owners_of_texts``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["info_nce", "siglip"]

_MAX_SCALE = math.log(100.0)  # CLIP's bound on the inverse temperature


def info_nce(
    images: Tensor, texts: Tensor, scale: Tensor, positives: Tensor | None = None, hardness: float = 0.0
) -> Tensor:
    """Symmetric cross-entropy over cosines (CLIP: Radford et al., ICML 2021, arXiv 2103.00020).

    With several positives, a row's target is spread evenly over them (supervised contrastive learning: Khosla et al.,
    NeurIPS 2020, arXiv 2004.11362).

    Args:
        images: unit rows.
        texts: unit rows.
        scale: log of the inverse temperature.
        positives: what belongs together; every row and column needs one.
        hardness: concentration on the negatives that look most like positives (beta of Robinson et al., ICLR 2021,
            arXiv 2010.04592); 0 takes all alike.
    """
    logits = images @ texts.T * scale.clamp(max=_MAX_SCALE).exp()
    transposed = None if positives is None else positives.T
    return (_cross_entropy(logits, positives, hardness) + _cross_entropy(logits.T, transposed, hardness)) / 2


def siglip(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, positives: Tensor | None = None) -> Tensor:
    """Each pair on its own, as belonging together or not (SigLIP: Zhai et al., ICCV 2023, arXiv 2303.15343).

    Args:
        images: unit rows.
        texts: unit rows.
        scale: log of the inverse temperature; starts at log 10.
        bias: added to the logits; starts at -10, since most pairs do not belong together.
        positives: what belongs together.
    """
    logits = images @ texts.T * scale.exp() + bias
    signs = (torch.eye(len(images)) if positives is None else positives.float()) * 2 - 1
    return -F.logsigmoid(signs * logits).sum() / len(images)


def _cross_entropy(logits: Tensor, positives: Tensor | None, hardness: float) -> Tensor:
    if hardness:
        negatives = ~(torch.eye(len(logits), dtype=torch.bool) if positives is None else positives)
        logits = logits + _log_weights(logits, negatives, hardness)
    if positives is None:
        return F.cross_entropy(logits, torch.arange(len(logits)))
    return F.cross_entropy(logits, positives / positives.sum(1, keepdim=True))


def _log_weights(logits: Tensor, negatives: Tensor, hardness: float) -> Tensor:
    """Log weights of a row's negatives, in proportion to exp(hardness * logit) and 1 on average; 0 elsewhere."""
    sharpened = hardness * logits
    count = negatives.sum(1, keepdim=True)
    # A row without negatives has nothing to weigh, and must not bring infinities into the gradient.
    total = sharpened.masked_fill(~negatives & (count > 0), -torch.inf).logsumexp(1, keepdim=True)
    return (sharpened - total + count.clamp(min=1).log()).masked_fill(~negatives, 0.0)
