"""Takes the pictures of docs/serve.md anew, of the photos that ship.

``PYTHONPATH=tests python tests/serve/page/screenshots.py``: with a model that speaks, what it says is in them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from revln.pipeline import Memory, index
from serving import served_here

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "src" / "revln" / "samples"
QUERY = "animals in the grass"
QUESTION = "What is in the photo?"


def main() -> None:
    """Takes them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="of the memory; base if not given")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    given = parser.parse_args()
    chromium = os.environ.get("REVLN_CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        os.environ["REVLN_DATA"] = str(Path(folder) / "data")
        memory = Memory.open(Path(folder) / "samples.revln", model=given.model)
        index([SAMPLES], memory=memory, captions=SAMPLES / "captions.csv", labels_from_folders=True)
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def window(width: int, height: int, **options: Any) -> Page:
            size = {"width": width, "height": height}
            context = browser.new_context(viewport=size, reduced_motion="reduce", locale="en-GB", **options)
            context.set_default_timeout(300_000)
            return context.new_page()

        with served_here(memory, uploads=Path(folder) / "uploads") as url:
            wide = window(1280, 800)
            search(wide, url)
            keep(wide, given.out / "page.webp")
            phone = window(390, 760, color_scheme="dark", device_scale_factor=1.5)
            search(phone, url)
            keep(phone, given.out / "page-phone.webp")
            best = add_versions(memory, Path(folder) / "copies")
            dark = window(1280, 1100, color_scheme="dark")
            search(dark, url)
            open_photo(dark, best)
            have_told(dark)
            keep(dark, given.out / "page-photo.webp")
            light = window(1280, 800)
            search(light, url)
            open_photo(light, best)
            light.locator("#delete").scroll_into_view_if_needed()
            wait_for_pictures(light, "#photo")
            keep(light, given.out / "page-duplicates.webp")
        browser.close()


def search(page: Page, url: str) -> None:
    """Finds photos, and waits until they are seen."""
    page.goto(f"{url}/?q={QUERY}")
    page.locator('#gallery[aria-busy="false"] .tile').first.wait_for()
    wait_for_pictures(page, "#gallery")


def add_versions(memory: Memory, folder: Path) -> str:
    """Adds a copy of the photo that fits best, and a smaller version; gives the id of that photo."""
    best = memory.search(QUERY, k=1)[0].record
    path = Path(best.uri)
    folder.mkdir()
    shutil.copy(path, folder)
    with Image.open(path) as image:
        image.resize((image.width // 2, image.height // 2)).save(folder / f"{path.stem}-small{path.suffix}")
    index([folder], memory=memory)
    memory.relocate(folder, "/home/ada/Photos/From the phone")  # the memory has their thumbs
    return best.id


def open_photo(page: Page, record: str) -> None:
    """Opens one of the photos that were found."""
    page.locator(f'.tile[data-id="{record}"]').click()
    page.locator("#similar a").first.wait_for()
    wait_for_pictures(page, "#photo")


def have_told(page: Page) -> None:
    """Has the model speak of the photo that is open, if it can."""
    if page.locator("#describe").is_visible():
        page.locator("#describe").click()
        page.locator("#caption .evidence").wait_for()
    if page.locator("#question").is_visible():
        page.locator("#question").fill(QUESTION)
        page.keyboard.press("Enter")
        page.locator("#answer .evidence").wait_for()
        page.locator("#photo-name").click()  # leaves the field
        page.locator(".side").evaluate("side => { side.scrollTop = 0; }")
    wait_for_pictures(page, "#photo")


def wait_for_pictures(page: Page, where: str) -> None:
    """Waits until the pictures that are in sight are there."""
    page.wait_for_function(
        """(where) => [...document.querySelectorAll(`${where} img[src]`)]
          .filter((image) => image.getBoundingClientRect().top < innerHeight && image.offsetParent)
          .every((image) => image.complete)""",
        arg=where,
    )


def keep(page: Page, path: Path) -> None:
    """Writes what a window shows."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(BytesIO(page.screenshot())) as picture:
        picture.save(path, "WEBP", quality=78, method=6)
    print(f"{path}: {path.stat().st_size:,} bytes")  # noqa: T201


if __name__ == "__main__":
    main()
