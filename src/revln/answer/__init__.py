"""From evidence to answers. Pure functions over vectors and hits; knows no model and no store."""

from __future__ import annotations

from revln.answer.agreement import agreements
from revln.answer.classify import ClassificationSources, LabelSet, Neighbours, decide, fuse
from revln.answer.confidence import certainty, log_odds
from revln.answer.decoding import ANSWERING, Decoding, Sentence, alternatives, decode, follow
from revln.answer.evidence import rests_on, rests_on_repeated
from revln.answer.reranking import reranked
from revln.answer.unknown import dont_know

__all__ = [
    "ANSWERING",
    "ClassificationSources",
    "Decoding",
    "LabelSet",
    "Neighbours",
    "Sentence",
    "agreements",
    "alternatives",
    "certainty",
    "decide",
    "decode",
    "dont_know",
    "follow",
    "fuse",
    "log_odds",
    "reranked",
    "rests_on",
    "rests_on_repeated",
]
