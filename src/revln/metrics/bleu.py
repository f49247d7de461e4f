"""BLEU: the share of a caption's n-grams that its references have."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from revln.metrics.ngrams import LONGEST, NGram, References, Tokens, check_candidates, ngram_counts

__all__ = ["bleu"]

# As in coco-caption, so that no match among no n-grams is next to 0.
_TINY = 1e-15
_SMALL = 1e-9


def bleu(candidates: Sequence[Tokens], references: References) -> tuple[float, float, float, float]:
    """BLEU-1 to BLEU-4 of a corpus, from 0 to 1 (Papineni et al., ACL 2002, section 2.3).

    Matches and lengths are summed over all images before anything is divided. The brevity penalty compares with the
    reference that is nearest in length, the shorter one of two, as in coco-caption.

    Args:
        candidates: a caption for each image [n].
        references: one or more captions of each image [n].

    Raises:
        InputError: no candidates, more or fewer than images, or an image without references.
    """
    check_candidates(candidates, references)
    matched, possible = [0] * LONGEST, [0] * LONGEST
    length = reference_length = 0
    for candidate, sentences in zip(candidates, references, strict=True):
        most: Counter[NGram] = Counter()
        for sentence in sentences:
            most |= ngram_counts(sentence)
        for ngram, count in (ngram_counts(candidate) & most).items():
            matched[len(ngram) - 1] += count
        for order in range(LONGEST):
            possible[order] += max(0, len(candidate) - order)
        length += len(candidate)
        reference_length += min((abs(len(sentence) - len(candidate)), len(sentence)) for sentence in sentences)[1]
    ratio = (length + _TINY) / (reference_length + _SMALL)
    brevity = math.exp(min(0.0, 1 - 1 / ratio))
    precisions = [(right + _TINY) / (all_ + _SMALL) for right, all_ in zip(matched, possible, strict=True)]
    one, two, three, four = (brevity * math.prod(precisions[:order]) ** (1 / order) for order in range(1, LONGEST + 1))
    return one, two, three, four
