"""Contrastive training of the joint space: ``revln train align``.

Images and captions that belong together are pulled towards each other and away from the rest of their batch
(InfoNCE, as in CLIP: Radford et al., ICML 2021, arXiv 2103.00020). The CNN is frozen and its features cached; the
projection heads and the text encoder are trained. A second loss of the same form joins the CNN's classes, as drawn
by ``ClassFeatures``, with their names.
"""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
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
from revln.train.progress import Progress
from revln.train.towers import ImageHead, TextTower

__all__ = ["CAPTIONS_PER_IMAGE", "AlignData", "Towers", "align", "encode_in_chunks", "info_nce"]

log = logging.getLogger("revln.train")

_MAX_SCALE = math.log(100.0)  # CLIP's bound on the inverse temperature
CAPTIONS_PER_IMAGE = 5


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


class Towers(nn.Module):
    """What is trained: both heads, the text encoder, and the temperatures of the two losses."""

    def __init__(self, config: AlignConfig, classifier: nn.Linear) -> None:
        super().__init__()
        self.image = ImageHead(config, classifier)
        self.text = TextTower(minilm.load_pretrained(config.text_dropout), config)
        self.scale = nn.Parameter(torch.tensor(math.log(20.0)))
        self.class_scale = nn.Parameter(torch.tensor(math.log(20.0)))


def info_nce(images: Tensor, texts: Tensor, scale: Tensor) -> Tensor:
    """Symmetric cross-entropy over the cosines of a batch, row i of both sides being a pair; ``scale`` is a log."""
    logits = images @ texts.T * scale.clamp(max=_MAX_SCALE).exp()
    targets = torch.arange(len(images))
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2


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


def align(
    config: AlignConfig, data: AlignData, out: Path, *, resume: bool = False, smoke: bool = False
) -> dict[str, Any]:
    """Trains the joint space and writes ``towers.safetensors`` with the best weights on the dev split.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        out: directory of the run: configuration, metrics (JSONL), checkpoint, weights. The cache of CNN features lies
            beside it, in ``features``, so that runs of one folder share it.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of photos.

    Returns:
        The best epoch's metrics, and ``run_seconds``.
    """
    run = _Run(config.smoke() if smoke else config, data, out, limit=64 if smoke else None)
    if resume:
        run.load_checkpoint()
    elif (out / "metrics.jsonl").exists():
        raise InputError(f"{out}: holds a run already: continue it with --resume, or give another --out")
    started = time.monotonic()
    run.train()
    return {**run.best, "run_seconds": round(time.monotonic() - started, 1)}


