"""A CNN with a classifier for labels of one's own, and how the CNN alone is taken from its file."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from revln.errors import InputError
from revln.models.card import sha256_of
from revln.train import efficientnet
from revln.train.checkpoint import load_into, read_tensors
from revln.train.run_directory import check_run

__all__ = ["CNN_FILE", "PhotoClassifier", "cnn_of_run", "read_cnn", "trained_cnn"]

CNN_FILE = "cnn.safetensors"
_CNN = "cnn."


class PhotoClassifier(nn.Module):
    """The CNN, its last blocks of which are trained, under a linear classifier.

    The classifier of ImageNet stays beside the new one and is not trained: training of the joint space needs it.

    Args:
        cnn: the CNN.
        labels: how many labels there are.
        dropout: of the features that the new classifier takes.
        blocks: how many of the CNN's blocks are trained, counted from its end; all of them, and the stem, if ``None``.
    """

    def __init__(self, cnn: efficientnet.EfficientNetLite, labels: int, dropout: float, blocks: int | None) -> None:
        super().__init__()
        self.cnn, self.blocks = cnn, blocks
        self.top = efficientnet.Top(cnn, blocks) if blocks else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(efficientnet.FEATURES, labels)

    def features(self, inputs: Tensor) -> Tensor:
        """Pooled features [n, 1280] of what the part that is trained takes.

        That is normalised pixels [n, 3, H, W], what ``EfficientNetLite.below`` gives, or, where only the classifier is
        trained, the features themselves.
        """
        if self.blocks == 0:
            return inputs
        # The whole CNN in 32 bits: gradients of depthwise convolutions take longer in 16.
        trained = self.cnn if self.top is None else self.top
        pooled: Tensor = trained(inputs.contiguous(memory_format=torch.channels_last))
        return pooled

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits [n, labels] of what ``features`` takes."""
        logits: Tensor = self.head(self.dropout(self.features(inputs)))
        return logits

    def depths(self) -> list[list[nn.Parameter]]:
        """The CNN's weights that are trained, from the lowest layer to the last convolution."""
        if self.top is not None:
            return self.top.depths()
        if self.blocks is not None:
            return []
        stem = [*self.cnn._conv_stem.parameters(), *self.cnn._bn0.parameters()]
        return [stem, *efficientnet.Top(self.cnn, len(self.cnn._blocks)).depths()]


def read_cnn(file: Path, variant: str) -> efficientnet.EfficientNetLite:
    """The CNN of a file that holds a ``PhotoClassifier``, in evaluation mode.

    Raises:
        InputError: the file is missing, damaged, or of another variant.
    """
    tensors = {name.removeprefix(_CNN): own for name, own in read_tensors(file).items() if name.startswith(_CNN)}
    cnn = efficientnet.EfficientNetLite(variant)
    load_into(cnn, tensors)
    return cnn.eval()


def trained_cnn(run: Path, variant: str) -> Path:
    """The file of the CNN that a run of ``revln train vision`` has made.

    Raises:
        InputError: the run has made none, or one that the joint space cannot be trained over.
    """
    check_run(run, ("config.json", CNN_FILE), "vision")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    if config.get("variant") != variant:
        raise InputError(
            f"{run}: holds a {config.get('variant')}, not a {variant}: give another directory, or change vision in the "
            "configuration"
        )
    if not config["pretrained"]:
        raise InputError(
            f"{run}: its CNN was trained from scratch and does not know ImageNet's classes, which the joint space "
            "needs: give a run with pretrained = true"
        )
    return run / CNN_FILE


def cnn_of_run(run: Path, variant: str, key: str) -> efficientnet.EfficientNetLite:
    """The CNN that a run of ``revln train align`` began with: the packaged one, or the one that lies in its directory.

    Args:
        run: the directory.
        variant: of the CNN.
        key: SHA-256 of its file; empty for the packaged one.

    Raises:
        InputError: the file is missing, or another one.
    """
    if not key:
        return efficientnet.load_pretrained(variant)
    file = run / CNN_FILE
    if not file.exists() or sha256_of(file) != key:
        raise InputError(f"{file}: missing, or not the CNN that the run began with: train anew, with another --out")
    return read_cnn(file, variant)
