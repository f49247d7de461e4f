"""Servers to test: in this process, each answer held against the OpenAPI document; and in a process of their own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from revln.models import load_model
from revln.pipeline import Memory, index
from serving import ADDRESS, Checked, Process, picture, served
from tiny_bundle import make_tiny_bundle

COLOURS = {"red": (220, 20, 20), "green": (20, 200, 20), "blue": (20, 20, 230)}


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle, which describes photos."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny", generator=True)


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos in folders that name their colour."""
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        (folder / name / f"{name}.jpg").write_bytes(picture(colour))
    return folder


@pytest.fixture(scope="session")
def indexed(photos: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of the photos with their folders as labels, made once; not to be written to."""
    directory = tmp_path_factory.mktemp("memory") / "photos.revln"
    before = os.environ.get("REVLN_DATA")
    os.environ["REVLN_DATA"] = str(tmp_path_factory.mktemp("data"))
    try:
        index([photos], memory=Memory.open(directory, model=bundle), labels_from_folders=True)
    finally:
        if before is None:
            del os.environ["REVLN_DATA"]
        else:
            os.environ["REVLN_DATA"] = before
    return directory


@pytest.fixture
def memory(indexed: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A memory of the photos, of the test's own."""
    data = tmp_path / "data"
    monkeypatch.setenv("REVLN_DATA", str(data))
    shutil.copytree(bundle, data / "bundles" / "tiny", dirs_exist_ok=True)
    copy = shutil.copytree(indexed, tmp_path / "photos.revln")
    return Memory.open(copy, model=load_model(bundle), create=False)


@pytest.fixture
def ids(memory: Memory) -> dict[str, str]:
    """Ids of the photos by colour."""
    found = memory.search("red", k=10).hits
    return {Path(hit.record.uri).stem: hit.record.id for hit in found}


@pytest.fixture
def settings(tmp_path: Path) -> Any:
    """What tests change something of."""
    from revln.serve import Settings

    return Settings(uploads=tmp_path / "uploads", threads=2)


@pytest.fixture
def serve(memory: Memory, settings: Any) -> Iterator[Callable[..., Any]]:
    """``serve(read_only=True)`` gives a client of a server with other settings than the usual."""
    from starlette.testclient import TestClient

    from revln.serve import Service, make_app

    class Client(TestClient):
        checked: Checked
        service: Service

        def request(self, method: str, url: Any, **options: Any) -> Any:
            response = super().request(method, url, **options)
            if str(url) not in {"/openapi.json", "/"} and not str(url).startswith("/page/"):
                self.checked.check(method, str(url), response)
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "default-src 'none'" in response.headers["content-security-policy"]
            return response

    with ExitStack() as stack:

        def start(memory: Memory = memory, **changed: Any) -> Client:
            service = Service(memory, replace(settings, **changed))
            app = make_app(service)
            client = stack.enter_context(Client(app, base_url=ADDRESS, raise_server_exceptions=True))
            client.checked, client.service = Checked(app.openapi()), service
            return client

        yield start


@pytest.fixture
def client(serve: Callable[..., Any]) -> Any:
    """A client of a server with the usual settings."""
    return serve()


@pytest.fixture
def process(memory: Memory, tmp_path: Path) -> Callable[..., AbstractContextManager[Process]]:
    """``with process(seconds=2) as server`` runs a server of the memory in a process of its own."""
    return partial(served, memory.path, uploads=str(tmp_path / "uploads"))
