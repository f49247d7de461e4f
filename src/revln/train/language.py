"""Pretraining of the language model by predicting the next token: ``revln train lm``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from revln.errors import InputError
from revln.models.bundle import TOKENIZER
from revln.text import pad, without_stop
from revln.text.special import END, PAD, beginning
from revln.train.config import LanguageConfig
from revln.train.decoder import Decoder, DecoderSize
from revln.train.dictionary import read_dictionary
from revln.train.learner import ParameterGroup
from revln.train.llama import load_smollm2
from revln.train.loop import Draw, Result, Stage, run
from revln.train.pairs import AlignData
from revln.train.precision import reduced_precision
from revln.train.run_directory import Metrics, RunDirectory, check_run
from revln.train.text_encoders import Sentences, save_tokenizer
from revln.train.word_pieces import learn_word_pieces

__all__ = [
    "SIZE_FILE",
    "WEIGHTS_FILE",
    "LanguageData",
    "LanguageModel",
    "LanguagePart",
    "coded",
    "lm",
    "load_language_part",
    "special_token",
]

WEIGHTS_FILE = "decoder.safetensors"
SIZE_FILE = "decoder.json"
_SMOKE_TEXTS = 200
_DICTIONARY = "text"


@dataclass(frozen=True, slots=True)
class LanguageData:
    """Texts to learn from, by what they begin with: a language for captions, ``text`` for others.

    Attributes:
        train: to learn from.
        dev: to measure on.
    """

    train: Mapping[str, Sequence[str]]
    dev: Mapping[str, Sequence[str]]

    @classmethod
    def in_folder(cls, folder: Path, dictionary: Path | None = None, files: Sequence[Path] = ()) -> LanguageData:
        """The captions of a folder laid out like Flickr8k, those of training photos with their translations.

        Captions are without the full stop, as the generator is to say them.

        Args:
            folder: of the data set.
            dictionary: directory of WordNet's database files.
            files: further text files, a text a line.

        Raises:
            InputError: a file is missing or malformed.
        """
        source = AlignData.in_folder(folder)
        languages = list(source.captions)
        train, dev = source.read(source.train, languages), source.read(source.dev, languages)
        translated = source.read_translations(languages)
        said = {
            language: [
                without_stop(text)
                for name, texts in train.items()
                for text in (*texts[language], *translated[name][language])
            ]
            for language in languages
        }
        held_out = {
            language: [without_stop(text) for texts in dev.values() for text in texts[language]]
            for language in languages
        }
        said[_DICTIONARY] = (read_dictionary(dictionary) if dictionary else []) + [
            line for file in files for line in _lines(file)
        ]
        known, measured = ({kind: texts for kind, texts in own.items() if texts} for own in (said, held_out))
        return cls(known, measured)

    def cut(self, limit: int) -> LanguageData:
        """The first few of each kind."""
        train, dev = ({kind: texts[:limit] for kind, texts in part.items()} for part in (self.train, self.dev))
        return LanguageData(train, dev)


@dataclass(frozen=True, slots=True)
class LanguagePart:
    """A language model with its tokenizer."""

    decoder: Decoder
    tokenizer: Tokenizer


class LanguageModel(Stage[Decoder]):
    """The stage: a decoder and texts.

    Args:
        config: see ``LanguageConfig``.
        data: texts.
        part: what to begin with.
    """

    config: LanguageConfig
    weights_file: ClassVar[str] = WEIGHTS_FILE

    def __init__(self, config: LanguageConfig, data: LanguageData, part: LanguagePart) -> None:
        self.config, self.module = config, part.decoder
        self.headline = tuple(_bits(language) for language in data.dev)
        most = config.max_tokens
        self.train = {kind: coded(part.tokenizer, texts, kind, most) for kind, texts in data.train.items()}
        self.dev = {kind: coded(part.tokenizer, texts, kind) for kind, texts in data.dev.items()}
        self.characters = {kind: sum(map(len, texts)) for kind, texts in data.dev.items()}
        self.steps = max(1, sum(self._share(kind) for kind in self.train) // config.batch_size)

    def groups(self) -> list[ParameterGroup]:
        return [ParameterGroup(list(self.module.parameters()), self.config.rate)]

    def losses(self, draw: Draw) -> Iterator[Tensor]:
        chosen = [
            sentences[place]
            for kind, sentences in self.train.items()
            for place in draw.numpy.permutation(len(sentences))[: self._share(kind)].tolist()
        ]
        size = self.config.batch_size
        # What fills no batch is left out by chance, whatever its length. Like lengths come together, so that no batch
        # is mostly padding; the batches themselves come in any order.
        kept = draw.numpy.permutation(len(chosen))[: self.steps * size].tolist()
        chosen = sorted((chosen[place] for place in kept), key=len)
        for step in draw.numpy.permutation(self.steps).tolist():
            logits, targets = self._read(self.module, chosen[step * size : (step + 1) * size])
            yield F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0)

    def evaluate(self, module: Decoder) -> Metrics:
        """Bits a character of held-out captions, the end of each counted in; ``score`` is their mean, negative."""
        metrics = {
            _bits(kind): round(self._bits_in_all(module, own) / self.characters[kind], 4)
            for kind, own in self.dev.items()
        }
        return {"score": round(-sum(metrics.values()) / len(metrics), 4), **metrics}

    def _bits_in_all(self, module: Decoder, sentences: Sentences) -> float:
        total = 0.0
        ordered = sorted(sentences, key=len)
        for start in range(0, len(ordered), 2 * self.config.batch_size):
            logits, targets = self._read(module, ordered[start : start + 2 * self.config.batch_size])
            nats = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=0, reduction="sum")
            total += nats.item() / math.log(2)
        return total

    def _read(self, module: Decoder, sentences: Sentences) -> tuple[Tensor, Tensor]:
        """Logits [n, t, vocabulary] and the tokens that should follow [n, t], 0 at padding."""
        ids = torch.from_numpy(pad(sentences)[0])
        with reduced_precision():
            hidden = module(ids[:, :-1], module.no_past(len(ids))).hidden
            return module.scores(hidden).float(), ids[:, 1:]

    def _share(self, kind: str) -> int:
        count = len(self.train[kind])
        return min(count, self.config.dictionary) if kind == _DICTIONARY else count


def coded(tokenizer: Tokenizer, texts: Sequence[str], kind: str, most: int | None = None) -> Sentences:
    """Token ids of texts between their beginning and their end, at most ``most`` in all."""
    first, last = (special_token(tokenizer, name) for name in (beginning(kind), END))
    tokenizer.no_truncation()
    return [
        [first, *coding.ids[: None if most is None else most - 2], last]
        for coding in tokenizer.encode_batch(list(texts), add_special_tokens=False)
    ]


def special_token(tokenizer: Tokenizer, name: str) -> int:
    """The number of a special token.

    Raises:
        InputError: there is none of that name.
    """
    number = tokenizer.token_to_id(name)
    if number is None:
        raise InputError(f"the tokenizer has no token {name}: train the language model again")
    return number


def lm(config: LanguageConfig, data: LanguageData, out: Path, *, resume: bool = False, smoke: bool = False) -> Result:
    """Trains a language model, and writes ``decoder.safetensors`` and ``tokenizer.json`` for ``revln train joint``.

    Args:
        config: see ``LanguageConfig``.
        data: texts.
        out: directory of the run, see ``RunDirectory``.
        resume: go on from the checkpoint in ``out``.
        smoke: a run of seconds over a handful of texts.

    Raises:
        InputError: ``out`` does not fit.
        TrainingError: see ``revln.train.loop.run``.
    """
    if smoke:
        config, data = config.smoke(), data.cut(_SMOKE_TEXTS)
    directory = RunDirectory(out, config, resume=resume)
    stage = LanguageModel(config, data, _begin(config, data, out, resume=resume))
    if not directory.history:
        stage.module.size.write(out / SIZE_FILE)
    return run(stage, directory)


def load_language_part(
    run_directory: Path, dropout: float, *, looks: bool, scratch: bool = False, seed: int = 0
) -> LanguagePart:
    """What ``revln train lm`` has made.

    Args:
        run_directory: of the run.
        dropout: of the decoder.
        looks: whether it looks at a context; its weights for that are new.
        scratch: whether all but the tokenizer is new.
        seed: of what is new.

    Raises:
        InputError: the directory holds no finished epoch of such a run.
    """
    check_run(run_directory, (SIZE_FILE, WEIGHTS_FILE, TOKENIZER), "lm")
    size = DecoderSize.read(run_directory / SIZE_FILE)
    torch.manual_seed(seed)
    decoder = Decoder(size, dropout, looks=looks)
    if not scratch:
        decoder.load_state_dict(load_file(run_directory / WEIGHTS_FILE), strict=not looks)
    return LanguagePart(decoder, Tokenizer.from_file(str(run_directory / TOKENIZER)))


def _size_of(config: LanguageConfig, tokenizer: Tokenizer) -> DecoderSize:
    vocabulary = tokenizer.get_vocab_size()
    return DecoderSize(vocabulary, config.width, config.layers, config.heads, config.key_heads, config.hidden)


def _begin(config: LanguageConfig, data: LanguageData, out: Path, *, resume: bool) -> LanguagePart:
    torch.manual_seed(config.seed)
    if config.start == "smollm2":
        decoder, tokenizer = load_smollm2(config.dropout)
        save_tokenizer(tokenizer, out)
        return LanguagePart(decoder, tokenizer)
    file = out / TOKENIZER
    if not (resume and file.exists()):
        # Captions count three times: the dictionary is larger, and the model is to speak like them.
        texts = [
            text for kind, own in data.train.items() for text in own for _ in range(1 if kind == _DICTIONARY else 3)
        ]
        save_tokenizer(learn_word_pieces(texts, config.pieces), out)
    tokenizer = Tokenizer.from_file(str(file))
    if tokenizer.token_to_id(PAD) != 0:
        raise InputError(f"{file}: padding is not its first token: train again into another directory")
    return LanguagePart(Decoder(_size_of(config, tokenizer), config.dropout), tokenizer)


def _bits(language: str) -> str:
    return f"{language}_bits_per_character"


def _lines(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read as text in UTF-8 ({error}): give another file") from error
