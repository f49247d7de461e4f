"""Training the generator together with retrieval: ``revln train joint``.

A photo of the training split is asked of a memory of all the others; the generator learns to say its captions, and to
answer questions about it, from its pixels and from what the memory recalls. The scores of retrieval bias the
generator's attention, so its loss trains the retriever's projection heads as well, if they are not frozen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from revln.metrics import Cider
from revln.text import caption_tokens, pad
from revln.text.questions import Question
from revln.text.special import ANSWER, END
from revln.train.checkpoint import load_into, tensors_of
from revln.train.config import AlignConfig, JointConfig
from revln.train.generator import Seen
from revln.train.generator_start import SIZE_FILE, WEIGHTS_FILE, GeneratorStart
from revln.train.invented_words import Inventor
from revln.train.joint_data import JointData, read_joint_data
from revln.train.joint_measures import Measures, headline_of, prompts_of, written
from revln.train.joint_memory import Found, TrainingMemory
from revln.train.joint_model import JointModel, joint_model
from revln.train.language import LanguagePart, special_token
from revln.train.learner import ParameterGroup
from revln.train.loop import Draw, Result, Stage, run
from revln.train.losses import info_nce
from revln.train.pairs import AlignData
from revln.train.precision import reduced_precision
from revln.train.run_directory import Metrics, RunDirectory
from revln.train.saying import say
from revln.train.starting import Start
from revln.train.text_encoders import Sentences, save_tokenizer

__all__ = ["Joint", "joint"]

_SMOKE_PHOTOS = 48


@dataclass(frozen=True, slots=True)
class _Batch:
    """Photos of a step.

    Attributes:
        language: of what is said about them.
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
        data: photos, captions, questions.
        start: the towers.
        part: the decoder, which looks at a context, and its tokenizer.
    """

    config: JointConfig
    weights_file: ClassVar[str] = WEIGHTS_FILE

    def __init__(
        self, config: JointConfig, made_with: AlignConfig, data: JointData, start: Start, part: LanguagePart
    ) -> None:
        self.config, self.data, self.tokenizer = config, data, part.tokenizer
        self.headline = headline_of(config)
        self.module = joint_model(config, made_with, start, part)
        self.memory = TrainingMemory(config, data)
        self.measures = Measures(config, data, self.memory, part.tokenizer)
        references = data.train.references
        self.reward = {
            language: Cider([list(map(_with_end, own)) for own in references[language] if own])
            for language in data.languages
        }
        # Of each photo among those that have captions.
        self.places = {
            language: np.cumsum([bool(own) for own in references[language]]) - 1 for language in data.languages
        }
        self.inventor = Inventor(part.tokenizer, [own.words[: own.captions] for own in data.memory.values()])
        self.steps = max(1, len(data.train) // config.batch_size)

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
        config, data = self.config, self.data.train
        self.memory.refresh(self.module)
        found = self.memory.candidates(self.module, data, own=True) if config.memory_share else None
        self.module.train()
        if config.retriever == "frozen":  # so that it finds in training what it finds later
            self.module.image.eval()
            self.module.text.eval()
        captioning = self._likelihood if config.objective == "likelihood" else self._reward
        order = draw.numpy.permutation(len(data))
        for step in range(self.steps):
            photos = order[step * config.batch_size : (step + 1) * config.batch_size]
            views = [int(draw.numpy.choice(np.flatnonzero(data.fitting[photo]))) for photo in photos]
            maps = torch.stack([data.views[view].inputs[photo] for view, photo in zip(views, photos, strict=True)])
            grid = self._grid(maps)
            queries = self._queries(grid)
            total = grid.new_zeros(())
            for language in self.data.languages:
                told = np.flatnonzero([bool(data.captions[language][photo]) for photo in photos])
                if len(told):
                    memory = self._memory_of(language, draw)
                    batch = self._batch(language, memory, photos, told, grid, queries, found, draw)
                    total = total + captioning(batch, draw)
                    if config.retriever == "trained":
                        total = total + config.contrast_weight * self._contrast(batch, draw)
                asked = self._asked(language, photos, draw)
                if len(asked):
                    batch = self._batch(language, language, photos, asked, grid, queries, found, draw)
                    total = total + config.question_weight * self._answering(batch, draw)
            yield total / len(self.data.languages)

    def evaluate(self, module: JointModel) -> Metrics:
        """See ``Measures``."""
        return self.measures(module)

    def _asked(self, language: str, photos: npt.NDArray[np.int64], draw: Draw) -> npt.NDArray[np.int64]:
        """Rows of the photos that a question is asked about."""
        if not self.config.question_weight:
            return np.zeros(0, np.int64)
        questions = self.data.train.questions[language]
        chosen = draw.numpy.random(len(photos)) < self.config.asked
        return np.flatnonzero(chosen & np.array([bool(questions.of(photo)) for photo in photos]))

    def _batch(
        self,
        language: str,
        memory: str,
        photos: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        grid: Tensor,
        queries: Tensor,
        found: Found | None,
        draw: Draw,
    ) -> _Batch:
        """Some rows of a step's photos, with what they look at."""
        drawn = self.memory.draw(photos[rows], None if found is None else found[memory], draw)
        places = torch.from_numpy(rows)
        return _Batch(language, photos[rows], grid[places], queries[places], memory, drawn)

    def _grid(self, maps: Tensor) -> Tensor:
        if not self.config.vision_blocks:
            return maps.float()
        with reduced_precision():
            return self.module.top.grid(maps).float()

    def _queries(self, grid: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.config.retriever == "trained" or bool(self.config.vision_blocks)):
            return self.module.images(grid)

    def _memory_of(self, language: str, draw: Draw) -> str:
        """The language of the texts that captions in a language rest on: mostly the same."""
        others = [other for other in self.data.languages if other != language]
        return str(draw.numpy.choice(others)) if others and draw.numpy.random() < self.config.foreign else language

    def _likelihood(self, batch: _Batch, draw: Draw) -> Tensor:
        """How unlikely the photos' captions are."""
        config = self.config
        said, words = [], []
        for photo, places in zip(batch.photos, batch.drawn.tolist(), strict=True):
            own = self.data.train.captions[batch.language][photo]
            captions = [own[int(place)] for place in draw.numpy.integers(len(own), size=config.captions)]
            captions, recalled = self._with_invented(captions, self.memory.words(batch.memory, places), draw)
            said += captions
            words.append(recalled)
        with reduced_precision():
            ids = torch.from_numpy(pad(said)[0])
            told, mean = self.module.generator.likelihood(ids, self._seen(batch, words))
        mixed = (1 - config.smoothing) * told + config.smoothing * mean
        return -mixed[ids[:, 1:] > 0].mean()

    def _reward(self, batch: _Batch, draw: Draw) -> Tensor:
        """How much better sampled captions are than the others of their photo, times their likelihood.

        The mean reward of the others is the baseline (Luo, arXiv 2003.09971).
        """
        count, generator = self.config.captions, self.module.generator
        with reduced_precision():
            seen = self._seen(batch)
            with torch.no_grad():
                prompts = prompts_of(self.tokenizer, batch.language, len(batch.photos))
                ids = say(generator, seen, prompts, self.config.max_tokens, count, draw.torch)
            told, _ = generator.likelihood(ids, seen)
        ended = (ids == special_token(self.tokenizer, END)).any(1).tolist()
        spoken = [caption_tokens(text, batch.language) for text in written(self.tokenizer, ids[:, 1:])]
        spoken = [_with_end(own) if end else own for own, end in zip(spoken, ended, strict=True)]
        about = np.repeat(self.places[batch.language][batch.photos], count).tolist()
        scores = self.reward[batch.language].scores(spoken, about).reshape(-1, count)
        others = (scores.sum(1, keepdims=True) - scores) / max(count - 1, 1)
        gain = torch.from_numpy(scores - others).float().reshape(-1, 1)
        there = ids[:, 1:] > 0
        return -(gain * told * there).sum() / there.sum()

    def _answering(self, batch: _Batch, draw: Draw) -> Tensor:
        """How unlikely the answers to a question about each photo are.

        Some of what is recalled is not a caption but the question about that photo that is most like the one that is
        asked, with its answer. Some questions are asked without showing anything.
        """
        config, texts, questions = (
            self.config,
            self.memory.texts[batch.memory],
            self.data.train.questions[batch.language],
        )
        asked = [int(draw.numpy.choice(questions.of(photo))) for photo in batch.photos]
        shown = draw.numpy.random(len(asked)) >= config.blind
        said, words, drawn = [], [], np.where(shown[:, None], batch.drawn, -1)
        for number, places in zip(asked, drawn, strict=True):
            for place in np.flatnonzero((places >= 0) & (draw.numpy.random(len(places)) < config.answered)):
                near = questions.nearest(int(texts.owners[places[place]]), questions.vectors[number])
                places[place] = places[place] if near is None else texts.captions + near
            sentence = [*questions.prompts[number], *questions.answers[number]]
            (sentence,), recalled = self._with_invented([sentence], self.memory.words(batch.memory, places), draw)
            said.append(sentence)
            words.append(recalled)
        seen = torch.from_numpy(shown).float()
        visible = dataclasses.replace(
            batch, grid=batch.grid * seen[:, None, None, None], queries=batch.queries * seen[:, None], drawn=drawn
        )
        with reduced_precision():
            ids = torch.from_numpy(pad(said)[0])
            told, _ = self.module.generator.likelihood(ids, self._seen(visible, words, questions.vectors[asked]))
        answers = (ids == special_token(self.tokenizer, ANSWER)).cumsum(1)[:, :-1] > 0
        return -told[answers & (ids[:, 1:] > 0)].mean()

    def _with_invented(self, said: Sentences, recalled: Sentences, draw: Draw) -> tuple[Sentences, Sentences]:
        """The same, at times with an invented word in the place of one that both share."""
        if draw.numpy.random() < self.config.invented:
            return self.inventor(said, recalled, draw.numpy)
        return said, recalled

    def _seen(self, batch: _Batch, words: Sequence[Sentences] | None = None, asked: Tensor | None = None) -> Seen:
        recalled = self.memory.recalled(self.module, batch.queries, batch.memory, batch.drawn, words, asked)
        return self.memory.look(self.module, batch.grid, batch.queries, recalled)

    def _contrast(self, batch: _Batch, draw: Draw) -> Tensor:
        texts = self.memory.texts[batch.language]
        owners = texts.owners[: texts.captions]
        own = [draw.numpy.choice(np.flatnonzero(owners == photo)) for photo in batch.photos]
        said = self.module.texts(texts.sentences[own])
        shared = F.normalize(batch.queries[:, : said.shape[-1]], dim=-1)
        return info_nce(shared, said, self.module.scale)


