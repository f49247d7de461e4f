"""Where bundles are: those that ship with the package, and the user's own store."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
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
            # Names with a dot are bundles on their way into the store.
            yield from sorted(path for path in root.iterdir() if path.name[0] != "." and (path / "card.json").is_file())


def list_bundles() -> list[Bundle]:
    """All bundles at hand, shipped ones first; unusable ones are left out."""
    bundles = []
    for directory in _directories():
        with contextlib.suppress(BundleError):
            bundles.append(Bundle(directory))
    return bundles


def open_bundle(name_or_directory: str | Path) -> Bundle:
    """A bundle by the name it ships under, by its id, by its card's name, or by its directory.

    A plain name means a bundle at hand before a directory of that name, so that ``base`` is the same everywhere;
    ``./base`` is a directory.

    Raises:
        BundleError: there is no such bundle, several have the name, or it is damaged.
    """
    if isinstance(name_or_directory, str) and Path(name_or_directory).name == name_or_directory:
        found = _by_name(name_or_directory)
        if found is not None:
            return found
    path = Path(name_or_directory)
    if path.is_dir():
        return Bundle(path)
    known = ", ".join(sorted({bundle.directory.name for bundle in list_bundles()})) or "none"
    raise BundleError(f"no model {str(name_or_directory)!r}: give a bundle directory or one of: {known}")


def _by_name(name: str) -> Bundle | None:
    for directory in _directories():
        if directory.name == name:
            return Bundle(directory)
    bundles = {bundle.card.id: bundle for bundle in reversed(list_bundles())}
    if name in bundles:
        return bundles[name]
    named = [bundle for bundle in bundles.values() if bundle.card.name == name]
    if len(named) > 1:
        ids = ", ".join(sorted(bundle.card.id for bundle in named))
        raise BundleError(f"several models are called {name!r}: give the id of one of them: {ids}")
    return named[0] if named else None


def find_bundle(bundle_id: str) -> Bundle | None:
    """The bundle with an id, or None."""
    return next((bundle for bundle in list_bundles() if bundle.card.id == bundle_id), None)


def keep_bundle(bundle: Bundle) -> None:
    """Puts a bundle into the user's store under its id, so that an upgrade of the package does not take it away.

    The files of a shipped one are hard-linked where the file system allows, so they cost no space until the upgrade.
    Others are copied, since their owner may write into them.

    Raises:
        BundleError: the store cannot be written.
    """
    store = bundle_store()
    target = store / bundle.card.id
    if target.is_dir() or bundle.directory.parent.resolve() == store.resolve():
        return
    shipped = bundle.directory.parent == _SHIPPED
    try:
        store.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store, prefix=".keep-") as temporary:
            partial = Path(temporary) / target.name
            partial.mkdir()
            for name in (*bundle.card.files, "card.json"):
                _copy(bundle.directory / name, partial / name, link=shipped)
            _rename_unless_there(partial, target)
    except OSError as error:
        raise BundleError(
            f"{store}: cannot keep the model there ({error.strerror}): free some space, check the permissions, or set "
            "REVLN_DATA to another folder"
        ) from error


def _copy(source: Path, target: Path, *, link: bool) -> None:
    if link:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)


def _rename_unless_there(partial: Path, target: Path) -> None:
    try:
        partial.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first
            raise
