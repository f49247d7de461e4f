"""Search over one version of a memory: filters, sorting, and vector, full text and hybrid ranking."""

from revln.retrieve.filters import compile_where
from revln.retrieve.fusion import mix, reciprocal_rank_fusion
from revln.retrieve.search import MODES, Mode, QueryVector, Searcher
from revln.retrieve.sort import SORT_KEYS

__all__ = [
    "MODES",
    "SORT_KEYS",
    "Mode",
    "QueryVector",
    "Searcher",
    "compile_where",
    "mix",
    "reciprocal_rank_fusion",
]
