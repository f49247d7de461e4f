"""Contrastive training of the joint space: ``revln train align``.

Images and captions that belong together are pulled towards each other and away from the rest of their batch, in each
language, and so are captions of one photo in two languages. The CNN is frozen and its features cached; the projection
heads and the text encoder are trained. A second loss of the same form joins the CNN's classes, as drawn by
``ClassFeatures``, with their names. A third keeps the words of the vocabulary where the text encoder had them, so
that words which no caption holds keep their meaning.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import InputError
from revln.images import Transform
from revln.metrics import retrieval_recall
from revln.train import efficientnet
from revln.train.class_names import ClassFeatures, load_class_names
from revln.train.config import AlignConfig
from revln.train.features import Augmentation, Features, cached_features
from revln.train.learner import ParameterGroup, layerwise
from revln.train.loop import Draw, Result, Stage, run
from revln.train.losses import info_nce
from revln.train.pairs import AlignData, CaptionPairs, ClassPairs, Drawn, tells_sides
from revln.train.progress import Progress
from revln.train.run_directory import Metrics, RunDirectory
from revln.train.text_encoders import (
    Sentences,
    TextEncoder,
    TextPart,
    in_chunks,
    load_text_part,
    save_tokenizer,
    token_ids,
)
from revln.train.towers import ImageHead, TextTower

__all__ = ["Align", "Towers", "align"]

_SMOKE_PHOTOS = 64
_CHUNK = 128


class Towers(nn.Module):
    """What is trained: both heads, the text encoder, and the temperatures of the losses."""

    def __init__(self, config: AlignConfig, trunk: efficientnet.EfficientNetLite, encoder: TextEncoder) -> None:
        super().__init__()
        self.top = efficientnet.Top(trunk, config.vision_blocks) if config.vision_blocks else None
        self.image = ImageHead(config, trunk._fc)
        self.text = TextTower(encoder, config)
        self.scale = nn.Parameter(torch.tensor(math.log(20.0)))
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


class Align(Stage[Towers]):
    """The stage: its data in memory, its towers, its losses.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        text: the text encoder to begin with.
        cache: directory of CNN features, which runs over the same photos share.
        limit: take only so many photos of each split, and words.
    """

    config: AlignConfig
    weights_file: ClassVar[str] = "towers.safetensors"
    headline: ClassVar[tuple[str, ...]] = ("image_to_text_R@1", "text_to_image_R@1")

    def __init__(
        self, config: AlignConfig, data: AlignData, text: TextPart, cache: Path, limit: int | None = None
    ) -> None:
        self.config = config
        languages = config.languages.split()
        train, dev = (data.read(split, languages, limit) for split in (data.train, data.dev))
        translated = data.read_translations(languages)

        def tokens(texts: Sequence[str]) -> Sentences:
            return token_ids(text.tokenizer, texts, config.max_tokens)

        def features(names: Sequence[str], view: int, title: str) -> Features:
            photos, transform = [data.images / name for name in names], Transform(config.image_size, config.max_aspect)
            progress = Progress(title, len(photos))
            return cached_features(photos, config.vision, transform, view, cache, progress, config.vision_blocks)

        self.views = [
            features(list(train), view, f"features of view {view + 1} of {config.views}")
            for view in range(config.views)
        ]
        said = {
            language: [[*texts[language], *translated[name][language]] for name, texts in train.items()]
            for language in languages
        }
        sided = [tells_sides([text for texts in said.values() for text in texts[row]]) for row in range(len(train))]
        mirrored = [
            [view > 0 and Augmentation.of_view(name, view).mirrored for view in range(config.views)] for name in train
        ]
        self.captions = CaptionPairs(
            ~(np.array(sided)[:, None] & np.array(mirrored)),
            {language: [tokens(texts) for texts in own] for language, own in said.items()},
        )
        self.dev_inputs = features(list(dev), 0, "features of the dev photos").inputs
        self.dev = {
            language: Drawn(
                torch.tensor([row for row, texts in enumerate(dev.values()) for _ in texts[language]]),
                tokens([text for texts in dev.values() for text in texts[language]]),
            )
            for language in languages
        }
        for language, own in self.dev.items():
            if not own.sentences:
                raise InputError(
                    f"{data.dev}: none of its photos has a caption in {language!r}: add some, or leave it out"
                )
        self.steps = max(1, len(train) // config.batch_size)

        trunk = efficientnet.load_pretrained(config.vision)
        torch.manual_seed(config.seed)  # here, since computing features draws random numbers and reading them does not
        self.module = Towers(config, trunk, text.encoder)
        photos = self.views[0].pooled
        self.module.image.fit_statistics(photos)
        spoken = [[tokens(own) for own in load_class_names(language)] for language in languages]
        names = [[named for named in of_class if named] for of_class in zip(*spoken, strict=True)]
        self.classes = ClassPairs(ClassFeatures(photos, trunk._fc), names)
        self._start_class_vectors()
        self.words = _words(text)[:limit] if config.words else []
        with torch.no_grad():
            self.meanings = in_chunks(self.module.text.eval().sentences, self.words) if self.words else None

    def groups(self) -> list[ParameterGroup]:
        config, towers = self.config, self.module
        layers = layerwise(towers.text.encoder.depths(), config.text_rate, config.layer_decay)
        if towers.top is not None:
            layers += layerwise(towers.top.depths(), config.vision_rate, config.layer_decay)
        known = {id(parameter) for layer in layers for parameter in layer.parameters}
        known |= {id(parameter) for parameter in towers.image.classifier.parameters()}
        heads = [parameter for parameter in towers.parameters() if id(parameter) not in known]
        return [ParameterGroup(heads, config.head_rate), *layers]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        config, towers = self.config, self.module
        order = draw.numpy.permutation(len(self.captions.fitting))
        for step in range(self.steps):
            photos = order[step * config.batch_size : (step + 1) * config.batch_size]
            views, drawn = self.captions.draw(photos, config.captions, draw)
            chosen_views = [self.views[view] for view in views.tolist()]
            inputs = torch.stack([view.inputs[photo] for view, photo in zip(chosen_views, photos, strict=True)])
            features = towers.pooled(inputs)
            loss = self._caption_loss(towers.images(features), drawn)
            if towers.top is not None and config.feature_weight:
                before = torch.stack([view.pooled[photo] for view, photo in zip(chosen_views, photos, strict=True)])
                loss = loss + config.feature_weight * towers.image.change(before, features)
            if config.prototypes:
                features, names = self.classes.draw(config.prototypes, draw)
                matched = info_nce(towers.images(features), towers.texts(names), towers.class_scale)
                loss = loss + config.prototype_weight * matched
            if self.meanings is not None:
                chosen = draw.numpy.permutation(len(self.words))[: config.words]
                now = in_chunks(towers.text.sentences, [self.words[place] for place in chosen])
                kept = F.cosine_similarity(now, self.meanings[torch.from_numpy(chosen)]).mean()
                loss = loss + config.word_weight * (1 - kept)
            yield loss

    def evaluate(self, module: Towers) -> Metrics:
        """Recall on the dev split in each language; ``score`` is the sum of all."""
        images, metrics = module.images(module.pooled(self.dev_inputs)).numpy(), Metrics()
        for place, (language, dev) in enumerate(self.dev.items()):
            recall = retrieval_recall(images, module.texts(dev.sentences).numpy(), dev.rows.numpy())
            prefix = f"{language}_" if place else ""
            metrics |= {f"{prefix}{way}_{name}": value for way, own in recall.items() for name, value in own.items()}
        return {"score": round(sum(metrics.values()), 2), **metrics}

    def _caption_loss(self, images: Tensor, drawn: dict[str, Drawn]) -> Tensor:
        losses, spoken = [], []
        for own in drawn.values():
            if not own.sentences:
                continue
            texts = self.module.texts(own.sentences)
            losses.append(self._match(images, texts, torch.arange(len(images)), own.rows))
            spoken.append((texts, own.rows))
        for (texts, rows), (others, their_rows) in pairwise(spoken):
            if self.config.translation_weight:
                losses.append(self.config.translation_weight * self._match(texts, others, rows, their_rows))
        return torch.stack(losses).sum()

    def _match(self, left: Tensor, right: Tensor, left_rows: Tensor, right_rows: Tensor) -> Tensor:
        """The contrastive loss; what belongs to no row of the other side is left out."""
        left_kept, right_kept = torch.isin(left_rows, right_rows), torch.isin(right_rows, left_rows)
        left, left_rows = left[left_kept], left_rows[left_kept]
        right, right_rows = right[right_kept], right_rows[right_kept]
        positives = left_rows[:, None] == right_rows
        return info_nce(left, right, self.module.scale, positives, self.config.hardness)

    @torch.no_grad()
    def _start_class_vectors(self) -> None:
        """Lets each class begin at the mean of its names, as the untrained text tower has them."""
        names = [[name for named in of_class for name in named] for of_class in self.classes.sentences]
        owners = torch.repeat_interleave(torch.tensor([len(own) for own in names]))
        self.module.eval()
        vectors = self.module.texts([name for own in names for name in own])
        sums = torch.zeros_like(self.module.image.class_vectors).index_add_(0, owners, vectors)
        self.module.image.class_vectors.copy_(F.normalize(sums, dim=-1))


def align(
    config: AlignConfig,
    data: AlignData,
    out: Path,
    *,
    text: Path | None = None,
    resume: bool = False,
    smoke: bool = False,
) -> Result:
    """Trains the joint space and writes ``towers.safetensors`` with the best weights on the dev split.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        out: directory of the run, see ``RunDirectory``. The cache of CNN features lies beside it, in ``features``, so
            that runs of one folder share it.
        text: directory of a distillation, for the text encoders that start from one.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of photos.

    Raises:
        InputError: ``out`` or ``text`` does not fit, or photos and captions do not match.
        TrainingError: see ``revln.train.loop.run``.
    """
    config = config.smoke() if smoke else config
    part = load_text_part(config.text, config.text_layers, text, config.text_dropout)
    directory = RunDirectory(out, config, resume=resume)
    if not directory.history:
        save_tokenizer(part.tokenizer, out)
    stage = Align(config, data, part, out.parent / "features", _SMOKE_PHOTOS if smoke else None)
    return run(stage, directory)


def _words(text: TextPart) -> Sentences:
    """Every whole word of the vocabulary as a sentence."""
    pieces = sorted(text.tokenizer.get_vocab())
    start = "▁" if "▁" in pieces else ""  # MiniLM marks those that go on instead, with ##
    words = [piece.removeprefix(start) for piece in pieces if piece.startswith(start) or not piece.isascii()]
    return token_ids(text.tokenizer, [word for word in words if len(word) > 1 and word.isalnum()], 8)
