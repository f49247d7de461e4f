"""A server of the sample photos, and a browser that uses its page. Whatever the browser complains of fails the test."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from revln.models import load_model
from revln.pipeline import Memory, index
from serving import served_here

SAMPLES = Path(__file__).parents[3] / "src" / "revln" / "samples"
CHROMIUM = os.environ.get("REVLN_CHROMIUM") or shutil.which("chromium")
PATIENCE = 60_000  # milliseconds


@pytest.fixture(scope="session")
def sampled(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A memory of the sample photos with their captions, folders as labels, made once; not to be written to."""
    directory = tmp_path_factory.mktemp("sampled") / "samples.revln"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REVLN_DATA", str(tmp_path_factory.mktemp("data")))
        memory = Memory.open(directory, model=bundle)
        index([SAMPLES], memory=memory, captions=SAMPLES / "captions.csv", labels_from_folders=True)
    return directory


@pytest.fixture
def samples(sampled: Path, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A memory of the sample photos, of the test's own."""
    data = tmp_path / "data"
    monkeypatch.setenv("REVLN_DATA", str(data))
    shutil.copytree(bundle, data / "bundles" / "tiny", dirs_exist_ok=True)
    copy = shutil.copytree(sampled, tmp_path / "samples.revln")
    return Memory.open(copy, model=load_model(bundle), create=False)


@pytest.fixture
def names(samples: Memory) -> dict[str, str]:
    """Ids of the sample photos by the name of their file."""
    found = samples.search("red", k=100).hits
    return {Path(hit.record.uri).stem: hit.record.id for hit in found}


@dataclass(slots=True)
class Site:
    """A server with its browser.

    Attributes:
        url: of the server.
        browser: opens pages.
        complaints: what pages said on their console, errors of scripts and of the security policy among them.
    """

    url: str
    browser: Any
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str = "", *, ready: bool = True, **options: Any) -> Any:
        """A page in a window of its own; the options are those of Playwright's contexts."""
        given = {"locale": "en-GB", "viewport": {"width": 1280, "height": 800}, "reduced_motion": "reduce"} | options
        context = self.browser.new_context(**given)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on(
            "console", lambda said: self.complaints.append(said.text) if said.type in {"error", "warning"} else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.goto(f"{self.url}/{path}")
        if ready:
            page.locator('#gallery[aria-busy="false"]').wait_for()
        return page

    def forgive(self, pattern: str) -> None:
        """Takes away complaints that were to be expected, of which there is one at least."""
        others = [said for said in self.complaints if not re.search(pattern, said)]
        assert len(others) < len(self.complaints), self.complaints
        self.complaints[:] = others


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's Chromium."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: install it, or name its program in REVLN_CHROMIUM")
    playwright.expect.set_options(timeout=PATIENCE)
    with playwright.sync_playwright() as driver:
        # Its own sandbox does not work for root, nor in most containers; the pages are the project's own.
        started = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser: Any, samples: Memory, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """``visit(read_only=True)`` serves the memory of the samples, with other settings than the usual."""
    with ExitStack() as stack:

        def start(memory: Memory = samples, **changed: Any) -> Site:
            site = Site(stack.enter_context(served_here(memory, uploads=tmp_path / "uploads", **changed)), browser)
            stack.callback(leave, site)
            return site

        yield start


@pytest.fixture
def site(visit: Callable[..., Site]) -> Site:
    """A server with the usual settings."""
    return visit()


def leave(site: Site) -> None:
    """Closes all windows; nobody may have complained."""
    for context in site.browser.contexts:
        context.close()
    assert not site.complaints
