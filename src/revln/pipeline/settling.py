"""Which answer to a question is given: of those that were found word by word with what the memory recalls.

What is recalled can mislead as well as help. An answer is therefore taken for as likely as with and without it together
(as kNN-LM mixes what a memory and a model say: Khandelwal et al., ICLR 2020, arXiv 1911.00172), and for likelier when
what is recalled mentions it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from revln.answer import Decoding, Sentence
from revln.models import BundleGenerator
from revln.models.generator import Seen
from revln.pipeline.reading import read
from revln.retrieve import Recollection

__all__ = ["settle"]

_ALONE = 0.5  # part of what the generator finds without the memory, of a photo that is like no other
_MENTIONED = 0.6


def settle(
    generator: BundleGenerator,
    contexts: tuple[Seen, Seen],
    recalled: Sequence[Recollection],
    prompts: Sequence[Sequence[int]],
    found: Sequence[Sequence[Sentence]],
    decoding: Decoding,
) -> list[Sentence]:
    """The best answer to each of some questions.

    Args:
        generator: has found them.
        contexts: the photos as it looks at them with what is recalled, and without.
        recalled: what is recalled of each.
        prompts: tokens that each answer begins with.
        found: answers to each question, word by word.
        decoding: tells how the length counts.
    """
    alone = read(generator, contexts[1], prompts, [[sentence.ids for sentence in own] for own in found])
    chosen = []
    for own, other, recollection, shares in zip(found, alone, recalled, contexts[0].tensors["shares"], strict=True):
        part = _ALONE * recollection.novelty
        heard = [text.casefold() for text in recollection.texts]
        merits = []
        for with_it, without in zip(own, other, strict=True):
            chances = np.exp([sentence.score(decoding.length_penalty) for sentence in (with_it, without)])
            answer = generator.decode(with_it.ids).strip().casefold()
            mentioned = [bool(answer) and answer in text for text in heard]
            merits.append(
                np.log(np.dot([1 - part, part], chances)) + _MENTIONED * np.dot(shares[1 : 1 + len(heard)], mentioned)
            )
        chosen.append(own[int(np.argmax(merits))])
    return chosen
