"""Image files that clients name: only below the folders that the user has allowed, wherever links lead."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server", reason="needs revln[mcp]")

from revln.errors import InputError
from revln.mcp.files import allowed_file

LINKS = pytest.mark.skipif(os.name == "nt", reason="links need a right there")


@pytest.fixture
def places(tmp_path: Path, make_photo: Callable[..., Path]) -> Path:
    """A folder that is allowed, and a photo beside it."""
    make_photo(tmp_path / "allowed" / "in.png", "red")
    make_photo(tmp_path / "allowed2" / "near.png", "red")
    make_photo(tmp_path / "secret" / "out.png", "red")
    return tmp_path


@pytest.fixture
def confined(serve: Callable[..., Any], places: Path) -> Any:
    return serve(roots=(places / "allowed",))


@pytest.mark.parametrize(
    ("tool", "asked"),
    [
        ("search_images", {}),
        ("describe_image", {}),
        ("ask_image", {"question": "What is it?"}),
        ("add_to_memory", {"text": "a dog"}),
    ],
)
def test_without_a_folder_no_file_is_read(serve: Callable[..., Any], places: Path, tool: str, asked: Any) -> None:
    told = serve().error(tool, image_path=str(places / "allowed" / "in.png"), **asked)
    assert told == (
        "this server reads no image files: name a photo of the memory by its id, or start the server with "
        "--allow-root DIR"
    )


@pytest.mark.parametrize("tool", ["search_images", "describe_image", "add_to_memory"])
@pytest.mark.parametrize(
    "path",
    ["secret/out.png", "secret/none.png", "allowed/../secret/out.png", "allowed2/near.png", "", "allowed/\0.png"],
)
def test_files_elsewhere_are_refused(confined: Any, places: Path, tool: str, path: str) -> None:
    told = confined.error(tool, image_path=f"{places}/{path}")
    assert told.endswith(f"not below a folder that may be read: choose a file below {places / 'allowed'}")


def test_a_path_has_to_be_whole(confined: Any) -> None:
    assert "in.png: not a whole path: begin it with one of" in confined.error("describe_image", image_path="in.png")


def test_a_file_below(confined: Any, places: Path) -> None:
    assert confined.data("describe_image", image_path=f"{places}/allowed/./in.png")["text"] == "A red photo."


@LINKS
@pytest.mark.parametrize("name", ["link.png", "folder/out.png", "folder/../link.png", "loop.png"])
def test_links_out_of_it_are_refused(confined: Any, places: Path, name: str) -> None:
    (places / "allowed" / "link.png").symlink_to(places / "secret" / "out.png")
    (places / "allowed" / "folder").symlink_to(places / "secret")
    (places / "allowed" / "loop.png").symlink_to(places / "allowed" / "loop.png")
    told = confined.error("describe_image", image_path=f"{places}/allowed/{name}")
    assert "not below a folder that may be read" in told or "too many levels of symbolic links" in told


@LINKS
def test_dots_behind_a_link_do_not_lead_out(places: Path) -> None:
    (places / "secret" / "deep").mkdir()
    (places / "allowed" / "folder").symlink_to(places / "secret" / "deep")
    # The system would read secret/out.png here; what is opened is allowed/out.png.
    found = allowed_file(f"{places}/allowed/folder/../out.png", [places / "allowed"])
    assert found == places / "allowed" / "out.png"
    with pytest.raises(InputError, match="not below"):
        allowed_file(f"{places}/allowed/folder/out.png", [places / "allowed"])


@LINKS
def test_a_folder_that_is_a_link_may_be_allowed(serve: Callable[..., Any], places: Path) -> None:
    (places / "pictures").symlink_to(places / "allowed")
    served = serve(roots=(places / "pictures",))
    taught = served.data("add_to_memory", image_path=f"{places}/pictures/in.png", text="a dog")
    assert taught["uri"] == f"{places}/pictures/in.png"  # as the user names it


def test_the_home_folder(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(places))
    monkeypatch.setenv("USERPROFILE", str(places))
    assert allowed_file("~/allowed/in.png", [places / "allowed"]) == places / "allowed" / "in.png"
    with pytest.raises(InputError, match="not below"):
        allowed_file("~nobody-of-that-name/in.png", [places / "allowed"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [("none.png", None, "no such file"), ("text.png", b"no image", "not an image"), ("empty.png", b"", "empty file")],
)
def test_files_that_cannot_be_read(confined: Any, places: Path, name: str, content: bytes | None, reason: str) -> None:
    path = places / "allowed" / name
    if content is not None:
        path.write_bytes(content)
    for tool in ("search_images", "describe_image", "add_to_memory"):
        assert confined.error(tool, image_path=str(path)) == f"{path}: {reason}"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes there")
def test_a_pipe_is_not_waited_for(confined: Any, places: Path) -> None:
    os.mkfifo(places / "allowed" / "pipe.png")
    told = confined.error("describe_image", image_path=f"{places}/allowed/pipe.png")
    assert told.endswith("pipe.png: not a regular file")


def test_a_folder_that_is_not_there(serve: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder: name one that there is with --allow-root"):
        serve(roots=(tmp_path / "none",))
