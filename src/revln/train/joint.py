"""Training the generator together with retrieval: ``revln train joint``.

A photo of the training split is asked of a memory of all the others; the generator learns to say its captions from its
pixels and from what the memory recalls. The scores of retrieval bias the generator's attention, so its loss trains the
retriever's projection heads as well, if they are not frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from revln.errors import InputError
from revln.images import Transform
from revln.metrics import Cider, caption_scores, retrieval_recall
from revln.text import caption_tokens, pad, without_stop
from revln.text.special import END, beginning
from revln.train.checkpoint import load_into
from revln.train.config import AlignConfig, JointConfig
from revln.train.features import Features, Trunk, cached_features
from revln.train.generator import Recalled, Seen
from revln.train.invented_words import Inventor
from revln.train.joint_model import JointModel, joint_model
from revln.train.language import LanguagePart, coded, special_token
from revln.train.learner import ParameterGroup
from revln.train.loop import Draw, Result, Stage, run
from revln.train.losses import info_nce
from revln.train.pairs import AlignData, fitting_views
from revln.train.progress import Progress
from revln.train.recall import Texts, candidates
from revln.train.run_directory import Metrics, RunDirectory, check_run
from revln.train.saying import say
from revln.train.starting import Start
from revln.train.text_encoders import Sentences, in_chunks, save_tokenizer, token_ids

__all__ = ["SIZE_FILE", "Joint", "joint"]

SIZE_FILE = "generator.json"
_SMOKE_PHOTOS = 48
_ROWS = 125  # photos that captions are generated for at once


@dataclass(frozen=True, slots=True)
class _Photos:
    """Photos of a split.

    Attributes:
        views: what the frozen part of the CNN gives for each view.
        fitting: whether a photo's captions fit a view [n, views].
        captions: token ids of its captions by language.
        references: its captions as tokens of the metrics, by language.
    """

    views: Sequence[Features]
    fitting: npt.NDArray[np.bool_]
    captions: Mapping[str, Sequence[Sentences]]
    references: Mapping[str, Sequence[Sequence[Sequence[str]]]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Photos of a step that have captions in a language.

    Attributes:
        language: of the captions.
        photos: numbers of the photos [n].
        grid: what the CNN gives [n, c, h, w].
        queries: their embeddings [n, dim + visual dim].
        memory: language of the texts that they look at.
        drawn: numbers of these texts [n, k], the best first; -1 for none.
    """

    language: str
    photos: npt.NDArray[np.int64]
    grid: Tensor
    queries: Tensor
    memory: str
    drawn: npt.NDArray[np.int64]


