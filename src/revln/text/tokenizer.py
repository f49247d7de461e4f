"""Sentences to padded arrays of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from revln.errors import BundleError

__all__ = ["SentenceTokenizer", "encodable", "open_tokenizer", "pad"]

Ids = npt.NDArray[np.int64]

# What the padding token is called where a ``tokenizer.json`` has no entry for padding.
_PAD_TOKENS = ("[PAD]", "<pad>", "<|pad|>")


def open_tokenizer(path: Path, way_out: str = "give the file of the Hugging Face tokenizers library") -> Tokenizer:
    """The tokenizer in a ``tokenizer.json``.

    Args:
        path: the file.
        way_out: what to do when it is none.

    Raises:
        BundleError: the file is none of the Hugging Face tokenizers library.
    """
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise BundleError(f"{path}: no tokenizer.json ({error}): {way_out}") from error


def encodable(texts: Sequence[str]) -> list[str]:
    """Texts as the library takes them: a byte of a command line that is no UTF-8 is a lone surrogate in Python."""
    return [text.encode("utf-8", "replace").decode("utf-8") for text in texts]


class SentenceTokenizer:
    """A ``tokenizer.json`` with a limit on length.

    Attributes:
        pad_id: what the file pads with; 0 when it does not say.

    Args:
        path: the file.
        max_tokens: longer sentences are cut, special tokens included.

    Raises:
        BundleError: the file is none of the Hugging Face tokenizers library.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        self._tokenizer = open_tokenizer(path)
        self.pad_id = self._pad_id()
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each sentence."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(encodable(texts))]

    def _pad_id(self) -> int:
        padding: dict[str, Any] | None = self._tokenizer.padding
        if padding is not None:
            return int(padding["pad_id"])
        named = (self._tokenizer.token_to_id(token) for token in _PAD_TOKENS)
        return next((token_id for token_id in named if token_id is not None), 0)


def pad(sentences: Sequence[Sequence[int]], *, pad_id: int = 0, length: int | None = None) -> tuple[Ids, Ids]:
    """Token ids [n, t] and mask [n, t]; the mask is 0 at padding.

    Args:
        sentences: token ids, at least one sentence; a sentence may be empty.
        pad_id: what stands at padding.
        length: t; if not given, the length of the longest sentence, at least 1.
    """
    lengths = np.array([len(sentence) for sentence in sentences])
    width = max(int(lengths.max()), 1) if length is None else length
    mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
    ids = np.full_like(mask, pad_id)
    ids[mask == 1] = np.concatenate([np.asarray(sentence, dtype=np.int64) for sentence in sentences])
    return ids, mask
