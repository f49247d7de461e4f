"""Where bundles are: those that ship with the package, and the user's own store."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from revln.config import bundle_store
from revln.errors import BundleError
from revln.models.bundle import Bundle

__all__ = ["find_bundle", "keep_bundle", "list_bundles", "open_bundle", "shipped_bundles"]

_SHIPPED = Path(__file__).parents[1] / "bundles"


def shipped_bundles() -> Path:
    """Directory of the bundles that come with the package."""
    return _SHIPPED


def _directories() -> Iterator[Path]:
    for root in (_SHIPPED, bundle_store()):
        if root.is_dir():
            yield from sorted(path for path in root.iterdir() if (path / "card.json").is_file())


def list_bundles() -> list[Bundle]:
    """All bundles at hand, shipped ones first; unusable ones are left out."""
    bundles = []
    for directory in _directories():
        with contextlib.suppress(BundleError):
            bundles.append(Bundle(directory))
    return bundles


def open_bundle(name_or_directory: str | Path) -> Bundle:
    """A bundle by the name it ships under, by its id, or by its directory.

    Raises:
        BundleError: there is no such bundle, or it is damaged.
    """
    path = Path(name_or_directory)
    if path.is_dir():
        return Bundle(path)
    name = str(name_or_directory)
    for root in (_SHIPPED, bundle_store()):
        if name == path.name and (root / name).is_dir():
            return Bundle(root / name)
    found = find_bundle(name)
    if found is None:
        known = ", ".join(sorted({bundle.directory.name for bundle in list_bundles()})) or "none"
        raise BundleError(f"no model {name!r}: give a bundle directory or one of: {known}")
    return found


def find_bundle(bundle_id: str) -> Bundle | None:
    """The bundle with an id, or None."""
    return next((bundle for bundle in list_bundles() if bundle.card.id == bundle_id), None)


def keep_bundle(bundle: Bundle) -> None:
    """Puts a bundle into the user's store under its id, so that an upgrade of the package does not take it away.

    Files are hard-linked where the file system allows, so this costs no space until the upgrade.
    """
    target = bundle_store() / bundle.card.id
    if target.is_dir() or bundle.directory.parent == bundle_store():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name in (*bundle.card.files, "card.json"):
        try:
            os.link(bundle.directory / name, partial / name)
        except OSError:
            shutil.copyfile(bundle.directory / name, partial / name)
    try:
        partial.rename(target)
    except OSError:  # another process was first
        shutil.rmtree(partial, ignore_errors=True)
