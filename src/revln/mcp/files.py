"""Image files that a client names: only below the folders that the user has allowed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from revln.errors import InputError

__all__ = ["allowed_file"]


def allowed_file(path: str, roots: Sequence[Path]) -> Path:
    """The file of a path, as it was named, if it lies below one of some folders wherever links lead.

    Nothing is told of what lies elsewhere, not even whether it is there.

    Args:
        path: from the root of the file system, or from ``~``.
        roots: the folders.

    Raises:
        InputError: it does not, or there are no such folders.
    """
    if not roots:
        raise InputError(
            "this server reads no image files: name a photo of the memory by its id, or start the server with "
            "--allow-root DIR"
        )
    below = ", ".join(str(root) for root in roots)
    refused = InputError(f"{path}: not below a folder that may be read: choose a file below {below}")
    try:
        named = Path(path).expanduser()
        if not named.is_absolute():
            raise InputError(f"{path}: not a whole path: begin it with one of {below}")
        # Dots are taken out before links are followed, since it is this path that will be opened.
        named = Path(os.path.abspath(named))  # noqa: PTH100
        real = named.resolve()
        allowed = any(real.is_relative_to(root.resolve()) for root in roots)
    except (OSError, RuntimeError, ValueError) as error:  # a link to itself, no home folder, a NUL
        raise refused from error
    if not allowed:
        raise refused
    return named