class _Run:
    """One training run: its data in memory, its model, and the state that a checkpoint keeps."""

    def __init__(self, config: AlignConfig, data: AlignData, out: Path, limit: int | None) -> None:
        self.config, self.out = config, out
        out.mkdir(parents=True, exist_ok=True)
        captions = read_captions(data.captions)
        train, dev = (read_split(split)[:limit] for split in (data.train, data.dev))
        for name in (*train, *dev):
            if name not in captions:
                raise InputError(f"{name}: in a split file, but {data.captions} has no caption for it")
        tokenizer = minilm.load_tokenizer()
        tokenizer.enable_truncation(config.max_tokens)

        def tokens(texts: Sequence[str]) -> list[list[int]]:
            return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]

        transform = Transform(config.image_size, config.max_aspect)
        views = [
            cached_features(
                [data.images / name for name in train],
                config.vision,
                transform,
                view,
                out.parent / "features",
                Progress(f"features of view {view + 1} of {config.views}", len(train)),
            )
            for view in range(config.views)
        ]
        self.train_features = torch.from_numpy(np.stack(views, axis=1))
        self.train_tokens = [tokens(captions[name][:CAPTIONS_PER_IMAGE]) for name in train]
        dev_paths = [data.images / name for name in dev]
        progress = Progress("features of the dev photos", len(dev))
        dev_features = cached_features(dev_paths, config.vision, transform, 0, out.parent / "features", progress)
        self.dev_features = torch.from_numpy(dev_features)
        self.dev_tokens = tokens([caption for name in dev for caption in captions[name][:CAPTIONS_PER_IMAGE]])
        self.dev_owners = np.repeat(np.arange(len(dev)), [len(captions[name][:CAPTIONS_PER_IMAGE]) for name in dev])
        self.class_tokens = [tokens(names) for names in load_class_names()]

        classifier = efficientnet.load_pretrained(config.vision)._fc
        torch.manual_seed(config.seed)  # here, since computing features draws random numbers and reading them does not
        self.towers = Towers(config, classifier)
        self.towers.image.fit_statistics(self.train_features[:, 0])
        self.class_features = ClassFeatures(self.train_features[:, 0], classifier)
        self._start_class_vectors()
        self.average = copy.deepcopy(self.towers)
        text = list(self.towers.text.encoder.parameters())
        for parameter in text if not config.text_rate else ():
            parameter.requires_grad_(False)
        known = {id(parameter) for parameter in text}
        heads = [p for p in self.towers.parameters() if p.requires_grad and id(p) not in known]
        self.rates = (config.head_rate, config.text_rate)
        self.optimizer = torch.optim.AdamW(
            [{"params": heads}, {"params": text}] if config.text_rate else [{"params": heads}],
            weight_decay=config.weight_decay,
        )
        self.epoch = 0
        self.best: dict[str, Any] = {}

    @torch.no_grad()
    def _start_class_vectors(self) -> None:
        """Each class starts at the mean of its names, as the untrained text tower has them."""
        self.towers.eval()
        flat = [name for names in self.class_tokens for name in names]
        owners = torch.repeat_interleave(torch.tensor([len(names) for names in self.class_tokens]))
        vectors = encode_in_chunks(self.towers.text, flat)
        sums = torch.zeros_like(self.towers.image.class_vectors).index_add_(0, owners, vectors)
        self.towers.image.class_vectors.copy_(F.normalize(sums, dim=-1))

    @property
    def steps_per_epoch(self) -> int:
        return max(1, len(self.train_tokens) // self.config.batch_size)

    def train(self) -> None:
        (self.out / "config.json").write_text(json.dumps(asdict(self.config), indent=1), encoding="utf-8")
        progress = Progress("epoch", self.config.epochs, every=0)
        progress.skip(self.epoch)
        while self.epoch < self.config.epochs:
            start = time.monotonic()
            loss = self._train_epoch()
            self.epoch += 1
            metrics = {"epoch": self.epoch, "loss": round(loss, 4), **self.evaluate()}
            metrics["seconds"] = round(time.monotonic() - start, 1)
            with (self.out / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(metrics) + "\n")
            if metrics["score"] > self.best.get("score", -1.0):
                self.best = metrics
                self._save_weights()
            self.save_checkpoint()
            progress.advance(note=f"loss {loss:.3f}, R@1 {metrics['image_to_text_R@1']} {metrics['text_to_image_R@1']}")

    def _train_epoch(self) -> float:
        # Everything random is drawn anew from the epoch's number, so that a resumed run equals an uninterrupted one.
        seed = self.config.seed * 100_003 + self.epoch
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        rng = np.random.default_rng(seed)
        self.towers.train()
        order = rng.permutation(len(self.train_tokens))
        losses = []
        for step in range(self.steps_per_epoch):
            self._set_rates(self.epoch * self.steps_per_epoch + step)
            batch = order[step * self.config.batch_size : (step + 1) * self.config.batch_size]
            loss = self._caption_loss(batch, rng)
            if self.config.prototypes:
                loss = loss + self.config.prototype_weight * self._class_loss(rng, generator)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self._update_average(self.epoch * self.steps_per_epoch + step)
            losses.append(loss.item())
        return float(np.mean(losses))

    def _caption_loss(self, batch: npt.NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        views = rng.integers(self.config.views, size=len(batch))
        sentences = [self.train_tokens[i][rng.integers(len(self.train_tokens[i]))] for i in batch]
        features = self.train_features[torch.from_numpy(batch), torch.from_numpy(views)]
        return self._loss(features, sentences, self.towers.scale)

    def _class_loss(self, rng: np.random.Generator, generator: torch.Generator) -> Tensor:
        classes = rng.choice(len(self.class_tokens), self.config.prototypes, replace=False)
        sentences = [self.class_tokens[c][rng.integers(len(self.class_tokens[c]))] for c in classes]
        features = self.class_features.draw(torch.from_numpy(classes), generator)
        return self._loss(features, sentences, self.towers.class_scale)

    def _loss(self, features: Tensor, sentences: list[list[int]], scale: Tensor) -> Tensor:
        head = self.towers.image
        images = head.joint(features, head.classifier(features))
        return info_nce(images, encode_in_chunks(self.towers.text, sentences), scale)

    def _set_rates(self, step: int) -> None:
        total = self.config.epochs * self.steps_per_epoch
        rise = min(1.0, (step + 1) / max(1.0, self.config.warmup * total))
        factor = rise * (1 + math.cos(math.pi * step / total)) / 2
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=False):
            group["lr"] = rate * factor

    @torch.no_grad()
    def _update_average(self, step: int) -> None:
        # The first steps count less, or the average would remember the random start.
        decay = min(self.config.ema, (1 + step) / (10 + step))
        for averaged, current in zip(self.average.parameters(), self.towers.parameters(), strict=True):
            averaged.lerp_(current, 1 - decay)

    @torch.inference_mode()
    def evaluate(self) -> dict[str, float]:
        """Recall on the dev split by the averaged weights; ``score`` is the sum of all six."""
        self.average.eval()
        images = self.average.image.joint(self.dev_features, self.average.image.classifier(self.dev_features))
        texts = encode_in_chunks(self.average.text, self.dev_tokens)
        recall = retrieval_recall(images.numpy(), texts.numpy(), self.dev_owners)
        metrics = {f"{way}_{name}": value for way, values in recall.items() for name, value in values.items()}
        return {"score": round(sum(metrics.values()), 2), **metrics}

    def _save_weights(self) -> None:
        state = {name: tensor.contiguous() for name, tensor in self.average.state_dict().items()}
        partial = self.out / "towers.safetensors.partial"
        save_file(state, partial)
        partial.replace(self.out / "towers.safetensors")

    def save_checkpoint(self) -> None:
        partial = self.out / "checkpoint.pt.partial"
        state = {
            "config": asdict(self.config),
            "epoch": self.epoch,
            "best": self.best,
            "towers": self.towers.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, partial)
        partial.replace(self.out / "checkpoint.pt")

    def load_checkpoint(self) -> None:
        path = self.out / "checkpoint.pt"
        if not path.exists():
            log.info("no checkpoint in %s yet: starting at the beginning", self.out)
            return
        state = torch.load(path, weights_only=True)
        if state["config"] != asdict(self.config):
            raise InputError(f"{path}: made with another configuration: give another --out")
        self.epoch, self.best = state["epoch"], state["best"]
        self.towers.load_state_dict(state["towers"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
