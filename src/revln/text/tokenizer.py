"""Sentences to padded arrays of token ids."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

__all__ = ["SentenceTokenizer", "pad"]

Ids = npt.NDArray[np.int64]


class SentenceTokenizer:
    """A ``tokenizer.json`` with a limit on length.

    Args:
        path: the file.
        max_tokens: longer sentences are cut, special tokens included.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        self._tokenizer = Tokenizer.from_file(str(path))
        self._tokenizer.enable_truncation(max_tokens)
        self._tokenizer.no_padding()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each sentence."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]


def pad(sentences: Sequence[Sequence[int]]) -> tuple[Ids, Ids]:
    """Token ids [n, t] and mask [n, t], t the longest of the sentences; the mask is 0 at padding."""
    lengths = np.array([len(sentence) for sentence in sentences])
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    ids = np.zeros_like(mask)
    ids[mask == 1] = np.concatenate([np.asarray(sentence, dtype=np.int64) for sentence in sentences])
    return ids, mask
