"""What joint training trains: the generator, the last blocks of the CNN, and the retriever's projection heads."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.train.config import AlignConfig, JointConfig
from revln.train.efficientnet import Top
from revln.train.generator import Generator
from revln.train.language import LanguagePart
from revln.train.starting import Start
from revln.train.towers import ImageHead, Projection

__all__ = ["JointModel", "joint_model"]


class JointModel(nn.Module):
    """All that may be trained: the generator, the last blocks of the CNN, and the retriever's projection heads."""

    def __init__(self, top: Top, image: ImageHead, text: Projection, generator: Generator) -> None:
        super().__init__()
        self.top, self.image, self.text, self.generator = top, image, text, generator
        self.scale = nn.Parameter(torch.tensor(3.5))  # of the loss that keeps the joint space together

    def images(self, grid: Tensor) -> Tensor:
        """Embeddings [n, dim + visual dim] of the CNN's grid [n, c, h, w]."""
        embedding: Tensor = self.image(self.top.summary(grid))[0]
        return embedding

    def texts(self, sentences: Tensor) -> Tensor:
        """Embeddings [n, dim] of what the text encoder says [n, width]."""
        projected: Tensor = self.text(sentences * sentences.shape[-1] ** 0.5)
        return F.normalize(projected, dim=-1)


def joint_model(config: JointConfig, made_with: AlignConfig, start: Start, part: LanguagePart) -> JointModel:
    """What is trained: the towers of ``start`` and a generator around a decoder."""
    towers = start.towers(made_with)
    top = copy.deepcopy(Top(start.trunk, config.vision_blocks))
    channels, side = top.conv_head.in_channels, -(-made_with.image_size // 32)
    generator = Generator(part.decoder, channels, side * side, made_with.dim, config.dropout)
    return JointModel(top, towers.image, towers.text.projection, generator)
