"""The tokenizer of the language model: pieces of English and Chinese words that can be put together again exactly.

Byte pair encoding (Sennrich et al., ACL 2016, arXiv 1508.07909) learnt from text; characters that it has not seen are
spelt in bytes. A mark stands before each word of a script with spaces, so that spaces need no pieces of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from revln.text.special import BYTES, SPECIAL, UNKNOWN

__all__ = ["learn_word_pieces"]

_START = "▁"
_HAN = re.compile("[\u3400-\u9fff]")
_BEFORE_WORDS = r"(?<![\p{L}\p{N}\p{M}'’\-])(?=[[\p{L}\p{N}]&&[^\p{Han}]])"
_LONGEST_HAN = 2  # characters; longer ones are phrases, which a few ten thousand sentences hold too seldom
_CHARACTERS = 4000  # so many, the commonest, are pieces; the others are spelt in bytes


def learn_word_pieces(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most ``size`` pieces, besides bytes and special tokens.

    Args:
        texts: to learn from.
        size: how many pieces; the single characters are among them.
    """
    learning = _prepared(Tokenizer(models.BPE()))
    # More than are kept, since some are left out.
    trainer = trainers.BpeTrainer(vocab_size=2 * size, limit_alphabet=_CHARACTERS, show_progress=False)
    learning.train_from_iterator(texts, trainer)
    model = json.loads(learning.to_str())["model"]
    products = {left + right for left, right in model["merges"]}
    pieces = [piece for piece, _ in sorted(model["vocab"].items(), key=lambda item: item[1]) if piece not in products]
    known, merges = set(pieces), []
    for left, right in model["merges"]:
        if len(pieces) >= size:
            break
        piece = left + right
        if left in known and right in known and not (_HAN.search(piece) and len(piece) > _LONGEST_HAN):
            merges.append((left, right))
            if piece not in known:
                known.add(piece)
                pieces.append(piece)
    vocabulary = {piece: number for number, piece in enumerate((*SPECIAL, *BYTES, *pieces))}
    return _prepared(Tokenizer(models.BPE(vocabulary, merges, unk_token=UNKNOWN, byte_fallback=True)))


def _prepared(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(_BEFORE_WORDS), _START)])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Split(Regex(r"\p{Han}+"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.ByteFallback(), decoders.Fuse(), decoders.Replace(_START, " "), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer
