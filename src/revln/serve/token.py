"""The secret that callers show, kept in a file that only its owner reads."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from revln.errors import InputError

__all__ = ["token_from"]

_LEAST = 16  # characters; fewer can be guessed


def token_from(path: Path) -> str:
    """The token in a file, which is made with a new one when it is missing.

    Raises:
        InputError: others may read the file, it holds no token, or it cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return _read(path)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            token = secrets.token_urlsafe(32)
            file.write(token + "\n")
        return token
    except OSError as error:
        raise InputError(f"{path}: {(error.strerror or str(error)).lower()}: choose another --token-file") from error


def _read(path: Path) -> str:
    if os.name != "nt" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise InputError(f"{path}: others may read the token in it: chmod 600 it, or delete it for a new one")
    token = path.read_text(encoding="utf-8", errors="replace").strip()
    if len(token) < _LEAST or not token.isascii() or len(token.split()) != 1:
        raise InputError(f"{path}: holds no token, of {_LEAST} characters or more on one line: delete it for a new one")
    return token
