"""All measures of a set of captions at once."""

from __future__ import annotations

from collections.abc import Sequence

from revln.metrics.bleu import bleu
from revln.metrics.cider import Cider
from revln.metrics.ngrams import References, Tokens, check_candidates
from revln.metrics.rouge import rouge_l

__all__ = ["caption_scores"]


def caption_scores(candidates: Sequence[Tokens], references: References) -> dict[str, float]:
    """``BLEU-1`` to ``BLEU-4``, ``ROUGE-L`` and ``CIDEr``, times 100, as publications have them.

    The values are those of coco-caption (Chen et al., "Microsoft COCO Captions", 2015) on the same tokens; its CIDEr is
    CIDEr-D, with document frequencies from the references. CIDEr can exceed 100, as it reaches to 10 before.

    Args:
        candidates: a caption for each image [n].
        references: one or more captions of each image [n].

    Raises:
        InputError: no candidates, more or fewer than images, or an image without references.
    """
    check_candidates(candidates, references)
    scores = {f"BLEU-{order}": score for order, score in enumerate(bleu(candidates, references), 1)}
    scores["ROUGE-L"] = float(rouge_l(candidates, references).mean())
    scores["CIDEr"] = float(Cider(references).scores(candidates).mean())
    return {name: 100 * score for name, score in scores.items()}
