"""Everything that revln raises on purpose.

    RevlnError                      the base: catch this one
    ├── InputError                  what the caller gave cannot be used (exit 1)
    │   ├── ImageError              an image file cannot be read; ``reason`` says why in a few words
    │   ├── CaptionFileError        a caption file is missing, malformed or in a wrong encoding
    │   ├── QueryError              an empty query, a bad ``k``, a filter that does not parse
    │   ├── RecordNotFoundError     a memory holds no record with an id
    │   └── ConfigError             a training configuration that does not bind
    ├── BundleError                 a model bundle is missing, incomplete or damaged
    ├── MemoryStoreError            a memory is missing, foreign, damaged or cannot be written
    │   └── MemoryLockedError       another writer holds the memory
    ├── TrainingError               a training run diverged, or its state cannot be written
    ├── GeneratorError              a larger model that captions were to be written by fails; ``reason`` says how
    └── MissingExtraError           an optional extra is not installed

Messages name the thing at fault and the way out, in the form "what is wrong: what to do".
"""

from __future__ import annotations

__all__ = [
    "BundleError",
    "CaptionFileError",
    "ConfigError",
    "GeneratorError",
    "ImageError",
    "InputError",
    "MemoryLockedError",
    "MemoryStoreError",
    "MissingExtraError",
    "QueryError",
    "RecordNotFoundError",
    "RevlnError",
    "TrainingError",
]


class RevlnError(Exception):
    """Base of all errors that revln raises on purpose."""


class InputError(RevlnError):
    """What the caller gave cannot be used."""


class ImageError(InputError):
    """An image cannot be read.

    Attributes:
        name: the path, or what else it is called.
        reason: a few words without it, fit for a list of skipped files.
    """

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.name = str(path)
        self.reason = reason


class CaptionFileError(InputError):
    """A caption file is missing, malformed or in a wrong encoding."""


class QueryError(InputError):
    """A search that cannot be run: empty, a bad ``k``, or a filter that does not parse."""


class RecordNotFoundError(InputError):
    """A memory holds no record with an id."""

    def __init__(self, record: str) -> None:
        super().__init__(f"no record has the id {record!r}: it may have been deleted, or its photo moved")


class ConfigError(InputError):
    """A training configuration with an unknown key or a value of a wrong type or range."""


class BundleError(RevlnError):
    """A model bundle is missing, incomplete or damaged."""


class MemoryStoreError(RevlnError):
    """A memory is missing, foreign, damaged or cannot be written."""


class MemoryLockedError(MemoryStoreError):
    """Another writer holds the memory."""


class TrainingError(RevlnError):
    """A training run diverged, or its state cannot be written; its last checkpoint is kept."""


class GeneratorError(RevlnError):
    """A larger model that was to write captions or answers cannot be reached, refuses, or replies with rubbish.

    Attributes:
        reason: what is wrong and the way out.
        lasting: whether it would fail on the next photo as well.
        name: the photo that it failed on; empty while that is not known.
    """

    def __init__(self, reason: str, *, lasting: bool = False, name: str = "") -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason, self.lasting, self.name = reason, lasting, name


class MissingExtraError(RevlnError):
    """An optional extra of the package is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed: pip install 'revln[{extra}]'")
        self.extra = extra
