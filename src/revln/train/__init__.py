"""Training of the parts. The only package that imports torch: ``pip install 'revln[train]'``.

Nothing of inference imports it; the two meet through a bundle directory on disk.
"""

from __future__ import annotations

from importlib.util import find_spec

from revln.errors import MissingExtraError

if find_spec("torch") is None:
    raise MissingExtraError("torch", "train")
