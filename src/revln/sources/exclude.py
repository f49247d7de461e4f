"""What a walk through folders leaves out without a word."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

__all__ = ["Exclusion"]

# Trash, previews and index files that systems keep among the photos. A memory beside its photos is none of them.
_HIDDEN = frozenset({"@eadir", "#recycle", "$recycle.bin", "__macosx", "lost+found", "system volume information",
                     "thumbs.db", "desktop.ini"})  # fmt: skip


class Exclusion:
    """Which files and folders to leave out.

    Always those that are not meant to be seen: ``.git``, ``.thumbnails``, ``@eaDir``, ``Thumbs.db``, ``*.revln``. And
    those that a pattern matches, a folder with all that is in it.

    A pattern without ``/`` is compared with the name of each file and folder, wherever it lies; one with ``/`` with
    the path below the indexed folder. ``*`` stands for any characters, ``/`` among them; ``?`` and ``[a-z]`` for one:
    ``*.png``, ``private``, ``private/**``, ``**/cache``.

    Args:
        patterns: shell patterns; upper and lower case differ.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        names, paths = [], []
        for given in patterns:
            pattern = given.removeprefix("./").strip("/")
            anywhere = pattern.removeprefix("**/")
            if "/" in anywhere:
                paths += [pattern, anywhere]
            else:
                names.append(anywhere)
        self._names = _compile(names)
        self._paths = _compile(paths)

    def matches(self, relative: str) -> bool:
        """Whether the file or folder at this path below the indexed folder is left out."""
        name = relative.rpartition("/")[2]
        return _is_hidden(name) or bool(self._names.fullmatch(name) or self._paths.fullmatch(relative))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.endswith(".revln") or name.casefold() in _HIDDEN


def _compile(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(map(fnmatch.translate, patterns)) or r"(?!)")
