"""Contrastive training of the joint space: ``revln train align``.

Images and captions that belong together are pulled towards each other and away from the rest of their batch. The CNN
is frozen and its features cached; the projection heads and the text encoder are trained. A second loss of the same
form joins the CNN's classes, as drawn by ``ClassFeatures``, with their names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import InputError
from revln.images import Transform
from revln.metrics import retrieval_recall
from revln.sources import read_captions, read_split
from revln.text import pad
from revln.train import efficientnet, minilm
from revln.train.class_names import ClassFeatures, load_class_names
from revln.train.config import AlignConfig
from revln.train.features import cached_features
from revln.train.learner import ParameterGroup
from revln.train.loop import Draw, Result, Stage, run
from revln.train.losses import info_nce
from revln.train.progress import Progress
from revln.train.run_directory import Metrics, RunDirectory
from revln.train.towers import ImageHead, TextTower

__all__ = ["CAPTIONS_PER_IMAGE", "Align", "AlignData", "Towers", "align", "encode_in_chunks"]

CAPTIONS_PER_IMAGE = 5
_SMOKE_PHOTOS = 64

Sentences = list[list[int]]  # token ids of each


@dataclass(frozen=True, slots=True)
class AlignData:
    """Where the training data lies.

    Attributes:
        images: folder of photos.
        captions: caption file.
        train: file with the names of the training photos, one a line.
        dev: file with the names of the photos that are measured on.
    """

    images: Path
    captions: Path
    train: Path
    dev: Path

    @classmethod
    def in_folder(cls, folder: Path) -> AlignData:
        """The layout of Flickr8k: ``images/``, ``captions.txt``, ``train.txt``, ``dev.txt``."""
        return cls(folder / "images", folder / "captions.txt", folder / "train.txt", folder / "dev.txt")

    def read(self, split: Path, limit: int | None = None) -> dict[str, tuple[str, ...]]:
        """Captions of the photos of a split file, by name.

        Raises:
            InputError: photos of the split have no captions, or are not in the folder.
        """
        captions, names = read_captions(self.captions), read_split(split)
        known = [name for name in names if name in captions]
        if len(known) < len(names):
            strange = next(name for name in names if name not in captions)
            raise InputError(
                f"{split}: {len(known)} of its {len(names)} photos have captions in {self.captions}, {strange!r} has "
                f"none, while the captions name {next(iter(captions))!r}: make the names of both files alike"
            )
        for name in names[:limit]:
            if not (self.images / name).is_file():
                raise InputError(f"{self.images / name}: no such photo, but {split} names it: put it there")
        return {name: captions[name][:CAPTIONS_PER_IMAGE] for name in names[:limit]}


class Towers(nn.Module):
    """What is trained: both heads, the text encoder, and the temperatures of the two losses."""

    def __init__(self, config: AlignConfig, classifier: nn.Linear) -> None:
        super().__init__()
        self.image = ImageHead(config, classifier)
        self.text = TextTower(minilm.load_pretrained(config.text_dropout), config)
        self.scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.class_scale = nn.Parameter(torch.tensor(math.log(20.0)))

    def joint(self, features: Tensor, sentences: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """Unit rows of images, given their features, and of sentences."""
        images = self.image.joint(features, self.image.classifier(features))
        return images, encode_in_chunks(self.text, sentences)


def encode_in_chunks(tower: TextTower, sentences: Sequence[Sequence[int]], chunk: int = 128) -> Tensor:
    """Joint vectors [n, dim] of token ids, encoded in chunks of like length: a mixed batch is half padding."""
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
    parts = []
    for start in range(0, len(order), chunk):
        ids, mask = pad([sentences[index] for index in order[start : start + chunk]])
        # bfloat16 halves the time and more on processors that have it; weights and losses stay float32.
        with torch.autocast("cpu", torch.bfloat16):
            parts.append(tower.joint(torch.from_numpy(ids), torch.from_numpy(mask)).float())
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]


@dataclass(frozen=True, slots=True)
class CaptionPairs:
    """Photos with their captions.

    Attributes:
        features: of the photos in several views [n, views, 1280].
        sentences: captions of each photo.
    """

    features: Tensor
    sentences: Sequence[Sentences]

    def draw(self, photos: npt.NDArray[np.int64], draw: Draw) -> tuple[Tensor, Sentences]:
        """One view and one caption of each of these photos."""
        views = draw.numpy.integers(self.features.shape[1], size=len(photos))
        sentences = [self.sentences[i][draw.numpy.integers(len(self.sentences[i]))] for i in photos]
        return self.features[torch.from_numpy(photos), torch.from_numpy(views)], sentences


@dataclass(frozen=True, slots=True)
class ClassPairs:
    """The CNN's classes with their names.

    Attributes:
        features: draws what photos of a class would have.
        sentences: names of each class.
    """

    features: ClassFeatures
    sentences: Sequence[Sentences]

    def draw(self, count: int, draw: Draw) -> tuple[Tensor, Sentences]:
        """So many classes, each with one of its names."""
        classes = draw.numpy.choice(len(self.sentences), count, replace=False)
        sentences = [self.sentences[c][draw.numpy.integers(len(self.sentences[c]))] for c in classes]
        return self.features.draw(torch.from_numpy(classes), draw.torch), sentences

    def start(self, towers: Towers) -> None:
        """Lets each class begin at the mean of its names, as the untrained text tower has them."""
        owners = torch.repeat_interleave(torch.tensor([len(names) for names in self.sentences]))
        with torch.no_grad():
            vectors = encode_in_chunks(towers.text.eval(), [name for names in self.sentences for name in names])
            sums = torch.zeros_like(towers.image.class_vectors).index_add_(0, owners, vectors)
            towers.image.class_vectors.copy_(F.normalize(sums, dim=-1))


class Align(Stage[Towers]):
    """The stage: its data in memory, its towers, its two losses.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        cache: directory of CNN features, which runs over the same photos share.
        limit: take only so many photos of each split.
    """

    config: AlignConfig
    weights_file: ClassVar[str] = "towers.safetensors"
    headline: ClassVar[tuple[str, ...]] = ("image_to_text_R@1", "text_to_image_R@1")

    def __init__(self, config: AlignConfig, data: AlignData, cache: Path, limit: int | None = None) -> None:
        self.config = config
        train, dev = data.read(data.train, limit), data.read(data.dev, limit)
        tokenizer = minilm.load_tokenizer()
        tokenizer.enable_truncation(config.max_tokens)

        def tokens(texts: Sequence[str]) -> Sentences:
            return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

        def features(captions: Mapping[str, object], view: int, title: str) -> Tensor:
            photos = [data.images / name for name in captions]
            transform = Transform(config.image_size, config.max_aspect)
            progress = Progress(title, len(photos))
            return torch.from_numpy(cached_features(photos, config.vision, transform, view, cache, progress))

        views = [
            features(train, view, f"features of view {view + 1} of {config.views}") for view in range(config.views)
        ]
        self.captions = CaptionPairs(torch.stack(views, dim=1), [tokens(texts) for texts in train.values()])
        self.dev_features = features(dev, 0, "features of the dev photos")
        self.dev_sentences = tokens([text for texts in dev.values() for text in texts])
        self.dev_owners = np.repeat(np.arange(len(dev)), [len(texts) for texts in dev.values()])
        self.steps = max(1, len(train) // config.batch_size)

        classifier = efficientnet.load_pretrained(config.vision)._fc
        torch.manual_seed(config.seed)  # here, since computing features draws random numbers and reading them does not
        self.module = Towers(config, classifier)
        photos = self.captions.features[:, 0]
        self.module.image.fit_statistics(photos)
        self.classes = ClassPairs(ClassFeatures(photos, classifier), [tokens(names) for names in load_class_names()])
        self.classes.start(self.module)

    def groups(self) -> list[ParameterGroup]:
        text = list(self.module.text.encoder.parameters())
        known = {id(parameter) for parameter in (*text, *self.module.image.classifier.parameters())}
        heads = [parameter for parameter in self.module.parameters() if id(parameter) not in known]
        return [ParameterGroup(heads, self.config.head_rate), ParameterGroup(text, self.config.text_rate)]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        config, towers = self.config, self.module
        order = draw.numpy.permutation(len(self.captions.sentences))
        for step in range(self.steps):
            photos = order[step * config.batch_size : (step + 1) * config.batch_size]
            loss = info_nce(*towers.joint(*self.captions.draw(photos, draw)), towers.scale)
            if config.prototypes:
                pairs = towers.joint(*self.classes.draw(config.prototypes, draw))
                loss = loss + config.prototype_weight * info_nce(*pairs, towers.class_scale)
            yield loss

    def evaluate(self, module: Towers) -> Metrics:
        """Recall on the dev split; ``score`` is the sum of all six."""
        images, texts = module.joint(self.dev_features, self.dev_sentences)
        recall = retrieval_recall(images.numpy(), texts.numpy(), self.dev_owners)
        metrics = {f"{way}_{name}": value for way, values in recall.items() for name, value in values.items()}
        return {"score": round(sum(metrics.values()), 2), **metrics}


def align(config: AlignConfig, data: AlignData, out: Path, *, resume: bool = False, smoke: bool = False) -> Result:
    """Trains the joint space and writes ``towers.safetensors`` with the best weights on the dev split.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        out: directory of the run, see ``RunDirectory``. The cache of CNN features lies beside it, in ``features``, so
            that runs of one folder share it.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of photos.

    Raises:
        InputError: ``out`` does not fit, or photos and captions do not match.
        TrainingError: see ``revln.train.loop.run``.
    """
    config = config.smoke() if smoke else config
    directory = RunDirectory(out, config, resume=resume)
    return run(Align(config, data, out.parent / "features", _SMOKE_PHOTOS if smoke else None), directory)
