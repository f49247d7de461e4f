"""Settings that come from the environment, and where revln keeps what is the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from revln.errors import InputError

__all__ = [
    "ABSTAIN_BELOW",
    "COMPARED",
    "MEMORY_VARIABLE",
    "NEIGHBOURS",
    "RECALLED",
    "Endpoint",
    "bundle_store",
    "data_directory",
    "default_memory",
    "openai_endpoint",
]

NEIGHBOURS = 100  # labelled records that a classification asks, see benchmarks/classify.py
RECALLED = 8  # records that a caption may rest on
COMPARED = 50  # photos that are looked at when duplicates of one are wanted
ABSTAIN_BELOW = 0.2  # confidence in an answer
MEMORY_VARIABLE = "REVLN_MEMORY"
_DATA_VARIABLE = "REVLN_DATA"
_TIMEOUT_VARIABLE = "REVLN_OPENAI_TIMEOUT"
_OPENAI = "https://api.openai.com/v1"


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a larger model is asked.

    Attributes:
        url: base of the paths of the protocol.
        key: that it asks for; None for none.
        timeout: seconds to wait for an answer.
    """

    url: str
    key: str | None = field(repr=False)
    timeout: float


def openai_endpoint() -> Endpoint:
    """The endpoint of ``REVLN_OPENAI_BASE_URL`` with ``REVLN_OPENAI_API_KEY``, else that of the client's own variables.

    The key of the client's own variables is for the endpoint of these, and is not shown to another.

    Raises:
        InputError: ``REVLN_OPENAI_TIMEOUT`` is no number of seconds.
    """
    url, key = (os.environ.get(f"REVLN_OPENAI_{name}") for name in ("BASE_URL", "API_KEY"))
    if not url:
        url, key = os.environ.get("OPENAI_BASE_URL") or _OPENAI, key or os.environ.get("OPENAI_API_KEY")
    given = os.environ.get(_TIMEOUT_VARIABLE) or "60"
    try:
        timeout = float(given)
    except ValueError:
        timeout = 0.0
    if not 0 < timeout < float("inf"):
        raise InputError(f"{_TIMEOUT_VARIABLE} is {given!r}: give a number of seconds")
    return Endpoint(url.strip(), (key or "").strip() or None, timeout)
