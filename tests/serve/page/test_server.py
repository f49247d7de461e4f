"""Photos that are added, servers that only read or want a token, languages, and narrow windows."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")
pytest.importorskip("playwright", reason="needs playwright")

from playwright.sync_api import expect

from revln.pipeline import Memory
from revln.types import IndexReport
from serving import picture

SAMPLES = Path(__file__).parents[3] / "src" / "revln" / "samples"
TOKEN = "a-token-that-is-long-enough"

pytestmark = pytest.mark.slow


def test_a_folder_with_progress(visit: Any, memory: Memory, tmp_path: Path) -> None:
    shutil.copytree(SAMPLES / "animals", tmp_path / "photos" / "animals")
    (tmp_path / "photos" / "broken.jpg").write_bytes(picture("red")[:200])
    page = visit(memory, roots=(tmp_path / "photos",)).open()
    page.locator("#show-add").click()
    form = page.locator("#index-form")
    expect(form.locator("[name=path]")).to_have_value(str(tmp_path / "photos"))
    form.get_by_label("Folder names are labels").check()
    seen = page.evaluate_handle(
        """() => {
          const said = [];
          new MutationObserver(() => said.push(document.getElementById("index-status").textContent))
            .observe(document.getElementById("index-status"), { childList: true });
          return said;
        }"""
    )
    form.get_by_role("button", name="Start").click()
    expect(page.locator("#index-status")).to_contain_text("Done: 10 new")
    expect(page.locator("#index-status")).to_contain_text("1 file could not be read.")
    assert len(seen.json_value()) >= 2  # it was told how far it was
    page.locator("#close-add").click()
    expect(page.locator(".tile")).to_have_count(13)


def test_a_run_is_followed_when_the_page_is_opened_again(
    visit: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "photos" / "new").mkdir(parents=True)
    end = threading.Event()

    def slowly(*_: Any, progress: Any, **__: Any) -> IndexReport:
        progress(3, 10)
        end.wait(60)
        return IndexReport(10, 0, 0, (), 0, 0, 41, 1.0)

    monkeypatch.setattr("revln.serve.jobs.index", slowly)
    page = visit(roots=(tmp_path / "photos",)).open()
    page.locator("#show-add").click()
    page.locator("#index-form [name=path]").fill(str(tmp_path / "photos" / "new"))
    page.keyboard.press("Enter")
    expect(page.locator("#index-status")).to_have_text("3 of 10 files")
    page.reload()
    page.locator('#gallery[aria-busy="false"]').wait_for()
    page.locator("#show-add").click()
    expect(page.locator("#index-status")).to_have_text("3 of 10 files")
    expect(page.locator("#index-progress")).to_have_js_property("value", 3)
    expect(page.locator("#index-form [name=path]")).to_have_value(str(tmp_path / "photos" / "new"))
    expect(page.locator("#index-stop")).to_be_visible()
    end.set()
    expect(page.locator("#index-status")).to_contain_text("Done: 10 new")
    expect(page.locator("#index-stop")).to_be_hidden()


def test_a_folder_that_is_not_allowed(visit: Any, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    site = visit(roots=(tmp_path / "photos",))
    page = site.open()
    page.locator("#show-add").click()
    page.locator("#index-form [name=path]").fill("/etc")
    page.keyboard.press("Enter")
    expect(page.locator("#index-status")).to_contain_text("not below one that may be indexed")
    site.forgive("403")


def test_uploads(site: Any, samples: Memory) -> None:
    page = site.open()
    page.locator("#show-add").click()
    expect(page.locator("#index-form")).to_be_hidden()  # no folder is allowed
    page.locator("#upload-form [name=label]").fill("wall")
    files = [
        {"name": "a.png", "mimeType": "image/png", "buffer": picture("red", "PNG")},
        {"name": "b.txt", "mimeType": "text/plain", "buffer": b"no photo"},
        {"name": "c.png", "mimeType": "image/png", "buffer": picture("blue", "PNG")},
    ]
    page.locator("#upload-form [name=files]").set_input_files(files)
    expect(page.locator("#upload-status")).to_contain_text("2 photos added.")
    expect(page.locator("#upload-status")).to_contain_text("b.txt: what was sent is no image")
    site.forgive("415")
    page.keyboard.press("Escape")
    expect(page.locator(".tile")).to_have_count(33)
    assert samples.label_counts()["wall"] == 2


def test_a_server_that_only_reads(visit: Any, names: dict[str, str]) -> None:
    page = visit(read_only=True).open(f"#photo={names['coffee']}")
    page.locator("#describe").click()
    expect(page.locator("#caption .evidence > li").nth(1)).to_be_visible()
    page.locator("#question").fill("red")
    page.keyboard.press("Enter")
    expect(page.locator("#answer .evidence > li")).to_have_count(9)
    buttons = page.get_by_role("button").all_inner_texts()
    assert not {"Edit", "Teach", "Delete from the memory", "Keep it", "Forget"} & set(buttons)
    page.keyboard.press("Escape")
    expect(page.locator("#show-add")).to_have_count(0)


def test_a_server_with_a_token(visit: Any) -> None:
    site = visit(token=TOKEN)
    page = site.open(ready=False)
    dialog = page.locator("#token")
    expect(dialog).to_be_visible()
    for _ in range(3):
        page.keyboard.press("Escape")
    expect(dialog).to_be_visible()
    dialog.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("#token-status")).to_have_text("That is not the token.")
    dialog.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator(".tile")).to_have_count(31)
    first = page.locator(".tile img").first
    expect(first).to_have_attribute("src", re.compile("^blob:"))
    first.click()
    expect(page.locator("#picture")).to_have_attribute("src", re.compile("^blob:"))
    assert page.locator("#picture").evaluate("image => image.decode().then(() => image.naturalWidth)") > 256
    page.locator("#describe").click()
    expect(page.locator("#caption .evidence > li").nth(1)).to_be_visible()
    page.reload()  # it is asked for once
    expect(page.locator("#photo")).to_be_visible()
    expect(dialog).to_be_hidden()
    assert page.context.cookies() == []
    site.forgive("401")


def test_languages(site: Any) -> None:
    page = site.open(locale="zh-CN")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    expect(page.locator("#title")).to_have_text("最新照片")
    expect(page.locator("#status")).to_have_text("31 张照片")
    page.get_by_role("button", name="English").click()
    expect(page.locator("#title")).to_have_text("Newest photos")
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator('#gallery[aria-busy="false"]').wait_for()
    page.get_by_role("button", name="中文").click()
    expect(page.locator("#title")).to_have_text("最新照片")


@pytest.mark.parametrize("width", [360, 768])
def test_a_narrow_window(site: Any, names: dict[str, str], width: int) -> None:
    page = site.open("?label=animals&q=red", viewport={"width": width, "height": 640}, has_touch=True)
    fits = "document.documentElement.scrollWidth <= innerWidth"
    assert page.evaluate(fits)
    page.locator(".tile").first.click()
    page.locator("#describe").click()
    page.locator("#caption .evidence").wait_for()
    assert page.locator("#photo").evaluate("dialog => dialog.scrollWidth <= innerWidth")
    page.locator("#close-photo").click()
    page.locator("#show-add").click()
    assert page.locator("#add").evaluate("dialog => dialog.scrollWidth <= dialog.clientWidth")
    assert page.evaluate(fits)