def joint(
    config: JointConfig,
    made_with: AlignConfig,
    data: AlignData,
    out: Path,
    *,
    start: Start,
    begun: GeneratorStart,
    questions: Sequence[Question] = (),
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
        begun: the generator, such as that of a run by likelihood for one by reward.
        questions: about the photos, where ``question_weight`` is not 0.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of photos.

    Raises:
        InputError: ``out`` does not fit, or photos, captions and questions do not match.
        TrainingError: see ``revln.train.loop.run``.
    """
    config = config.smoke() if smoke else config
    directory = RunDirectory(out, config, resume=resume)
    torch.manual_seed(config.seed)
    limit, cache = _SMOKE_PHOTOS if smoke else None, out.parent / "features"
    part = begun.part
    read = read_joint_data(config, made_with, data, start, part.tokenizer, cache, questions, limit)
    stage = Joint(config, made_with, read, start, part)
    load_into(stage.module, {**tensors_of(stage.module), **begun.weights})
    if not directory.history:
        save_tokenizer(part.tokenizer, out)
        part.decoder.size.write(out / SIZE_FILE)
    return run(stage, directory)


def _with_end(tokens: Sequence[str]) -> tuple[str, ...]:
    """Tokens and an end, so that the reward tells a sentence that breaks off from one that is complete."""
    return (*tokens, END)
