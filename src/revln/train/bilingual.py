"""The tokenizer of the bilingual text encoders, and what its pieces mean to begin with.

English is cut into the pieces of MiniLM, so that each piece starts with the vector that MiniLM has for it. Chinese is
cut into words and characters by a unigram language model (Kudo, ACL 2018, arXiv 1804.10959) learnt from the texts of
the training data; a Chinese piece starts with the mean of the English pieces that it occurs beside in translations.
Whatever is not in the vocabulary is spelt in bytes.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

__all__ = ["build_tokenizer", "starting_vectors"]

_SPECIAL = ("<pad>", "<unk>", "<s>")
_BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
_START = "▁"  # before a word of letters and digits; what follows within the word has none
_LONGEST = 3  # characters of a Chinese piece
_PIECE = -10.0  # log probability of every English piece: the fewest pieces win, as with MiniLM's own tokenizer
_RARE = -18.0  # of a Chinese character that the language model has left out
_HAN = r"\p{Han}+"
_FIRST_HAN = "\u3400"
_PARTNERS = 3  # the best ones, as far as they are at least half as good as the best of all


def build_tokenizer(english: Iterable[str], chinese: Sequence[str], size: int) -> Tokenizer:
    """A tokenizer for both languages.

    Args:
        english: pieces of a WordPiece vocabulary, ``##`` before those that continue a word.
        chinese: sentences to learn the Chinese pieces from.
        size: about how many Chinese pieces to learn; every character that occurs twice is kept besides.
    """
    scores = {**dict.fromkeys((*_SPECIAL, *_BYTES), 0.0), _START: 3 * _PIECE}  # alone where nothing else begins a word
    for piece in sorted(english):  # for the same ids from run to run
        if marked := _marked(piece):
            # Of as many pieces the longer first ones: so nearly always cuts the greedy original.
            word = piece.removeprefix("##")
            scores[marked] = _PIECE + (3e-3 if word == piece else 1e-3) * len(word) ** 2
    scores |= _chinese_pieces(chinese, size)
    tokenizer = Tokenizer(models.Unigram(list(scores.items()), unk_id=_SPECIAL.index("<unk>"), byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Replace("。", "."),
            normalizers.Replace("、", ","),
            normalizers.Replace(Regex(r"(?<![a-z0-9])(?=[a-z0-9])"), _START),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Punctuation("isolated"),
            pre_tokenizers.Split(Regex(_HAN), "isolated"),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", _SPECIAL.index("<s>"))]
    )
    return tokenizer


def starting_vectors(
    tokenizer: Tokenizer,
    english: dict[str, npt.NDArray[np.float32]],
    pairs: Sequence[tuple[str, str]],
) -> npt.NDArray[np.float32]:
    """Vectors [vocabulary, width] to start from.

    Args:
        tokenizer: of ``build_tokenizer``.
        english: vector [width] of each piece of MiniLM; ``[CLS]`` gives that of the first token.
        pairs: sentences in English and Chinese that say the same.
    """
    width = len(next(iter(english.values())))
    vectors = np.zeros((tokenizer.get_vocab_size(), width), np.float32)
    vectors[_SPECIAL.index("<s>")] = english.get("[CLS]", 0.0)
    for piece, vector in english.items():
        place = tokenizer.token_to_id(_marked(piece))
        if place is not None:
            vectors[place] = vector
    for place, partners in _partners(tokenizer, pairs).items():
        if not vectors[place].any():  # English pieces within Chinese sentences have theirs
            vectors[place] = np.mean([vectors[partner] for partner in partners], axis=0)
    return vectors


def _marked(piece: str) -> str:
    """The name here of a piece of MiniLM; empty for those that no English text is cut into."""
    word = piece.removeprefix("##")
    if not piece.isascii() or not (word.isalnum() or len(piece) == 1):
        return ""
    return _START + word if word == piece and word.isalnum() else word


def _chinese_pieces(sentences: Sequence[str], size: int) -> dict[str, float]:
    learnt = Tokenizer(models.Unigram())
    learnt.pre_tokenizer = pre_tokenizers.Split(Regex(_HAN), "removed", invert=True)
    trainer = trainers.UnigramTrainer(vocab_size=size, max_piece_length=_LONGEST, show_progress=False)
    learnt.train_from_iterator(sentences, trainer)
    counts = Counter(character for sentence in sentences for character in sentence if character >= _FIRST_HAN)
    scores = dict.fromkeys((character for character, count in counts.items() if count > 1), _RARE)
    learnt_scores: list[tuple[str, float]] = json.loads(learnt.to_str())["model"]["vocab"]
    scores |= {piece: score for piece, score in learnt_scores if set(piece) <= scores.keys()}
    return dict(sorted(scores.items()))  # the trainer's own order differs from run to run


def _partners(tokenizer: Tokenizer, pairs: Sequence[tuple[str, str]]) -> dict[int, list[int]]:
    """The English pieces that each Chinese one occurs beside most, for how often either occurs (Dice, 1945)."""

    def pieces(texts: Sequence[str]) -> list[set[int]]:
        return [set(coded.ids) for coded in tokenizer.encode_batch(list(texts), add_special_tokens=False)]

    together: Counter[tuple[int, int]] = Counter()
    alone: Counter[int] = Counter()
    for left, right in zip(pieces([pair[0] for pair in pairs]), pieces([pair[1] for pair in pairs]), strict=True):
        only_chinese = right - left  # without punctuation
        alone.update(left | right)
        together.update(product(only_chinese, left))
    likeness: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for (chinese, english), count in together.items():
        likeness[chinese].append((count / (alone[chinese] + alone[english]), english))
    return {
        chinese: [english for dice, english in sorted(found, reverse=True)[:_PARTNERS] if dice >= max(found)[0] / 2]
        for chinese, found in likeness.items()
    }