class Joint(Stage[JointModel]):
    """The stage: photos, a memory of the training photos, and the towers and the decoder to begin with.

    Args:
        config: see ``JointConfig``.
        made_with: how the towers were trained.
        data: photos and captions.
        start: the towers.
        part: the decoder, which looks at a context, and its tokenizer.
        cache: directory of CNN features, which runs over the same photos share.
        limit: take only so many photos of each split.
    """

    config: JointConfig
    weights_file: ClassVar[str] = "joint.safetensors"

    def __init__(
        self,
        config: JointConfig,
        made_with: AlignConfig,
        data: AlignData,
        start: Start,
        part: LanguagePart,
        cache: Path,
        limit: int | None = None,
    ) -> None:
        self.config, self.tokenizer = config, part.tokenizer
        self.languages = config.languages.split()
        self.headline = tuple(f"{language}_CIDEr" for language in self.languages)
        self.module = joint_model(config, made_with, start, part)
        train, dev = (data.read(split, self.languages, limit) for split in (data.train, data.dev))
        for split, photos in ((data.train, train), (data.dev, dev)):
            for language in self.languages:
                if not any(texts[language] for texts in photos.values()):
                    raise InputError(f"{split}: none of its photos has a caption in {language!r}: change languages")
        transform = Transform(made_with.image_size, made_with.max_aspect)

        def seen(names: Sequence[str], view: int) -> Features:
            trunk = Trunk(start.trunk, start.trunk_key, config.vision_blocks, grid=True)
            progress = Progress(f"grids of view {view + 1}", len(names))
            return cached_features([data.images / name for name in names], trunk, transform, view, cache, progress)

        self.train = self._photos(train, [seen(list(train), view) for view in range(config.views)])
        self.dev = self._photos(dev, [seen(list(dev), 0)])
        self.memory, self.dev_texts = (
            {
                language: self._texts([texts[language] for texts in photos.values()], language, start, most)
                for language in self.languages
            }
            for most in [made_with.max_tokens]
            for photos in (train, dev)
        )
        self.pooled = self.train.views[0].pooled
        self.reward = {
            language: Cider([list(map(_with_end, own)) for own in self.train.references[language] if own])
            for language in self.languages
        }
        # Of each photo among those that have captions.
        self.places = {
            language: np.cumsum([bool(own) for own in self.train.references[language]]) - 1
            for language in self.languages
        }
        self.inventor = Inventor(part.tokenizer, [own.words for own in self.memory.values()])
        self.steps = max(1, len(train) // config.batch_size)

    def _texts(self, said: Sequence[Sequence[str]], language: str, start: Start, most: int) -> Texts:
        """The captions of photos, each cut to ``most`` tokens for the text encoder."""
        texts = [text for own in said for text in own]
        words = coded(self.tokenizer, [without_stop(text) for text in texts], language, self.config.recalled_tokens + 2)
        return Texts(
            np.repeat(np.arange(len(said)), [len(own) for own in said]),
            _sentences(start, token_ids(start.text.tokenizer, texts, most)),
            [sentence[1:-1] for sentence in words],
        )

    def _photos(self, said: Mapping[str, Mapping[str, Sequence[str]]], views: Sequence[Features]) -> _Photos:
        texts = {name: [text for told in own.values() for text in told] for name, own in said.items()}
        return _Photos(
            views,
            fitting_views(texts, len(views)),
            {
                language: [
                    coded(
                        self.tokenizer, [without_stop(text) for text in own[language]], language, self.config.max_tokens
                    )
                    for own in said.values()
                ]
                for language in self.languages
            },
            {
                language: [[caption_tokens(text, language) for text in own[language]] for own in said.values()]
                for language in self.languages
            },
        )

    def groups(self) -> list[ParameterGroup]:
        config, model = self.config, self.module
        decoder = [weight for name, weight in model.generator.decoder.named_parameters() if ".cross." not in name]
        known = {id(weight) for weight in decoder}
        others = [weight for weight in model.generator.parameters() if id(weight) not in known]
        heads = [*model.image.projection.parameters(), *model.text.parameters(), model.scale]
        return [
            ParameterGroup(others, config.rate),
            ParameterGroup(decoder, config.decoder_rate if config.decoder == "pretrained" else config.rate),
            ParameterGroup(heads, config.retriever_rate if config.retriever == "trained" else 0.0),
            ParameterGroup(list(model.top.parameters()), config.vision_rate if config.vision_blocks else 0.0),
        ]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        with torch.no_grad():
            self.pooled = self._pooled(self.module)
        found = self._candidates(self.module, self.train, own=True) if self.config.memory_share else None
        self.module.train()
        if self.config.retriever == "frozen":  # so that it finds in training what it finds later
            self.module.image.eval()
            self.module.text.eval()
        size, order = self.config.batch_size, draw.numpy.permutation(len(self.train.fitting))
        for step in range(self.steps):
            photos = order[step * size : (step + 1) * size]
            views = [int(draw.numpy.choice(np.flatnonzero(self.train.fitting[photo]))) for photo in photos]
            maps = torch.stack(
                [self.train.views[view].inputs[photo] for view, photo in zip(views, photos, strict=True)]
            )
            grid = self._grid(maps)
            queries = self._queries(grid)
            total = grid.new_zeros(())
            for language in self.languages:
                told = np.flatnonzero([bool(self.train.captions[language][photo]) for photo in photos])
                if not len(told):
                    continue
                rows, own, memory = torch.from_numpy(told), photos[told], self._memory_of(language, draw)
                drawn = self._draw(own, memory, found, draw)
                batch = _Batch(language, own, grid[rows], queries[rows], memory, drawn)
                loss = self._likelihood if self.config.objective == "likelihood" else self._reward
                total = total + loss(batch, draw)
                if self.config.retriever == "trained":
                    total = total + self.config.contrast_weight * self._contrast(batch, draw)
            yield total / len(self.languages)

    def evaluate(self, module: JointModel) -> Metrics:
        """Scores of greedy captions of the dev photos, memory on and off; ``score`` is the sum of the CIDEr.

        A generator that was trained without a memory is measured without. The retriever's recall is measured as well,
        the dev photos and their captions finding each other.
        """
        self.pooled = self._pooled(module)
        found = self._candidates(module, self.dev, own=False) if self.config.memory_share else None
        metrics = Metrics()
        for language in self.languages:
            off = self._scores(module, language, None)
            on = off if found is None else self._scores(module, language, found[language])
            metrics[f"{language}_CIDEr"] = round(on["CIDEr"], 2)
            metrics[f"{language}_BLEU-4"] = round(on["BLEU-4"], 2)
            metrics[f"{language}_CIDEr_off"] = round(off["CIDEr"], 2)
            for way, recall in self._recall(module, language).items():
                metrics[f"{language}_{way}_R@1"] = recall["R@1"]
        return {"score": round(sum(metrics[name] for name in self.headline), 2), **metrics}

    def _scores(self, module: JointModel, language: str, found: npt.NDArray[np.int64] | None) -> dict[str, float]:
        """Those of the dev photos that have captions to compare with."""
        said, references = self._said(module, language, found), self.dev.references[language]
        told = [row for row, own in enumerate(references) if own]
        return caption_scores([said[row] for row in told], [references[row] for row in told])

    @torch.inference_mode()
    def _recall(self, module: JointModel, language: str) -> dict[str, dict[str, float]]:
        texts = self.dev_texts[language]
        images = _in_parts(lambda maps: module.images(module.top.grid(maps)), self.dev.views[0].inputs)
        said = module.texts(texts.sentences)
        shared = F.normalize(images[:, : said.shape[-1]], dim=-1)
        return retrieval_recall(shared.numpy(), said.numpy(), texts.owners)

    def _grid(self, maps: Tensor) -> Tensor:
        if not self.config.vision_blocks:
            return maps.float()
        with torch.autocast("cpu", torch.bfloat16):
            return self.module.top.grid(maps).float()

    def _queries(self, grid: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.config.retriever == "trained" or bool(self.config.vision_blocks)):
            return self.module.images(grid)

    def _pooled(self, module: JointModel) -> Tensor:
        """Features of the memory's photos, as the CNN gives them now."""
        first = self.train.views[0]
        if not self.config.vision_blocks:
            return first.pooled
        return _in_parts(module.top.pooled, first.inputs)

    @torch.inference_mode()
    def _candidates(self, module: JointModel, photos: _Photos, *, own: bool) -> dict[str, npt.NDArray[np.int64]]:
        """Number of the texts in question for each photo, by language."""
        module.eval()
        images = module.image(self.pooled)[0]
        asked = photos.views[0].inputs
        queries = images if own else _in_parts(lambda maps: module.images(module.top.grid(maps)), asked)
        weights = module.generator.sharpness.exp()
        # Texts have no visual part, which a photo's vector has behind the shared one.
        return {
            language: candidates(
                queries,
                images,
                F.pad(module.texts(texts.sentences), (0, images.shape[1] - module.text.linear.out_features)),
                texts.owners,
                weights,
                self.config.candidates,
                range(len(queries)) if own else None,
            )
            for language, texts in self.memory.items()
        }

    def _memory_of(self, language: str, draw: Draw) -> str:
        """The language of the texts that captions in a language rest on: mostly the same."""
        others = [other for other in self.languages if other != language]
        return str(draw.numpy.choice(others)) if others and draw.numpy.random() < self.config.foreign else language

    def _draw(
        self,
        photos: npt.NDArray[np.int64],
        language: str,
        found: Mapping[str, npt.NDArray[np.int64]] | None,
        draw: Draw,
    ) -> npt.NDArray[np.int64]:
        """Numbers of the texts that each photo looks at [n, k], the best first; -1 for none."""
        config = self.config
        drawn = np.full((len(photos), config.recalled), -1)
        if found is None:
            return drawn
        for row, photo in enumerate(photos):
            if draw.numpy.random() < config.memory_share:
                places = np.sort(draw.numpy.choice(config.candidates, config.recalled, replace=False))
                drawn[row] = found[language][photo][places]
        return drawn

    def _recalled(
        self,
        module: JointModel,
        queries: Tensor,
        language: str,
        drawn: npt.NDArray[np.int64],
        words: Sequence[Sentences] | None = None,
    ) -> Recalled:
        """Texts of the memory as the generator looks at them; ``words`` stand in place of their own."""
        texts, rows = self.memory[language], torch.from_numpy(np.maximum(drawn, 0))
        if words is None:
            words = [[texts.words[place] if place >= 0 else [] for place in own] for own in drawn.tolist()]
        ids = torch.from_numpy(pad([sentence for own in words for sentence in own])[0])
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.retriever == "trained"):
            owners = torch.from_numpy(texts.owners)[rows.flatten()]
            images = module.image(self.pooled[owners])[0].reshape(*rows.shape, -1)
            said = module.texts(texts.sentences[rows.flatten()]).reshape(*rows.shape, -1)
            shared = queries[:, None, : said.shape[-1]]
            seen, fitting = (queries[:, None] * images).sum(-1), (shared * said).sum(-1)
            likenesses = torch.stack([seen, fitting, torch.zeros_like(seen)], -1)
        return Recalled(ids.reshape(*rows.shape, -1), likenesses)

    def _look(self, module: JointModel, grid: Tensor, queries: Tensor, recalled: Recalled) -> Seen:
        shared = queries[:, : module.text.linear.out_features].detach()
        return module.generator.look(grid.flatten(2).transpose(1, 2), F.normalize(shared, dim=-1), recalled)

    def _likelihood(self, batch: _Batch, draw: Draw) -> Tensor:
        config, texts = self.config, self.memory[batch.memory]
        said, words = [], []
        for photo, places in zip(batch.photos, batch.drawn.tolist(), strict=True):
            own = self.train.captions[batch.language][photo]
            captions = [own[int(place)] for place in draw.numpy.integers(len(own), size=config.captions)]
            recalled = [texts.words[place] if place >= 0 else [] for place in places]
            if draw.numpy.random() < config.invented:
                captions, recalled = self.inventor(captions, recalled, draw.numpy)
            said += captions
            words.append(recalled)
        with torch.autocast("cpu", torch.bfloat16):
            ids = torch.from_numpy(pad(said)[0])
            told, mean = self.module.generator.likelihood(ids, self._seen(batch, words))
        mixed = (1 - config.smoothing) * told + config.smoothing * mean
        return -mixed[ids[:, 1:] > 0].mean()

    def _reward(self, batch: _Batch, draw: Draw) -> Tensor:
        """How much better sampled captions are than the others of their photo, times their likelihood.

        The mean reward of the others is the baseline (Luo, arXiv 2003.09971).
        """
        count, generator = self.config.captions, self.module.generator
        with torch.autocast("cpu", torch.bfloat16):
            seen = self._seen(batch)
            with torch.no_grad():
                ids = say(generator, seen, self._first(batch.language), self.config.max_tokens, count, draw.torch)
            told, _ = generator.likelihood(ids, seen)
        ended = (ids == special_token(self.tokenizer, END)).any(1).tolist()
        spoken = [caption_tokens(text, batch.language) for text in self._written(ids)]
        spoken = [_with_end(own) if end else own for own, end in zip(spoken, ended, strict=True)]
        about = np.repeat(self.places[batch.language][batch.photos], count).tolist()
        scores = self.reward[batch.language].scores(spoken, about).reshape(-1, count)
        others = (scores.sum(1, keepdims=True) - scores) / max(count - 1, 1)
        gain = torch.from_numpy(scores - others).float().reshape(-1, 1)
        there = ids[:, 1:] > 0
        return -(gain * told * there).sum() / there.sum()

    def _seen(self, batch: _Batch, words: Sequence[Sentences] | None = None) -> Seen:
        recalled = self._recalled(self.module, batch.queries, batch.memory, batch.drawn, words)
        return self._look(self.module, batch.grid, batch.queries, recalled)

    def _contrast(self, batch: _Batch, draw: Draw) -> Tensor:
        texts = self.memory[batch.language]
        own = [draw.numpy.choice(np.flatnonzero(texts.owners == photo)) for photo in batch.photos]
        said = self.module.texts(texts.sentences[own])
        shared = F.normalize(batch.queries[:, : said.shape[-1]], dim=-1)
        return info_nce(shared, said, self.module.scale)

    def _said(self, module: JointModel, language: str, found: npt.NDArray[np.int64] | None) -> list[tuple[str, ...]]:
        """Greedy captions of the dev photos as tokens."""
        module.eval()
        inputs, spoken = self.dev.views[0].inputs, []
        for start in range(0, len(inputs), _ROWS):
            with torch.autocast("cpu", torch.bfloat16):
                grid = module.top.grid(inputs[start : start + _ROWS])
                queries = module.images(grid)
                none = np.full((len(grid), self.config.recalled), -1)
                drawn = none if found is None else found[start : start + _ROWS, : self.config.recalled]
                seen = self._look(module, grid, queries, self._recalled(module, queries, language, drawn))
                spoken += self._written(say(module.generator, seen, self._first(language), self.config.max_tokens))
        return [caption_tokens(text, language) for text in spoken]

    def _first(self, language: str) -> int:
        return special_token(self.tokenizer, beginning(language))

    def _written(self, ids: Tensor) -> list[str]:
        texts: list[str] = self.tokenizer.decode_batch(ids[:, 1:].tolist())  # which leaves special tokens out
        return texts


