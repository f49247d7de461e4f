"""Contrastive training of the joint space: ``revln train align``.

Images and captions that belong together are pulled towards each other and away from the rest of their batch, in each
language, and so are captions of one photo in two languages. The CNN is frozen and its features cached; the projection
heads and the text encoder are trained. A second loss of the same form joins the CNN's classes, as drawn by
``ClassFeatures``, with their names. A third keeps the words of the vocabulary where the text encoder had them, so
that words which no caption holds keep their meaning.
"""

from __future__ import annotations

import copy
import dataclasses
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from revln.errors import InputError
from revln.images import Transform
from revln.metrics import retrieval_recall
from revln.train.checkpoint import replacing
from revln.train.class_names import ClassFeatures, load_class_names
from revln.train.config import AlignConfig
from revln.train.features import Features, Trunk, cached_features
from revln.train.learner import ParameterGroup, layerwise
from revln.train.loop import Draw, Result, Stage, run
from revln.train.losses import info_nce, siglip
from revln.train.pairs import AlignData, CaptionPairs, ClassPairs, Drawn, Texts, fitting_views
from revln.train.photo_classifier import CNN_FILE
from revln.train.progress import Progress
from revln.train.run_directory import Metrics, RunDirectory
from revln.train.starting import Start
from revln.train.text_encoders import Sentences, TextPart, in_chunks, save_tokenizer, token_ids
from revln.train.towers import Towers

__all__ = ["Align", "align"]

_SMOKE_PHOTOS = 64


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """Captions that are measured on, in one language.

    Attributes:
        owners: index [m] of the photo that each describes.
        equal: a number [m] that captions which say the same share.
        sentences: token ids of each.
    """

    owners: npt.NDArray[np.int64]
    equal: npt.NDArray[np.int64]
    sentences: Sentences

    @classmethod
    def of(cls, captions: Sequence[Sentences]) -> _HeldOut:
        """The captions of each photo."""
        sentences = [sentence for own in captions for sentence in own]
        numbers = {sentence: number for number, sentence in enumerate(dict.fromkeys(map(tuple, sentences)))}
        owners = np.repeat(np.arange(len(captions)), [len(own) for own in captions])
        return cls(owners, np.array([numbers[tuple(sentence)] for sentence in sentences], np.int64), sentences)


