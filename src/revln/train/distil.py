"""Teaching a small bilingual text encoder what MiniLM knows: ``revln train distil``.

For an English text the student gives MiniLM's vector of it, for a Chinese one MiniLM's vector of its translation
(Reimers & Gurevych, EMNLP 2020, arXiv 2004.09813), or, for a caption that is no translation, the mean of the vectors of
the English captions of its photo. The words and definitions of a dictionary are among the English texts, so that words
which no caption holds keep their meaning.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from revln.errors import InputError
from revln.models.bundle import TOKENIZER
from revln.sources import read_captions, read_split
from revln.train import minilm
from revln.train.bilingual import build_tokenizer, starting_vectors
from revln.train.cache import cached_array
from revln.train.class_names import load_class_names
from revln.train.config import DistilConfig
from revln.train.dictionary import read_dictionary
from revln.train.learner import ParameterGroup
from revln.train.loop import Draw, Result, Stage, run
from revln.train.progress import Progress
from revln.train.run_directory import Metrics, RunDirectory
from revln.train.text_encoders import WEIGHTS_FILE, Sentences, in_chunks, make_encoder, save_tokenizer, token_ids

__all__ = ["Distil", "DistilData", "distil"]

_HELD_OUT = 500  # texts of each kind that are measured on, at most a tenth
_TEACHER_CHUNK = 512
_SMOKE_TEXTS = 200


@dataclass(frozen=True, slots=True)
class DistilData:
    """Texts to learn from.

    Attributes:
        pairs: sentences and names in English and Chinese that say the same.
        english: further English texts.
        described: Chinese captions, each with the English captions of its photo.
    """

    pairs: Sequence[tuple[str, str]]
    english: Sequence[str]
    described: Sequence[tuple[Sequence[str], str]]

    @classmethod
    def in_folder(cls, folder: Path, dictionary: Path | None = None) -> DistilData:
        """``parallel.en-zh.txt`` (CSV with the columns en and zh), and the training photos' captions in both languages.

        Args:
            folder: of the data set.
            dictionary: directory of WordNet's database files; without it words outside the sentences stay unknown.

        Raises:
            InputError: a file is missing or has other columns.
        """
        parallel = folder / "parallel.en-zh.txt"
        try:
            with parallel.open(encoding="utf-8", newline="") as file:
                pairs = [(row["en"], row["zh"]) for row in csv.DictReader(file) if row["en"] and row["zh"]]
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise InputError(f"{parallel}: no CSV file with the columns en and zh: put one there") from error
        english, foreign = load_class_names(), load_class_names("zh")
        pairs += [(names[0], other) for names, others in zip(english, foreign, strict=True) for other in others]
        known = [name for names in english for name in names]
        return cls(pairs, known + (read_dictionary(dictionary) if dictionary else []), _described(folder))

    def cut(self, limit: int) -> DistilData:
        """The first few of each kind."""
        return DistilData(self.pairs[:limit], self.english[:limit], self.described[:limit])


@dataclass(frozen=True, slots=True)
class _Lessons:
    """Texts [n] as the student reads them, and the vectors [n, 384] that they should get."""

    sentences: Sentences
    vectors: Tensor

    def split(self, held_out: int) -> tuple[_Lessons, _Lessons]:
        kept = len(self.sentences) - min(held_out, len(self.sentences) // 10)
        return (
            _Lessons(self.sentences[:kept], self.vectors[:kept]),
            _Lessons(self.sentences[kept:], self.vectors[kept:]),
        )


class Distil(Stage[nn.Module]):
    """The stage: a student, and lessons in both languages.

    Args:
        config: see ``DistilConfig``.
        data: texts.
        tokenizer: the student's.
        cache: directory for the teacher's vectors, which runs over the same texts share.
    """

    config: DistilConfig
    weights_file: ClassVar[str] = WEIGHTS_FILE
    headline: tuple[str, ...] = ("english", "chinese")

    def __init__(self, config: DistilConfig, data: DistilData, tokenizer: Tokenizer, cache: Path) -> None:
        self.config = config
        # In an order of their own, so that what is held out is of all kinds.
        rng = np.random.default_rng(config.seed)
        pairs = [data.pairs[i] for i in rng.permutation(len(data.pairs))]
        english = [data.english[i] for i in rng.permutation(len(data.english))]
        described = [data.described[i] for i in rng.permutation(len(data.described))]
        vectors = _teach([left for left, _ in pairs] + english, cache)
        kinds = {
            "english": ([left for left, _ in pairs], vectors[: len(pairs)]),
            "chinese": ([right for _, right in pairs], vectors[: len(pairs)]),
            "dictionary": (english, vectors[len(pairs) :]),
            "described": ([right for _, right in described], _means([left for left, _ in described], cache)),
        }
        split = {
            kind: _Lessons(token_ids(tokenizer, texts, config.max_tokens), own).split(_HELD_OUT)
            for kind, (texts, own) in kinds.items()
            if texts
        }
        self.lessons = {kind: train for kind, (train, _) in split.items()}
        self.held_out = {kind: dev for kind, (_, dev) in split.items() if dev.sentences}
        torch.manual_seed(config.seed)
        self.module = make_encoder(config.encoder, tokenizer.get_vocab_size(), config.layers, config.dropout)
        words = starting_vectors(tokenizer, minilm.word_vectors(), pairs)
        self.module.start_from(minilm.load_pretrained(), torch.from_numpy(words))
        self.steps = max(1, sum(self._share(kind) for kind in self.lessons) // config.batch_size)

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(list(self.module.parameters()), self.config.rate)]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        size = self.config.batch_size
        chosen = [
            (kind, place)
            for kind, lessons in self.lessons.items()
            for place in draw.numpy.permutation(len(lessons.sentences))[: self._share(kind)].tolist()
        ]
        order = draw.numpy.permutation(len(chosen))
        for step in range(self.steps):
            batch = [chosen[place] for place in order[step * size : (step + 1) * size]]
            vectors = torch.stack([self.lessons[kind].vectors[place] for kind, place in batch]).float()
            given = in_chunks(self.module, [self.lessons[kind].sentences[place] for kind, place in batch])
            yield 1 - F.cosine_similarity(given, vectors).mean()

    def evaluate(self, module: nn.Module) -> Metrics:
        """Mean cosine with the teacher's vectors of held-out texts, times 100; ``score`` is the mean over kinds."""
        metrics = {
            kind: round(
                100 * F.cosine_similarity(in_chunks(module, dev.sentences), dev.vectors.float()).mean().item(), 2
            )
            for kind, dev in self.held_out.items()
        }
        return {"score": round(sum(metrics.values()) / len(metrics), 2), **metrics}

    def _share(self, kind: str) -> int:
        """Texts of an epoch: all pairs, but only so much of a dictionary, which is many times larger."""
        count = len(self.lessons[kind].sentences)
        return min(count, self.config.dictionary) if kind == "dictionary" else count


