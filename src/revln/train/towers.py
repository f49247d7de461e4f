"""The two towers of the joint space: a CNN for images and an encoder for texts, each under a projection head.

Training runs the heads alone over cached CNN features; export joins the head to its trunk.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.train import efficientnet
from revln.train.config import AlignConfig
from revln.train.text_encoders import TextEncoder, in_chunks

__all__ = ["ImageHead", "ImageTower", "Projection", "TextTower", "Towers"]

_CHUNK = 128


class Projection(nn.Module):
    """A linear map with a residual two-layer perceptron that starts at zero."""

    def __init__(self, inputs: int, hidden: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.up = nn.Linear(inputs, hidden)
        self.down = nn.Linear(hidden, outputs)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.down.weight)
        nn.init.zeros_(self.down.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(x)
        y: Tensor = self.linear(x) + self.down(self.dropout(F.gelu(self.up(x))))
        return y


class ImageHead(nn.Module):
    """From pooled CNN features to the joint space.

    Three parts. A projection learnt from captions. The classifier's opinion, as the sum of class vectors weighted by
    class probabilities (ConSE: Norouzi et al., ICLR 2014, arXiv 1312.5650), which carries the CNN's thousand concepts
    into the space by name. And, in coordinates of their own, the leading principal components of the features' roots,
    whitened (Jégou & Chum, ECCV 2012): every image has the same length there and every text is zero, so cosines
    between an image and a text keep their order, while cosines between two images also see what no caption tells.

    Args:
        config: widths and dropout.
        classifier: the CNN's linear classifier; it is not trained here.
    """

    mean: Tensor
    deviation: Tensor
    root_mean: Tensor
    components: Tensor

    def __init__(self, config: AlignConfig, classifier: nn.Linear) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(efficientnet.FEATURES))
        self.register_buffer("deviation", torch.ones(efficientnet.FEATURES))
        self.register_buffer("root_mean", torch.zeros(efficientnet.FEATURES))
        self.register_buffer("components", torch.zeros(efficientnet.FEATURES, config.visual_dim))
        self.projection = Projection(efficientnet.FEATURES, config.hidden, config.dim, config.dropout)
        self.class_vectors = nn.Parameter(torch.zeros(efficientnet.CLASSES, config.dim))
        self.class_weight = nn.Parameter(torch.ones(()))
        self.class_sharpness = nn.Parameter(torch.ones(()))
        self.classifier = classifier.requires_grad_(requires_grad=False)
        self.visual_weight = config.visual_weight if config.visual_dim else 0.0

    @torch.no_grad()
    def fit_statistics(self, features: Tensor) -> None:
        """Takes mean, deviation and principal components from training features [n, 1280]."""
        self.mean.copy_(features.mean(0))
        # Rarely active channels would be blown up by their tiny deviation.
        self.deviation.copy_(features.std(0) + 0.05)
        if self.visual_weight:
            self.root_mean.copy_(features.sqrt().mean(0))
            _, scales, axes = torch.linalg.svd(features.sqrt() - self.root_mean, full_matrices=False)
            # Few photos span few directions; the rest of the components stays zero.
            kept = int((scales > 1e-3 * scales[0]).sum().clamp(max=self.components.shape[1]))
            deviations = scales[:kept] / math.sqrt(max(len(features) - 1, 1))
            self.components.zero_()
            self.components[:, :kept] = axes[:kept].T / deviations

    def change(self, before: Tensor, after: Tensor) -> Tensor:
        """How much pooled features [n, 1280] and the classes seen in them have changed: a loss to keep them.

        The classes as in learning without forgetting (Li & Hoiem, ECCV 2016, arXiv 1606.09282).
        """
        moved = ((after - before) / self.deviation).square().mean()
        log_before, log_after = (self.classifier(features).log_softmax(-1) for features in (before, after))
        return moved + F.kl_div(log_after, log_before, reduction="batchmean", log_target=True)

    def joint(self, features: Tensor, logits: Tensor) -> Tensor:
        """The part that images share with texts, unit rows [n, dim]."""
        projected = F.normalize(self.projection((features - self.mean) / self.deviation), dim=-1)
        classes = torch.softmax(logits * self.class_sharpness, dim=-1) @ self.class_vectors
        return F.normalize(projected + self.class_weight * classes, dim=-1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Unit rows [n, dim + visual_dim] and class logits [n, 1000] of pooled features [n, 1280]."""
        logits = self.classifier(features)
        joint = self.joint(features, logits)
        if self.visual_weight:
            visual = F.normalize((features.sqrt() - self.root_mean) @ self.components, dim=-1)
            joint = torch.cat([joint, self.visual_weight * visual], dim=-1) / math.hypot(1, self.visual_weight)
        return joint, logits


class ImageTower(nn.Module):
    """The whole way from pixels, as exported.

    Args:
        trunk: the CNN.
        head: its head.
    """

    def __init__(self, trunk: efficientnet.EfficientNetLite, head: ImageHead) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings, class logits and grid [n, places, channels] of uint8 pixels [n, side, side, 3]."""
        grid = self.trunk.below(efficientnet.scaled(pixels), 0)
        embeddings, logits = self.head(self.trunk.widened(grid).mean(dim=(2, 3)))
        return embeddings, logits, grid.flatten(2).transpose(1, 2)


class TextTower(nn.Module):
    """Text encoder and head.

    Args:
        encoder: gives sentence vectors.
        config: widths and dropout.
    """

    def __init__(self, encoder: TextEncoder, config: AlignConfig) -> None:
        super().__init__()
        self.encoder = encoder
        self.projection = Projection(encoder.width, config.hidden, config.dim, config.text_dropout)
        self.visual_dim = config.visual_dim

    def sentences(self, ids: Tensor, mask: Tensor) -> Tensor:
        """What the encoder says, unit rows [n, width]."""
        return F.normalize(self.encoder(ids, mask), dim=-1)

    def joint(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The part that texts share with images, unit rows [n, dim]."""
        sentences = self.sentences(ids, mask) * math.sqrt(self.encoder.width)
        return F.normalize(self.projection(sentences), dim=-1)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Unit rows [n, dim + visual_dim] of token ids [n, t] where mask [n, t] is 1."""
        return F.pad(self.joint(ids, mask), (0, self.visual_dim))


class Towers(nn.Module):
    """What is trained: both heads, the text encoder, and the temperatures of the losses."""

    def __init__(self, config: AlignConfig, trunk: efficientnet.EfficientNetLite, encoder: TextEncoder) -> None:
        super().__init__()
        self.top = efficientnet.Top(trunk, config.vision_blocks) if config.vision_blocks else None
        self.image = ImageHead(config, trunk._fc)
        self.text = TextTower(encoder, config)
        self.scale = nn.Parameter(torch.tensor(math.log(20.0 if config.loss == "infonce" else 10.0)))
        self.bias = nn.Parameter(torch.tensor(-10.0))  # of SigLIP
        self.class_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    def pooled(self, inputs: Tensor) -> Tensor:
        """Pooled features [n, 1280] of what the frozen part of the CNN gives."""
        if self.top is None:
            return inputs
        return torch.cat([self.top(inputs[start : start + _CHUNK]) for start in range(0, len(inputs), _CHUNK)])

    def images(self, features: Tensor) -> Tensor:
        """Unit rows [n, dim] of images, given their pooled features."""
        return self.image.joint(features, self.image.classifier(features))

    def texts(self, sentences: Sequence[Sequence[int]]) -> Tensor:
        """Unit rows [n, dim] of token ids."""
        return in_chunks(self.text.joint, sentences)
