"""Search over one version of a memory: filters, sorting, ranking in three modes, knowledge that leads to photos."""

from revln.retrieve.filters import compile_where
from revln.retrieve.fusion import mix
from revln.retrieve.recollection import LIKENESS_WEIGHTS, Recollection, Voice, recall
from revln.retrieve.search import MODES, PHOTO_KINDS, Mode, QueryVector, Searcher
from revln.retrieve.sort import SORT_KEYS

__all__ = [
    "LIKENESS_WEIGHTS",
    "MODES",
    "PHOTO_KINDS",
    "SORT_KEYS",
    "Mode",
    "QueryVector",
    "Recollection",
    "Searcher",
    "Voice",
    "compile_where",
    "mix",
    "recall",
]
