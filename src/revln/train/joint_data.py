"""What joint training works on: photos as the frozen part of the CNN sees them, captions, questions, the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from revln.errors import InputError
from revln.images import Transform
from revln.text import caption_tokens, without_stop
from revln.text.questions import Question
from revln.train.config import AlignConfig, JointConfig
from revln.train.features import Features, Trunk, cached_features
from revln.train.joint_questions import Questions
from revln.train.language import coded
from revln.train.pairs import AlignData, fitting_views
from revln.train.progress import Progress
from revln.train.recall import Texts
from revln.train.starting import Start
from revln.train.text_encoders import Sentences, in_chunks, token_ids

__all__ = ["JointData", "Photos", "read_joint_data"]

Said = Mapping[str, Mapping[str, Sequence[str]]]  # captions by photo and language


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos of a split.

    Attributes:
        views: what the frozen part of the CNN gives for each view.
        fitting: whether a photo's captions fit a view [n, views].
        captions: token ids of its captions by language.
        references: its captions as tokens of the metrics, by language.
        texts: its captions as a memory has them, by language.
        questions: about them, by language.
    """

    views: Sequence[Features]
    fitting: npt.NDArray[np.bool_]
    captions: Mapping[str, Sequence[Sentences]]
    references: Mapping[str, Sequence[Sequence[Sequence[str]]]]
    texts: Mapping[str, Texts]
    questions: Mapping[str, Questions]

    def __len__(self) -> int:
        return len(self.fitting)


@dataclass(frozen=True, slots=True)
class JointData:
    """The photos that are trained on, those that are measured on, and the memory.

    Attributes:
        languages: of the captions.
        train: photos that are trained on.
        dev: photos that are measured on.
        memory: by language, what is known of the training photos: their captions, and behind them the questions about
            them with their answers.
    """

    languages: Sequence[str]
    train: Photos
    dev: Photos
    memory: Mapping[str, Texts]


def read_joint_data(
    config: JointConfig,
    made_with: AlignConfig,
    data: AlignData,
    start: Start,
    tokenizer: Tokenizer,
    cache: Path,
    questions: Sequence[Question] = (),
    limit: int | None = None,
) -> JointData:
    """Reads photos and texts, and encodes what stays as it is.

    Args:
        config: see ``JointConfig``.
        made_with: how the towers were trained.
        data: photos and captions.
        start: the towers.
        tokenizer: of the generator.
        cache: directory of CNN features, which runs over the same photos share.
        questions: about the photos, if they are to be learnt as well.
        limit: take only so many photos of each split.

    Raises:
        InputError: photos and captions do not match, or captions in a language or questions are missing.
    """
    reader = _Reader(config, made_with, data, start, tokenizer, cache, questions)
    train, dev = reader.photos(data.train, config.views, limit), reader.photos(data.dev, 1, limit)
    if config.question_weight and not any(map(len, train.questions.values())):
        raise InputError("none of the questions is about a photo of the training split: give others, or none")
    memory = {language: own.followed_by(train.questions[language].texts) for language, own in train.texts.items()}
    return JointData(reader.languages, train, dev, memory)


@dataclass(frozen=True, slots=True)
class _Reader:
    config: JointConfig
    made_with: AlignConfig
    data: AlignData
    start: Start
    tokenizer: Tokenizer
    cache: Path
    questions: Sequence[Question]

    @property
    def languages(self) -> list[str]:
        return self.config.languages.split()

    def photos(self, split: Path, views: int, limit: int | None) -> Photos:
        """Those of a split file."""
        said = self.data.read(split, self.languages, limit)
        for language in self.languages:
            if not any(texts[language] for texts in said.values()):
                raise InputError(f"{split}: none of its photos has a caption in {language!r}: change languages")
        texts = {name: [text for told in own.values() for text in told] for name, own in said.items()}
        return Photos(
            [self._view(list(said), view) for view in range(views)],
            fitting_views(texts, views),
            {
                language: [self._coded(own[language], language, self.config.max_tokens) for own in said.values()]
                for language in self.languages
            },
            {
                language: [[caption_tokens(text, language) for text in own[language]] for own in said.values()]
                for language in self.languages
            },
            {language: self._texts(said, language) for language in self.languages},
            {language: self._asked(said, language) for language in self.languages},
        )

    def _view(self, names: Sequence[str], view: int) -> Features:
        transform = Transform(self.made_with.image_size, self.made_with.max_aspect)
        trunk = Trunk(self.start.trunk, self.start.trunk_key, self.config.vision_blocks, grid=True)
        progress = Progress(f"grids of view {view + 1}", len(names))
        return cached_features(
            [self.data.images / name for name in names], trunk, transform, view, self.cache, progress
        )

    def _texts(self, said: Said, language: str) -> Texts:
        texts = [text for own in said.values() for text in own[language]]
        words = self._coded(texts, language, self.config.recalled_tokens + 2)
        return Texts(
            np.repeat(np.arange(len(said)), [len(own[language]) for own in said.values()]),
            self._encoded(texts),
            [sentence[1:-1] for sentence in words],
        )

    def _asked(self, said: Said, language: str) -> Questions:
        return Questions.about(
            list(said),
            [question for question in self.questions if question.language == language],
            self.tokenizer,
            self._encoded,
            most=self.config.max_tokens,
            recalled=self.config.recalled_tokens,
        )

    def _coded(self, texts: Sequence[str], language: str, most: int) -> Sentences:
        return coded(self.tokenizer, [without_stop(text) for text in texts], language, most)

    @torch.inference_mode()
    def _encoded(self, texts: Sequence[str]) -> Tensor:
        """What the text encoder says, before its projection head."""
        encoder, tokenizer = self.start.text.encoder.eval(), self.start.text.tokenizer
        if not texts:
            return torch.zeros(0, encoder.width)
        return F.normalize(in_chunks(encoder, token_ids(tokenizer, texts, self.made_with.max_tokens)), dim=-1)
