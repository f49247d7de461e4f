"""The text encoders that can be chosen, behind one interface: token ids and mask in, sentence vectors out."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from revln.errors import ConfigError, InputError
from revln.models.bundle import TOKENIZER
from revln.text import pad
from revln.train import minilm
from revln.train.checkpoint import replacing
from revln.train.gru import GRUEncoder
from revln.train.precision import reduced_precision
from revln.train.progress import Progress
from revln.train.run_directory import check_run
from revln.train.transformer import TransformerEncoder

__all__ = [
    "WEIGHTS_FILE",
    "Sentences",
    "TextEncoder",
    "TextPart",
    "in_chunks",
    "load_text_part",
    "make_encoder",
    "save_tokenizer",
    "token_ids",
]

WEIGHTS_FILE = "encoder.safetensors"
_CHUNK = 128

Sentences = list[list[int]]  # token ids of each
EncoderKind = Literal["minilm", "transformer", "gru"]
TextEncoder = TransformerEncoder | GRUEncoder


@dataclass(frozen=True, slots=True)
class TextPart:
    """A text encoder with its tokenizer.

    Attributes:
        encoder: the encoder.
        tokenizer: cuts sentences for it.
    """

    encoder: TextEncoder
    tokenizer: Tokenizer


def make_encoder(kind: EncoderKind, vocabulary: int, layers: int, dropout: float) -> TextEncoder:
    """An encoder of MiniLM's width, with random weights."""
    if kind == "gru":
        return GRUEncoder(vocabulary, minilm.WIDTH, layers, dropout)
    positions = minilm.POSITIONS if kind == "minilm" else minilm.SHORT_POSITIONS
    return TransformerEncoder(vocabulary, minilm.WIDTH, layers, minilm.HEADS, minilm.HIDDEN, positions, dropout)


def load_text_part(kind: EncoderKind, layers: int, run: Path | None, dropout: float) -> TextPart:
    """MiniLM as it is packaged, or the encoder that ``revln train distil`` has made.

    Args:
        kind: which encoder.
        layers: of it.
        run: directory of the distillation; MiniLM needs none.
        dropout: in training.

    Raises:
        ConfigError: MiniLM with another number of layers.
        InputError: the directory is missing, unfinished, or of another kind.
    """
    if kind == "minilm":
        if layers != minilm.LAYERS:
            raise ConfigError(f"MiniLM has {minilm.LAYERS} layers, not {layers}: correct text_layers")
        return TextPart(minilm.load_pretrained(dropout), minilm.load_tokenizer())
    if run is None:
        raise InputError(f"the text encoder {kind} starts from a distillation: give its directory with --text")
    check_run(run, ("config.json", WEIGHTS_FILE, TOKENIZER), "distil")
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    if (config["encoder"], config["layers"]) != (kind, layers):
        raise InputError(
            f"{run}: holds a {config['encoder']} of {config['layers']} layers, not a {kind} of {layers}: give another "
            "directory, or change text and text_layers in the configuration"
        )
    tokenizer = Tokenizer.from_file(str(run / TOKENIZER))
    encoder = make_encoder(kind, tokenizer.get_vocab_size(), layers, dropout)
    encoder.load_state_dict(load_file(run / WEIGHTS_FILE))
    return TextPart(encoder, tokenizer)


def save_tokenizer(tokenizer: Tokenizer, run: Path) -> None:
    """Puts a tokenizer into the directory of a run, from where it is exported.

    Raises:
        TrainingError: it cannot be written.
    """
    tokenizer.no_truncation()
    with replacing(run / TOKENIZER) as draft:
        tokenizer.save(str(draft))


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], most: int) -> Sentences:
    """Token ids of each text, cut after ``most``."""
    tokenizer.enable_truncation(most)
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def in_chunks(
    encode: Callable[[Tensor, Tensor], Tensor],
    sentences: Sequence[Sequence[int]],
    chunk: int = _CHUNK,
    progress: Progress | None = None,
) -> Tensor:
    """What ``encode`` gives [n, width] for ids and mask, in chunks of like length: a mixed batch is half padding."""
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
    parts = []
    for start in range(0, len(order), chunk):
        ids, mask = pad([sentences[index] for index in order[start : start + chunk]])
        # bfloat16 halves the time and more on processors that have it; weights and losses stay float32.
        with reduced_precision():
            parts.append(encode(torch.from_numpy(ids), torch.from_numpy(mask)).float())
        if progress is not None:
            progress.advance(len(ids))
    return torch.cat(parts)[torch.from_numpy(np.argsort(order))]