class Align(Stage[Towers]):
    """The stage: its data in memory, its towers, its losses.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        start: the towers to begin with.
        cache: directory of CNN features, which runs over the same photos share.
        limit: take only so many photos of each split, and words.
    """

    config: AlignConfig
    weights_file: ClassVar[str] = "towers.safetensors"
    headline: tuple[str, ...] = ("image_to_text_R@1", "text_to_image_R@1")

    def __init__(
        self, config: AlignConfig, data: AlignData, start: Start, cache: Path, limit: int | None = None
    ) -> None:
        self.config, self._tokenizer = config, start.text.tokenizer
        languages = config.languages.split()
        if start.card is not None:  # whose languages one's own captions need not all be in
            languages = [language for language in languages if language in data.captions]
        train, dev = (data.read(split, languages, limit) for split in (data.train, data.dev))
        self._read_captions(data, languages, train, dev)
        self._look_at_photos(data.images, list(train), list(dev), start, cache)
        self.steps = config.passes * max(1, len(train) // config.batch_size)
        torch.manual_seed(config.seed)  # here, since computing features draws random numbers and reading them does not
        self.module = start.towers(config)
        photos = self.views[0].pooled
        if start.weights is None:
            self.module.image.fit_statistics(photos)
        spoken = [[self._tokens(own) for own in load_class_names(language)] for language in config.languages.split()]
        names = [[named for named in of_class if named] for of_class in zip(*spoken, strict=True)]
        self.classes = ClassPairs(ClassFeatures(photos, start.trunk._fc), names)
        if start.weights is None:
            self._start_class_vectors()
        self.words = _words(start.text)[:limit] if config.words else []
        self.before = copy.deepcopy(self.module).eval().requires_grad_(requires_grad=False)
        self.meanings = self._meanings(self.before, self.words)

    def _tokens(self, texts: Sequence[str]) -> Sentences:
        return token_ids(self._tokenizer, texts, self.config.max_tokens)

    def _read_captions(
        self, data: AlignData, languages: Sequence[str], train: Mapping[str, Texts], dev: Mapping[str, Texts]
    ) -> None:
        translated = data.read_translations(languages)
        said = {
            language: [[*texts[language], *translated[name][language]] for name, texts in train.items()]
            for language in languages
        }
        texts = {name: [text for own in said.values() for text in own[row]] for row, name in enumerate(train)}
        self.captions = CaptionPairs(
            fitting_views(texts, self.config.views),
            {language: [self._tokens(texts) for texts in own] for language, own in said.items()},
        )
        self.dev = {
            language: _HeldOut.of([self._tokens(texts[language]) for texts in dev.values()]) for language in languages
        }
        for language, own in self.dev.items():
            if not own.sentences:
                raise InputError(
                    f"{data.dev}: none of its photos has a caption in {language!r}: add some, or leave it out"
                )

    def _look_at_photos(
        self, folder: Path, train: Sequence[str], dev: Sequence[str], start: Start, cache: Path
    ) -> None:
        config = self.config

        def features(names: Sequence[str], view: int, title: str) -> Features:
            photos, transform = [folder / name for name in names], Transform(config.image_size, config.max_aspect)
            trunk = Trunk(start.trunk, start.trunk_key, config.vision_blocks)
            return cached_features(photos, trunk, transform, view, cache, Progress(title, len(photos)))

        views = range(config.views)
        self.views = [features(train, view, f"features of view {view + 1} of {config.views}") for view in views]
        self.dev_inputs = features(dev, 0, "features of the dev photos").inputs

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
        for photos in self._batches(draw):
            loss = self._photo_loss(photos, draw)
            if self.config.prototypes:
                loss = loss + self._class_loss(draw)
            if self.words:
                loss = loss + self._word_loss(draw)
            yield loss

    @torch.no_grad()
    def settled(self, average: Towers) -> Towers:
        """The averaged weights, part of the way back to those of the start.

        What was learnt stays when weights are interpolated so, and less of what was known goes (WiSE-FT: Wortsman et
        al., CVPR 2022, arXiv 2109.01903).
        """
        if not self.config.start_share:
            return average
        settled = copy.deepcopy(average)
        for ours, theirs in zip(settled.parameters(), self.before.parameters(), strict=True):
            ours.lerp_(theirs, self.config.start_share)
        return settled

    def evaluate(self, module: Towers) -> Metrics:
        """Recall on the dev split in each language; ``score`` is the sum of all."""
        images, metrics = module.images(module.pooled(self.dev_inputs)).numpy(), Metrics()
        for place, (language, dev) in enumerate(self.dev.items()):
            recall = retrieval_recall(images, module.texts(dev.sentences).numpy(), dev.owners, dev.equal)
            prefix = f"{language}_" if place else ""
            metrics |= {f"{prefix}{way}_{name}": value for way, own in recall.items() for name, value in own.items()}
        return {"score": round(sum(metrics.values()), 2), **metrics, "classes_R@1": self._classes_found(module)}

    def _photo_loss(self, photos: npt.NDArray[np.int64], draw: Draw) -> Tensor:
        config, towers = self.config, self.module
        numbers, drawn = self.captions.draw(photos, config.captions, draw)
        seen = [(self.views[view], photo) for view, photo in zip(numbers.tolist(), photos.tolist(), strict=True)]
        features = towers.pooled(torch.stack([view.inputs[photo] for view, photo in seen]))
        loss = self._caption_loss(towers.images(features), drawn)
        if towers.top is None or not config.feature_weight:
            return loss
        before = torch.stack([view.pooled[photo] for view, photo in seen])
        return loss + config.feature_weight * towers.image.change(before, features)

    def _class_loss(self, draw: Draw) -> Tensor:
        config, towers = self.config, self.module
        features, names = self.classes.draw(config.prototypes, draw)
        images = towers.images(features)
        loss = config.prototype_weight * info_nce(images, towers.texts(names), towers.class_scale)
        return loss + config.keep_weight * _apart(images, self.before.images(features)) if config.keep_weight else loss

    def _word_loss(self, draw: Draw) -> Tensor:
        chosen = draw.numpy.permutation(len(self.words))[: self.config.words]
        now = self._meanings(self.module, [self.words[place] for place in chosen])
        return self.config.word_weight * _apart(now, self.meanings[torch.from_numpy(chosen)])

    def _caption_loss(self, images: Tensor, drawn: dict[str, Drawn]) -> Tensor:
        losses, spoken = [], []
        for own in drawn.values():
            if not own.sentences:
                continue
            texts = self.module.texts(own.sentences)
            losses.append(self._match(images, texts, own.positives))
            spoken.append((texts, own.positives.float()))
        for (texts, ours), (others, theirs) in pairwise(spoken):
            if self.config.translation_weight:
                losses.append(self.config.translation_weight * self._match(texts, others, ours.T @ theirs > 0))
        return torch.stack(losses).sum()

    def _match(self, left: Tensor, right: Tensor, positives: Tensor) -> Tensor:
        """The contrastive loss; what belongs to no row of the other side is left out."""
        left_kept, right_kept = positives.any(1), positives.any(0)
        left, right, positives = left[left_kept], right[right_kept], positives[left_kept][:, right_kept]
        if self.config.loss == "siglip":
            return siglip(left, right, self.module.scale, self.module.bias, positives)
        return info_nce(left, right, self.module.scale, positives, self.config.hardness)

    def _batches(self, draw: Draw) -> Iterator[npt.NDArray[np.int64]]:
        """Numbers of the photos of each step."""
        size = self.config.batch_size
        for _ in range(self.config.passes):
            order = draw.numpy.permutation(len(self.captions.fitting))
            for step in range(self.steps // self.config.passes):
                yield order[step * size : (step + 1) * size]

    def _classes_found(self, module: Towers) -> float:
        """How often a class's name finds the features drawn for it among those of all classes, in percent."""
        classes = torch.arange(len(self.classes.sentences))
        features = self.classes.features.draw(classes, torch.Generator().manual_seed(0))
        names = module.texts([names[0][0] for names in self.classes.sentences])
        found = (names @ module.images(features).T).argmax(1) == classes
        return round(100 * found.float().mean().item(), 2)

    def _meanings(self, towers: Towers, words: Sentences) -> Tensor:
        """What is kept of words: where the text encoder has them; with ``keep_weight``, where the whole tower does."""
        tower = towers.text.joint if self.config.keep_weight else towers.text.sentences
        return in_chunks(tower, words) if words else torch.empty(0)

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
    config: AlignConfig, data: AlignData, out: Path, *, start: Start, resume: bool = False, smoke: bool = False
) -> Result:
    """Trains the joint space and writes ``towers.safetensors`` with the best weights on the dev split.

    Args:
        config: see ``AlignConfig``.
        data: photos and captions.
        out: directory of the run, see ``RunDirectory``. The cache of CNN features lies beside it, in ``features``, so
            that runs of one folder share it.
        start: the towers to begin with.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of photos.

    Raises:
        InputError: ``out`` does not fit, or photos and captions do not match.
        TrainingError: see ``revln.train.loop.run``.
    """
    config = dataclasses.replace(config.smoke() if smoke else config, cnn=start.trunk_key if start.cnn else "")
    directory = RunDirectory(out, config, resume=resume)
    if not directory.history:
        save_tokenizer(start.text.tokenizer, out)
        if start.cnn is not None:  # so that the run can be exported without the one that made the CNN
            with replacing(out / CNN_FILE) as draft:
                shutil.copyfile(start.cnn, draft)
    return run(Align(config, data, start, out.parent / "features", _SMOKE_PHOTOS if smoke else None), directory)


def _apart(left: Tensor, right: Tensor) -> Tensor:
    """Mean cosine distance of rows."""
    return 1 - F.cosine_similarity(left, right).mean()


def _words(text: TextPart) -> Sentences:
    """Every whole word of the vocabulary as a sentence."""
    pieces = sorted(text.tokenizer.get_vocab())
    start = "▁" if "▁" in pieces else ""  # MiniLM marks those that go on instead, with ##
    words = [piece.removeprefix(start) for piece in pieces if piece.startswith(start) or not piece.isascii()]
    return token_ids(text.tokenizer, [word for word in words if len(word) > 1 and word.isalnum()], 8)
