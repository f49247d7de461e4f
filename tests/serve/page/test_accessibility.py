"""axe finds nothing serious or critical, in light and dark, in both languages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")
pytest.importorskip("playwright", reason="needs playwright")
pytest.importorskip("axe_playwright_python", reason="needs axe-playwright-python")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from revln.pipeline import Memory

pytestmark = pytest.mark.slow


def check(page: Any) -> None:
    found = Axe().run(page).response["violations"]
    serious = [
        (it["id"], node["html"], node["failureSummary"])
        for it in found
        if it["impact"] in {"serious", "critical"}
        for node in it["nodes"]
    ]
    assert not serious


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_everything(
    visit: Any, tmp_path: Path, samples: Memory, names: dict[str, str], scheme: str, locale: str
) -> None:
    samples.add(image=shutil.copy(samples.record(names["coffee"]).uri, tmp_path))
    page = visit(roots=(tmp_path,)).open("?q=red", locale=locale, color_scheme=scheme)
    page.locator("#show-filters").click()
    page.locator("#query").fill("p")
    page.locator("#suggestions [role=option]").first.wait_for()
    check(page)
    page.keyboard.press("Escape")
    page.locator("#show-add").click()
    check(page)
    page.locator("#close-add").click()
    page.goto(page.url.partition("?")[0] + f"?q=green&label=food#photo={names['coffee']}")
    page.locator("#describe").click()
    page.locator("#caption .evidence").wait_for()
    page.locator("#question").fill("red green blue")
    page.keyboard.press("Enter")
    page.locator("#answer .evidence").wait_for()
    page.locator("#edit").click()
    expect(page.locator("#similar a")).to_have_count(12)
    expect(page.locator("#duplicates button")).to_have_count(1)
    check(page)
    page.locator("#delete").click()
    check(page)
