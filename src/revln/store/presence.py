"""Whether the file of a record is still there."""

from __future__ import annotations

from pathlib import Path

__all__ = ["is_gone"]

_ARCHIVES = {".tar"}


def is_gone(uri: str) -> bool:
    """Whether a file is known to be gone.

    One that cannot be looked at, in a folder without permission or on a drive that does not answer, is not; neither is
    a member of an archive that is there (``/a/shard.tar/1.jpg``).
    """
    try:
        Path(uri).stat()
    except FileNotFoundError:
        return True
    except NotADirectoryError:
        return not any(parent.suffix.lower() in _ARCHIVES and parent.is_file() for parent in Path(uri).parents)
    except (OSError, ValueError):
        return False
    return False
