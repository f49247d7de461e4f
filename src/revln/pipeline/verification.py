"""All checks of a memory: its directory, and the models that its vectors were made with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from revln.errors import MemoryStoreError
from revln.models import find_bundle
from revln.store.manifest import Manifest, VectorColumns
from revln.store.verification import Check, verify_store

__all__ = ["verify"]


def verify(
    path: Path, *, full: bool = False, repair: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[Check]:
    """Checks a memory, also one that is too damaged to be opened; see ``Memory.verify``.

    Raises:
        MemoryStoreError: there is no memory, or it cannot be mended.
    """
    checks = verify_store(path, full=full, repair=repair, progress=progress)
    try:
        manifest = Manifest.load(path)
    except MemoryStoreError:
        return checks
    checks.append(_model("model", manifest.active))
    if manifest.previous:
        checks.append(_model("previous model", manifest.previous))
    return checks


def _model(check: str, columns: VectorColumns) -> Check:
    bundle = find_bundle(columns.encoder_id)
    if bundle is None:
        way = "copy its directory into the bundles of your data folder, or `revln memory migrate --model` to another"
        return Check(check, False, f"{columns.encoder_id} is not at hand", way)
    if bundle.card.dim != columns.dim:
        detail = f"{columns.encoder_id} makes vectors {bundle.card.dim} wide, the memory's are {columns.dim}"
        return Check(check, False, detail, "restore memory.json from a copy")
    return Check(check, True, columns.encoder_id)
