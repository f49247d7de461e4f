from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from revln.sources import ConfinedSource, FolderSource
from revln.types import Candidate, Skipped


@pytest.fixture
def linked(tmp_path: Path, make_photo: Callable[..., Path]) -> Path:
    """A folder with photos, and with links to photos, folders and sidecars elsewhere."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    make_photo(elsewhere / "secret.jpg", "red")
    for name in ("a.jpg", "b.jpg"):
        make_photo(root / name, "blue")
    (elsewhere / "b.xmp").write_text("<x/>")
    try:
        (root / "linked.jpg").symlink_to(elsewhere / "secret.jpg")
        (root / "inside.jpg").symlink_to(root / "a.jpg")
        (root / "folder").symlink_to(elsewhere)
        (root / "b.xmp").symlink_to(elsewhere / "b.xmp")
    except OSError:
        pytest.skip("needs symbolic links")
    return root


def test_what_lies_elsewhere_is_left_out(linked: Path) -> None:
    found = list(ConfinedSource(FolderSource([linked]), [linked]).scan())
    assert [Path(item.uri).name for item in found if isinstance(item, Candidate)] == ["a.jpg", "inside.jpg"]
    skipped = {Path(item.path).name: item.reason for item in found if isinstance(item, Skipped)}
    assert set(skipped) == {"b.jpg", "linked.jpg", "secret.jpg"}
    assert set(skipped.values()) == {"a link to outside the folders that may be indexed"}


def test_folders_may_be_given_by_a_link(linked: Path) -> None:
    within = [linked, linked / "folder"]
    found = ConfinedSource(FolderSource([linked]), within).scan()
    assert not [item for item in found if isinstance(item, Skipped)]
