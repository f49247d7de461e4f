"""revln: retrieval-augmented vision and language over one's own photos.

Example:
    >>> import revln
    >>> memory = revln.Memory.open("photos.revln")
    >>> report = revln.index(["photos/"], memory=memory)
    >>> hits = memory.search("a dog in the snow", k=5)
    >>> answer = revln.classify("x.jpg", memory=memory)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from revln._version import __version__

if TYPE_CHECKING:
    from revln.errors import RevlnError
    from revln.pipeline import Memory, Model, ask, caption, classify, index, load_model
    from revln.types import Answer, Evidence, Hit, IndexReport, Record, SearchResult

__all__ = [
    "Answer",
    "Evidence",
    "Hit",
    "IndexReport",
    "Memory",
    "Model",
    "Record",
    "RevlnError",
    "SearchResult",
    "__version__",
    "ask",
    "caption",
    "classify",
    "index",
    "load_model",
]

_HOMES = {
    "revln.errors": ("RevlnError",),
    "revln.pipeline": ("Memory", "Model", "ask", "caption", "classify", "index", "load_model"),
}


def __getattr__(name: str) -> Any:
    # Looked up at first use (PEP 562): the command line starts without reading what a command does not need.
    if name not in __all__:
        raise AttributeError(f"module 'revln' has no attribute {name!r}")
    from importlib import import_module

    home = next((module for module, names in _HOMES.items() if name in names), "revln.types")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