def distil(config: DistilConfig, data: DistilData, out: Path, *, resume: bool = False, smoke: bool = False) -> Result:
    """Trains a student, and writes ``encoder.safetensors`` and ``tokenizer.json`` for ``revln train align``.

    Args:
        config: see ``DistilConfig``.
        data: texts.
        out: directory of the run, see ``RunDirectory``. The teacher's vectors are cached beside it, in ``features``.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of texts.

    Raises:
        InputError: ``out`` does not fit.
        TrainingError: see ``revln.train.loop.run``.
    """
    if smoke:
        config, data = config.smoke(), data.cut(_SMOKE_TEXTS)
    directory = RunDirectory(out, config, resume=resume)
    file = out / TOKENIZER
    if not (resume and file.exists()):
        sentences = [right for _, right in (*data.pairs, *data.described)]
        tokenizer = build_tokenizer(minilm.load_tokenizer().get_vocab(), sentences, config.chinese_pieces)
        save_tokenizer(tokenizer, out)
    return run(Distil(config, data, Tokenizer.from_file(str(file)), out.parent / "features"), directory)


def _described(folder: Path) -> list[tuple[Sequence[str], str]]:
    """Chinese captions of the training photos, each with the English captions of its photo; none without the files."""
    files = [folder / name for name in ("captions.txt", "captions.zh.txt", "train.txt")]
    if not all(file.exists() for file in files):
        return []
    english, chinese = (read_captions(file) for file in files[:2])
    return [
        (english[photo], caption)
        for photo in read_split(files[2])
        if photo in english
        for caption in chinese.get(photo, ())
    ]


def _means(groups: Sequence[Sequence[str]], cache: Path) -> Tensor:
    """Mean [n, 384] of MiniLM's vectors of the texts of each group, float16."""
    texts = list(dict.fromkeys(text for group in groups for text in group))
    places = {text: place for place, text in enumerate(texts)}
    vectors = _teach(texts, cache).float() if texts else torch.empty(0, minilm.WIDTH)
    means = [vectors[[places[text] for text in group]].mean(0) for group in groups]
    return torch.stack(means).half() if means else vectors.half()


def _teach(texts: Sequence[str], cache: Path) -> Tensor:
    """MiniLM's unit vectors [n, 384] of texts, float16; read from ``cache`` where they were made before."""
    file = cache / f"minilm-{hashlib.blake2b(chr(0).join(texts).encode(), digest_size=12).hexdigest()}.npy"

    def read() -> npt.NDArray[np.float16]:
        progress = Progress("texts read by MiniLM", len(texts))
        sentences = token_ids(minilm.load_tokenizer(), texts, 64)
        with torch.inference_mode():
            vectors = in_chunks(minilm.load_pretrained().eval(), sentences, _TEACHER_CHUNK, progress)
            half: npt.NDArray[np.float16] = F.normalize(vectors, dim=-1).half().numpy()
        return half

    return torch.from_numpy(cached_array(file, read))
