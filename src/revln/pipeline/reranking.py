"""Looking at a search's best photos again: does the generator find that the text describes them, or would any do?"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from revln.answer import reranked
from revln.errors import QueryError
from revln.metrics import logit
from revln.models import Model, map_ordered
from revln.pipeline.generators import generator_of, grid_of
from revln.pipeline.reading import read
from revln.pipeline.thumbs import look_at_thumb
from revln.retrieve import Mode
from revln.text import without_stop, written_in
from revln.types import Embedding, Hit, ImageEncoding

__all__ = ["RERANKED", "log_likelihoods", "rerank_hits"]

RERANKED = 20  # hits that are looked at again


def rerank_hits(
    model: Model, text: str, hits: Sequence[Hit], thumbs: Mapping[str, bytes], mode: Mode
) -> tuple[Hit, ...]:
    """The hits in their new order; ``fused_score`` is what they are sorted by.

    Args:
        model: has a generator.
        text: that was searched for.
        hits: the best of them are looked at again, those behind stay behind.
        thumbs: small images by record id; a hit without one is taken as neither likely nor unlikely.
        mode: in which they were found; words count only if it joins them with the meaning.

    Raises:
        BundleError: the model has no generator.
        QueryError: the text is in none of its languages.
    """
    first, rest = hits[:RERANKED], hits[RERANKED:]
    found = [thumbs.get(hit.record.id) for hit in first]
    seen = list(map_ordered(lambda thumb: None if thumb is None else look_at_thumb(thumb, model), found))
    told, hubness = np.full((2, len(first)), np.nan, np.float32)
    known = {place: one for place, one in enumerate(seen) if one is not None}
    if known:
        places, looks = list(known), list(known.values())
        told[places] = log_likelihoods(model, [text] * len(looks), looks)
        hubness[places] = model.hubness(np.concatenate([one.embeddings for one in looks]))
    fused, chances = np.array([(hit.fused_score, hit.probability) for hit in first]).reshape(-1, 2).T
    scores = reranked(fused if mode == "hybrid" else logit(chances), told, hubness)
    order = np.argsort(-scores, kind="stable").tolist()
    again = [dataclasses.replace(first[place], fused_score=float(scores[place])) for place in order]
    return tuple(dataclasses.replace(hit, rank=rank) for rank, hit in enumerate((*again, *rest), start=1))


def log_likelihoods(model: Model, texts: Sequence[str], seen: Sequence[ImageEncoding]) -> Embedding:
    """How likely the generator finds each text as a description of an image [n], in nats; nothing is recalled.

    Args:
        model: has a generator.
        texts: in one language.
        seen: an image for each text, or one for all.

    Raises:
        BundleError: the model has no generator.
        QueryError: the texts are in none of its languages.
    """
    generator = generator_of(model)
    language = next((own for own in generator.languages if written_in(texts[0], own)), None)
    if language is None:
        spoken = " or ".join(generator.languages)
        raise QueryError(f"the model {model.id} does not read this text: search in {spoken}, or without rerank")
    context = generator.look(
        np.concatenate([grid_of(one, model) for one in seen]),
        np.concatenate([model.shared(one.embeddings) for one in seen]),
        [[] for _ in seen],
        np.zeros((len(seen), 0, len(generator.likeness_weights)), np.float32),
    )
    coded = generator.encode([without_stop(text) for text in texts], generator.max_tokens - 2)
    each = len(texts) // len(seen)
    about = [coded[begin : begin + each] for begin in range(0, len(coded), each)]
    found = read(generator, context, [[generator.beginning(language)]] * len(seen), about)
    return np.array([sum(sentence.log_probabilities) for own in found for sentence in own], np.float32)
