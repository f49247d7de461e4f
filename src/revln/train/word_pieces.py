"""The tokenizer of the language model: pieces of English and Chinese words that can be put together again exactly.

Byte pair encoding (Sennrich et al., ACL 2016, arXiv 1508.07909) learnt from text; characters that it has not seen are
spelt in bytes. A mark stands for each space and before a word that begins a text, so that spaces need no pieces of
their own, and a word is cut alike wherever it stands (SentencePiece: Kudo & Richardson, EMNLP 2018, arXiv 1808.06226).
Data sets of captions put spaces before punctuation; these are left out.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from revln.text.special import BYTES, SPECIAL, UNKNOWN

__all__ = ["learn_word_pieces", "special_tokens_left_out"]

_START = "▁"
_HAN = re.compile("[\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_SPACE_TOO_MANY = r"\s+(?=[,;:!?.](\s|$)|['’]s(\s|$))|^\s+|\s+$"
_SPACE_OR_FIRST_WORD = r"\s+|^(?=[[\p{L}\p{N}]&&[^\p{Han}]])"
_LONGEST_HAN = 2  # characters; longer ones are phrases, which a few ten thousand sentences hold too seldom
_CHARACTERS = 4000  # so many, the commonest, are pieces; the others are spelt in bytes


def learn_word_pieces(texts: Iterable[str], size: int) -> Tokenizer:
    """A tokenizer of at most ``size`` pieces, besides bytes and special tokens; decoding leaves the latter out.

    Args:
        texts: to learn from.
        size: how many pieces; the single characters are among them.
    """
    learning = _prepared(Tokenizer(models.BPE()))
    normal = [learning.normalizer.normalize_str(text) for text in texts]
    characters = _commonest_characters(normal, min(_CHARACTERS, size))
    trainer = trainers.BpeTrainer(
        vocab_size=2 * size,  # more than are kept, since some are left out
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        show_progress=False,
    )
    learning.train_from_iterator(normal, trainer)
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


def special_tokens_left_out() -> decoders.Decoder:
    """Makes special tokens nothing, for the beginning of a sequence of decoders.

    They are no added tokens in the sense of the library: it would take their names in a text for them.
    """
    return decoders.Replace(Regex("^(" + "|".join(map(re.escape, SPECIAL)) + ")$"), "")


def _commonest_characters(texts: Iterable[str], count: int) -> list[str]:
    """The alphabet; left to itself, the trainer chooses among equally common characters by chance."""
    counts = Counter(character for text in texts for character in text)
    return sorted(sorted(counts), key=lambda character: -counts[character])[:count]


def _prepared(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFC(),
            normalizers.Replace(Regex(_SPACE_TOO_MANY), ""),
            normalizers.Replace(Regex(_SPACE_OR_FIRST_WORD), _START),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_START, "merged_with_next"),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Split(Regex(r"\p{Han}+"), "isolated"),
        ]
    )
    tokenizer.decoder = decoders.Sequence(
        [
            special_tokens_left_out(),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Replace(_START, " "),
            decoders.Strip(" ", 1, 0),
        ]
    )
    return tokenizer
