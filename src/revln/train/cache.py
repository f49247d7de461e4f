"""Arrays that take minutes to compute, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from revln.train.checkpoint import replacing

__all__ = ["cached_array"]


def cached_array(file: Path, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """What is in a file, which is made of what ``compute`` gives when it is not there.

    Raises:
        TrainingError: it cannot be written.
    """
    if not file.exists():
        values = compute()
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as draft, draft.open("wb") as stream:
            np.save(stream, values)
        return values
    loaded: npt.NDArray[Any] = np.load(file)
    return loaded
