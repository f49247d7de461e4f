"""What a generator in training says about the dev photos: its captions and answers, memory on and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from revln.metrics import caption_scores, retrieval_recall
from revln.text import caption_tokens
from revln.text.special import beginning
from revln.train.config import JointConfig
from revln.train.generator import Seen
from revln.train.joint_data import JointData
from revln.train.joint_memory import TrainingMemory, in_parts
from revln.train.joint_model import JointModel
from revln.train.language import special_token
from revln.train.precision import reduced_precision
from revln.train.run_directory import Metrics
from revln.train.saying import say

__all__ = ["Answered", "Measures", "headline_of", "prompts_of", "written"]

_ROWS = 125  # photos that something is said about at once
_ASKED = 1000  # questions in each language
_LONGEST_ANSWER = 8
_LEAST = 1e-6  # probability


class Answered(NamedTuple):
    """An answer to a question.

    Attributes:
        right: whether it is.
        log_odds: of the answer, as the generator gives them.
    """

    right: bool
    log_odds: float


class Measures:
    """Measures a generator.

    Args:
        config: see ``JointConfig``.
        data: has the dev photos.
        memory: what is recalled.
        tokenizer: of the generator.
    """

    def __init__(self, config: JointConfig, data: JointData, memory: TrainingMemory, tokenizer: Tokenizer) -> None:
        self.config, self.data, self.memory, self.tokenizer = config, data, memory, tokenizer

    def __call__(self, module: JointModel) -> Metrics:
        """Scores of greedy captions, memory on and off, and recall@1 of the retriever.

        ``score`` is the sum of the headline: CIDEr in each language and, if questions are learnt, the share of right
        answers. A generator that was trained without a memory is measured without.
        """
        self.memory.refresh(module)
        found = self.memory.candidates(module, self.data.dev, own=False) if self.config.memory_share else None
        module.eval()
        metrics = Metrics()
        for language in self.data.languages:
            known = None if found is None else found[language]
            off = self._captions(module, language, None)
            on = off if found is None else self._captions(module, language, known)
            metrics[f"{language}_CIDEr"] = round(on["CIDEr"], 2)
            metrics[f"{language}_BLEU-4"] = round(on["BLEU-4"], 2)
            metrics[f"{language}_CIDEr_off"] = round(off["CIDEr"], 2)
            for way, recall in self._recall(module, language).items():
                metrics[f"{language}_{way}_R@1"] = recall["R@1"]
            if self.config.question_weight:
                metrics[f"{language}_answers"] = _share_right(self.answers(module, language, known))
                metrics[f"{language}_answers_off"] = _share_right(self.answers(module, language, None))
        return {"score": round(sum(metrics[name] for name in headline_of(self.config)), 2), **metrics}

    def _captions(self, module: JointModel, language: str, found: npt.NDArray[np.int64] | None) -> dict[str, float]:
        """Scores of the photos that have captions to compare with."""
        references, spoken = self.data.dev.references[language], []
        for start in range(0, len(references), _ROWS):
            photos = np.arange(start, min(start + _ROWS, len(references)))
            with reduced_precision():
                seen = self._seen(module, photos, language, found)
                ids = say(module.generator, seen, self._prompts(language, len(photos)), self.config.max_tokens)
            spoken += written(self.tokenizer, ids[:, 1:])
        told = [row for row, own in enumerate(references) if own]
        said = [caption_tokens(spoken[row], language) for row in told]
        return caption_scores(said, [references[row] for row in told])

    def answers(self, module: JointModel, language: str, found: npt.NDArray[np.int64] | None) -> list[Answered]:
        """Greedy answers to some of the questions."""
        questions, answered = self.data.dev.questions[language], []
        chosen = np.linspace(0, len(questions) - 1, min(_ASKED, len(questions))).astype(int).tolist()
        for group in questions.alike(chosen, _ROWS):
            prompts = torch.tensor([questions.prompts[number] for number in group])
            begun = prompts.shape[1]
            with torch.no_grad(), reduced_precision():
                seen = self._seen(module, questions.owners[group], language, found, questions.vectors[group])
                ids = say(module.generator, seen, prompts, begun + _LONGEST_ANSWER)
                told, _ = module.generator.likelihood(ids, seen)
            sure = (told * (ids[:, 1:] > 0))[:, begun - 1 :].sum(1).double().exp().clamp(_LEAST, 1 - _LEAST)
            for number, text, odds in zip(
                group, written(self.tokenizer, ids[:, begun:]), torch.logit(sure).tolist(), strict=True
            ):
                answered.append(Answered(text == questions.said[number], odds))
        return answered

    def _seen(
        self,
        module: JointModel,
        photos: npt.NDArray[np.int64],
        language: str,
        found: npt.NDArray[np.int64] | None,
        asked: Tensor | None = None,
    ) -> Seen:
        grid = module.top.grid(self.data.dev.views[0].inputs[photos])
        queries = module.images(grid)
        recalled = self.memory.recalled(module, queries, language, self.memory.best(photos, found), asked=asked)
        return self.memory.look(module, grid, queries, recalled)

    @torch.inference_mode()
    def _recall(self, module: JointModel, language: str) -> dict[str, dict[str, float]]:
        texts = self.data.dev.texts[language]
        images = in_parts(lambda maps: module.images(module.top.grid(maps)), self.data.dev.views[0].inputs)
        said = module.texts(texts.sentences)
        shared = F.normalize(images[:, : said.shape[-1]], dim=-1)
        return retrieval_recall(shared.numpy(), said.numpy(), texts.owners)

    def _prompts(self, language: str, count: int) -> Tensor:
        return prompts_of(self.tokenizer, language, count)


def _share_right(answers: Sequence[Answered]) -> float:
    """In percent."""
    return round(100 * sum(answer.right for answer in answers) / max(len(answers), 1), 2)


def headline_of(config: JointConfig) -> tuple[str, ...]:
    """The metrics that count."""
    learnt = ("CIDEr", "answers") if config.question_weight else ("CIDEr",)
    return tuple(f"{language}_{what}" for what in learnt for language in config.languages.split())


def prompts_of(tokenizer: Tokenizer, language: str, count: int) -> Tensor:
    """The beginnings of so many captions [count, 1]."""
    return torch.full((count, 1), special_token(tokenizer, beginning(language)))


def written(tokenizer: Tokenizer, ids: Tensor) -> list[str]:
    """Sentences of token ids [n, t]; special tokens are left out."""
    texts: list[str] = tokenizer.decode_batch(ids.tolist())
    return texts