def joint(
    config: JointConfig,
    made_with: AlignConfig,
    data: AlignData,
    out: Path,
    *,
    start: Start,
    part: LanguagePart,
    begun: Path | None = None,
    resume: bool = False,
    smoke: bool = False,
) -> Result:
    """Trains a generator, and writes ``joint.safetensors`` with the best weights on the dev split.

    Args:
        config: see ``JointConfig``.
        made_with: how the towers were trained.
        data: photos and captions.
        out: directory of the run, see ``RunDirectory``.
        start: the towers.
        part: the decoder and its tokenizer.
        begun: another run of this stage to go on from, such as one by likelihood for one by reward.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of photos.

    Raises:
        InputError: ``out`` does not fit, or photos and captions do not match.
        TrainingError: see ``revln.train.loop.run``.
    """
    config = config.smoke() if smoke else config
    directory = RunDirectory(out, config, resume=resume)
    torch.manual_seed(config.seed)
    stage = Joint(config, made_with, data, start, part, out.parent / "features", _SMOKE_PHOTOS if smoke else None)
    if begun is not None:
        check_run(begun, [Joint.weights_file], "make it with revln train joint")
        load_into(stage.module, load_file(begun / Joint.weights_file))
    if not directory.history:
        save_tokenizer(part.tokenizer, out)
        part.decoder.size.write(out / SIZE_FILE)
    return run(stage, directory)


@torch.inference_mode()
def _sentences(start: Start, sentences: Sentences) -> Tensor:
    """What the text encoder says, before its projection head."""
    return F.normalize(in_chunks(start.text.encoder.eval(), sentences), dim=-1)


def _with_end(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens and an end, so that the reward tells a sentence that breaks off from one that is complete."""
    return (*tokens, END)


def _in_parts(encode: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    return torch.cat([encode(inputs[start : start + _ROWS]) for start in range(0, len(inputs), _ROWS)])
