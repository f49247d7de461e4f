"""Supervised training of the CNN on photos with labels: ``revln train vision``.

Where the lower blocks are frozen, what they give is cached for a few augmented views of each photo, and the last blocks
are trained on that with the statistics of their normalisations fixed. Where the whole CNN is trained, photos are
decoded once, augmented anew for each step, and normalised with the statistics of the step.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from revln.errors import InputError
from revln.images import Transform, open_image
from revln.train import efficientnet
from revln.train.augmentation import augmented, mixed, smoothed
from revln.train.checkpoint import replacing
from revln.train.config import VisionConfig
from revln.train.features import Trunk, cached_inputs
from revln.train.labelled_photos import LabelledPhotos
from revln.train.learner import ParameterGroup, layerwise
from revln.train.loop import Draw, Result, Stage, run
from revln.train.photo_classifier import CNN_FILE, PhotoClassifier
from revln.train.progress import Progress
from revln.train.run_directory import Metrics, RunDirectory

__all__ = ["Classify", "classify"]

_CHUNK = 128
_ROOM = 1.25  # by which photos are kept larger than the CNN's input, for crops of them
_SMOKE_PHOTOS = 10  # of each label


class Classify(Stage[PhotoClassifier]):
    """The stage: photos to train on and photos to measure on, as the trained part of the CNN takes them.

    Args:
        config: see ``VisionConfig``.
        train: photos to train on.
        dev: photos to measure on, of the same labels.
        cache: directory of what frozen blocks give, which runs over the same photos share.
    """

    config: VisionConfig
    weights_file: ClassVar[str] = CNN_FILE
    headline: tuple[str, ...] = ("mean_class_accuracy",)

    def __init__(self, config: VisionConfig, train: LabelledPhotos, dev: LabelledPhotos, cache: Path) -> None:
        self.config = config
        self.owners, self.dev_owners = torch.from_numpy(train.owners), torch.from_numpy(dev.owners)
        self.steps = max(1, len(train.names) // config.batch_size)
        torch.manual_seed(config.seed)
        load = efficientnet.load_pretrained if config.pretrained else efficientnet.EfficientNetLite
        cnn = load(config.variant)
        blocks = config.blocks if config.pretrained and config.blocks < len(cnn._blocks) else None
        self.module = PhotoClassifier(cnn, len(train.labels), config.dropout, blocks)
        transform = Transform(config.image_size, max_aspect=1.0)
        if blocks is None:
            roomy = Transform(round(_ROOM * config.image_size), max_aspect=1.0)
            self.views, self.dev_inputs = [_decoded(train.paths, roomy)], _decoded(dev.paths, transform)
            return

        def below(photos: LabelledPhotos, view: int, title: str) -> Tensor:
            trunk, progress = Trunk(cnn, config.variant, blocks), Progress(title, len(photos.names))
            return cached_inputs(photos.paths, trunk, transform, view, cache, progress)

        count = config.views
        self.views = [below(train, view, f"frozen blocks, view {view + 1} of {count}") for view in range(count)]
        self.dev_inputs = below(dev, 0, "frozen blocks, photos to measure on")

    def groups(self) -> list[ParameterGroup]:
        config = self.config
        head = ParameterGroup(list(self.module.head.parameters()), config.head_rate)
        return [head, *layerwise(self.module.depths(), config.vision_rate, config.layer_decay)]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        config, size = self.config, self.config.batch_size
        order = draw.numpy.permutation(len(self.owners))
        for step in range(self.steps):
            photos = order[step * size : (step + 1) * size]
            targets = smoothed(self.owners[photos], self.module.head.out_features, config.smoothing)
            inputs, targets = mixed(self._seen(photos, draw), targets, config.mixup, draw.numpy)
            yield F.cross_entropy(self.module(inputs), targets)

    def evaluate(self, module: PhotoClassifier) -> Metrics:
        """Accuracy on the photos to measure on, and the mean over labels of that within each, in percent."""
        chunks = [self.dev_inputs[start : start + _CHUNK] for start in range(0, len(self.dev_inputs), _CHUNK)]
        answers = torch.cat([module(efficientnet.scaled(c) if self._whole else c).argmax(1) for c in chunks])
        right = (answers == self.dev_owners).double()
        by_label = [right[self.dev_owners == label].mean().item() for label in range(module.head.out_features)]
        accuracy = round(100 * right.mean().item(), 2)
        mean = round(100 * sum(by_label) / len(by_label), 2)
        return {"score": accuracy, "accuracy": accuracy, "mean_class_accuracy": mean}

    @property
    def _whole(self) -> bool:
        return self.module.blocks is None

    def _seen(self, photos: npt.NDArray[np.int64], draw: Draw) -> Tensor:
        """Each photo of a step as the trained part of the CNN takes it, in one of its views."""
        if self._whole:
            return augmented(self.views[0][photos], self.config.image_size, draw.torch)
        views = draw.numpy.integers(len(self.views), size=len(photos))
        seen = zip(views.tolist(), photos.tolist(), strict=True)
        return torch.stack([self.views[view][photo] for view, photo in seen]).float()


def classify(config: VisionConfig, data: Path, out: Path, *, resume: bool = False, smoke: bool = False) -> Result:
    """Trains the CNN, and writes ``cnn.safetensors`` with the best weights on the photos held out.

    ``labels.json`` names the labels in the order of the new classifier's rows; ``train.txt`` and ``dev.txt`` list the
    photos that were trained and measured on, by path below ``data``.

    Args:
        config: see ``VisionConfig``.
        data: folder with one sub-folder of photos a label.
        out: directory of the run, see ``RunDirectory``. What frozen blocks give is cached beside it, in ``features``.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a few photos of each label.

    Raises:
        InputError: ``out`` does not fit, the photos do not do (see ``LabelledPhotos.in_folder``), or they are others
            than when the run began.
        TrainingError: see ``revln.train.loop.run``.
    """
    config = config.smoke() if smoke else config
    directory = RunDirectory(out, config, resume=resume)
    train, dev = LabelledPhotos.in_folder(data, _SMOKE_PHOTOS if smoke else None).split(config.held_out, config.seed)
    _record(train, dev, directory)
    return run(Classify(config, train, dev, out.parent / "features"), directory)


def _record(train: LabelledPhotos, dev: LabelledPhotos, directory: RunDirectory) -> None:
    """Writes down labels and photos, or sees that they are those of the run to go on with."""
    texts = {"labels.json": json.dumps(train.labels, ensure_ascii=False, indent=0) + "\n"}
    texts |= {
        file: "".join(f"{name}\n" for name in own.names) for file, own in (("train.txt", train), ("dev.txt", dev))
    }
    for name, text in texts.items():
        file = directory.path / name
        if not directory.history:
            with replacing(file) as draft:
                draft.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            raise InputError(
                f"{file}: the photos in {train.folder} are others now than when the run began: give another --out"
            )


def _decoded(paths: Sequence[Path], transform: Transform) -> Tensor:
    """Pixels [n, side, side, 3] of photos, uint8."""
    progress = Progress("photos decoded", len(paths))

    def pixels_of(path: Path) -> npt.NDArray[np.uint8]:
        pixels = transform(open_image(path, min_side=transform.min_side))
        progress.advance()
        return pixels

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return torch.from_numpy(np.stack(list(pool.map(pixels_of, paths))))
