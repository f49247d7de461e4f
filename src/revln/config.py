"""Settings that come from the environment, and where revln keeps what is the user's."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = [
    "ABSTAIN_BELOW",
    "MEMORY_VARIABLE",
    "NEIGHBOURS",
    "RECALLED",
    "bundle_store",
    "data_directory",
    "default_memory",
]

NEIGHBOURS = 100  # labelled records that a classification asks, see benchmarks/classify.py
RECALLED = 8  # records that a caption may rest on
ABSTAIN_BELOW = 0.2  # confidence in an answer
MEMORY_VARIABLE = "REVLN_MEMORY"
_DATA_VARIABLE = "REVLN_DATA"


def data_directory() -> Path:
    """The user's data folder of revln: ``REVLN_DATA``, or where the system keeps such folders."""
    given = os.environ.get(_DATA_VARIABLE)
    return Path(given) if given else platformdirs.user_data_path("revln", appauthor=False)


def default_memory() -> Path:
    """The memory used when none is named: ``REVLN_MEMORY``, or one in the data folder."""
    given = os.environ.get(MEMORY_VARIABLE)
    return Path(given) if given else data_directory() / "memory.revln"


def bundle_store() -> Path:
    """Where bundles live that memories were made with or that the user imported."""
    return data_directory() / "bundles"
