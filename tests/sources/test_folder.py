from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import pytest

from revln import sources
from revln.errors import InputError
from revln.sources import FolderSource
from revln.types import Candidate, Skipped

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX file systems")


@pytest.fixture
def tree(tmp_path):
    """Makes files from their relative paths; their content is never looked at."""

    def tree(*names: str) -> Path:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
        return tmp_path

    return tree


def found(*paths: Path, **options: object) -> list[str]:
    return [
        Path(item.uri).relative_to(paths[0]).as_posix()
        for item in FolderSource(paths, **options).scan()
        if isinstance(item, Candidate)
    ]


def skipped(*paths: Path, **options: object) -> dict[str, str]:
    items = FolderSource(paths, **options).scan()
    return {Path(item.path).name: item.reason for item in items if isinstance(item, Skipped)}


def test_public_surface():
    assert sources.__all__ == sorted(sources.__all__)
    assert all(hasattr(sources, name) for name in sources.__all__)


def test_candidate(tree):
    root = tree("a.jpg")
    [item] = FolderSource([root], name="holiday").scan()
    status = (root / "a.jpg").stat()
    assert item == Candidate(
        "holiday", "image", str(root / "a.jpg"), root / "a.jpg", size=status.st_size, mtime_ns=status.st_mtime_ns
    )


def test_stable_order_files_before_folders(tree):
    root = tree("z.jpg", "b/d/2.jpg", "b/1.jpg", "a/3.jpg", "Z.png")
    assert found(root) == ["Z.png", "z.jpg", "a/3.jpg", "b/1.jpg", "b/d/2.jpg"]


def test_other_files_are_counted_as_ignored(tree):
    root = tree("a.jpg", "b.mp4", "c/d.xmp", "e.HEIC")
    assert [item and item.path.name for item in FolderSource([root]).scan()] == ["a.jpg", None, "e.HEIC", None]


def test_hidden_is_left_out_and_not_counted(tree):
    hidden = (".x.jpg", "._a.jpg", ".git/a.jpg", ".thumbnails/a.jpg", "b/@eaDir/a.jpg", "Thumbs.db")
    left_out = ("photos.revln/memory.json", "$RECYCLE.BIN/a.jpg", "__MACOSX/a.jpg")
    root = tree(*hidden, *left_out, "a.jpg")
    assert [item.path.name for item in FolderSource([root]).scan()] == ["a.jpg"]


def test_hidden_folder_that_is_asked_for(tree):
    assert found(tree(".private/a.jpg") / ".private") == ["a.jpg"]


@pytest.mark.parametrize(
    ("patterns", "left"),
    [
        (["*.png"], ["a.jpg", "private/d.jpg", "x/private/e.jpg"]),
        (["private"], ["a.jpg", "b.png"]),
        (["private/"], ["a.jpg", "b.png"]),
        (["**/private"], ["a.jpg", "b.png"]),
        (["private/**"], ["a.jpg", "b.png", "x/private/e.jpg"]),
        (["./private/d.jpg"], ["a.jpg", "b.png", "private/c.png", "x/private/e.jpg"]),
        (["x/*"], ["a.jpg", "b.png", "private/c.png", "private/d.jpg"]),
        (["**/private/e.jpg"], ["a.jpg", "b.png", "private/c.png", "private/d.jpg"]),
        (["*.PNG", "?.nothing", "[z]*"], ["a.jpg", "b.png", "private/c.png", "private/d.jpg", "x/private/e.jpg"]),
        (["*.png", "x"], ["a.jpg", "private/d.jpg"]),
    ],
)
def test_exclude(tree, patterns, left):
    root = tree("a.jpg", "b.png", "private/c.png", "private/d.jpg", "x/private/e.jpg")
    assert found(root, exclude=patterns) == left


def test_a_path_that_is_a_file_is_taken_whatever_its_name(tree):
    root = tree("a.jpg", "scan.dat")
    assert [item.path.name for item in FolderSource([root / "scan.dat"]).scan()] == ["scan.dat"]


def test_missing_path_is_named(tree):
    with pytest.raises(InputError, match=r"nowhere: no such file or folder"):
        FolderSource([tree("a.jpg"), "nowhere"])


def test_nothing_appears_twice(tree):
    root = tree("a.jpg", "b/c.jpg")
    assert sorted(found(root, root / "b", root / "a.jpg", root / "a.jpg", root)) == ["a.jpg", "b/c.jpg"]


def test_relative_and_dotted_paths_give_the_same_uri(tree, monkeypatch):
    root = tree("a.jpg", "b/c.jpg").resolve()
    monkeypatch.chdir(root / "b")
    assert [item.uri for item in FolderSource([Path("../a.jpg"), Path("c.jpg")]).scan()] == [
        str(root / "a.jpg"),
        str(root / "b/c.jpg"),
    ]


def test_directory_named_like_a_photo_is_entered(tree):
    assert found(tree("x.jpg/a.jpg")) == ["x.jpg/a.jpg"]


@posix
def test_link_cycle(tree):
    root = tree("b/a.jpg")
    (root / "b" / "up").symlink_to(root, target_is_directory=True)
    (root / "b" / "self").symlink_to(root / "b", target_is_directory=True)
    assert found(root) == ["b/a.jpg"]


@posix
def test_links_are_followed_and_a_photo_keeps_its_own_path(tree, tmp_path_factory):
    root = tree("z/a.jpg")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "c.jpg").write_bytes(b"x")
    (root / "a_link_to_z").symlink_to(root / "z", target_is_directory=True)
    (root / "b_link").symlink_to(elsewhere, target_is_directory=True)
    (root / "c_link.jpg").symlink_to(elsewhere / "c.jpg")
    assert found(root) == ["c_link.jpg", "z/a.jpg", "b_link/c.jpg"]


@posix
def test_dangling_link_and_link_to_itself(tree):
    root = tree("a.jpg")
    (root / "gone.jpg").symlink_to(root / "nothing")
    (root / "gone").symlink_to(root / "nothing")
    (root / "self.jpg").symlink_to(root / "self.jpg")
    assert found(root) == ["a.jpg"]
    assert skipped(root) == {
        "gone.jpg": "link to a missing file",
        "self.jpg": "too many levels of symbolic links",
    }


@posix
def test_pipe_named_like_a_photo(tree):
    root = tree("a.jpg")
    os.mkfifo(root / "x.jpg")
    assert skipped(root) == {"x.jpg": "not a regular file"}


@posix
def test_unreadable_folder_is_listed_and_does_not_stop_the_scan():
    # pytest's own folders are closed to other users; root reads everything until it acts as somebody else.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "closed").mkdir(mode=0)
        (root / "z").mkdir(mode=0o755)
        (root / "z" / "a.jpg").touch()
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            assert skipped(root) == {"closed": "permission denied"}
            assert found(root) == ["z/a.jpg"]
        finally:
            os.seteuid(user)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such name")
def test_names_that_are_no_utf8(tree):
    root = tree("a.jpg")
    for name in (b"caf\xe9.jpg", b"caf\xe9.txt"):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
    folder = Path(os.fsdecode(os.fsencode(root) + b"/f\xe9"))
    folder.mkdir()
    (folder / "b.jpg").touch()
    assert found(root) == ["a.jpg"]
    reasons = skipped(root)
    assert reasons == {"caf\\udce9.jpg": "name is not UTF-8", "b.jpg": "name is not UTF-8"}
    json.dumps([item.to_dict() for item in FolderSource([root]).scan() if isinstance(item, Skipped)]).encode("utf-8")


def test_labels_from_folders(tree):
    root = tree("top.jpg", "bull_terrier/a.jpg", "dogs/red_setter/b.jpg")
    labels = {Path(item.uri).name: item.label for item in FolderSource([root], labels_from_folders=True).scan()}
    assert labels == {"top.jpg": None, "a.jpg": "bull terrier", "b.jpg": "red setter"}
    assert all(item.label is None for item in FolderSource([root]).scan())


def captioned(root: Path, captions: dict[str, tuple[str, ...]]) -> tuple[dict[str, tuple[str, ...]], list[Skipped]]:
    items = list(FolderSource([root], captions=captions).scan())
    texts = {Path(item.uri).relative_to(root).as_posix(): item.texts for item in items if isinstance(item, Candidate)}
    return texts, [item for item in items if isinstance(item, Skipped)]


def test_captions_by_path_then_by_name(tree):
    root = tree("a.jpg", "x/a.jpg", "x/b.jpg", "y/c.jpg")
    texts, missing = captioned(
        root, {"x/a.jpg": ("by path",), "a.jpg": ("by name",), "b.jpg": ("b",), "img\\c.jpg": ("c",)}
    )
    assert texts == {"a.jpg": ("by name",), "x/a.jpg": ("by path",), "x/b.jpg": ("b",), "y/c.jpg": ("c",)}
    assert missing == []


def test_ambiguous_name_gives_no_caption(tree):
    root = tree("a.jpg")
    texts, missing = captioned(root, {"x/a.jpg": ("one",), "y/a.jpg": ("another",)})
    assert texts == {"a.jpg": None}
    assert len(missing) == 2


def test_caption_of_a_missing_image(tree):
    _, missing = captioned(tree("a.jpg"), {"a.jpg": ("here",), "b.jpg": ("gone",)})
    assert missing == [Skipped("b.jpg", "caption file names it, but there is no such image")]


def test_captions_of_decomposed_names(tree):
    texts, missing = captioned(tree("cafe\u0301.jpg"), {"caf\u00e9.jpg": ("a café",)})
    assert list(texts.values()) == [("a café",)]
    assert missing == []


def test_a_source_can_be_scanned_again(tree):
    source = FolderSource([tree("a.jpg")], captions={"a.jpg": ("x",), "b.jpg": ("y",)})
    assert list(source.scan()) == list(source.scan())
