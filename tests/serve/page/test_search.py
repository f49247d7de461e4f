"""Finding photos: by words, by a photo, by both, with filters, by the keyboard alone."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")
pytest.importorskip("playwright", reason="needs playwright")

from playwright.sync_api import expect

from revln.pipeline import Memory
from serving import picture

pytestmark = pytest.mark.slow

DROP = """([data, target]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const carried = new DataTransfer();
  carried.items.add(new File([bytes], "photo.png", { type: "image/png" }));
  const options = { bubbles: true, cancelable: true, dataTransfer: carried, clipboardData: carried };
  for (const name of target) document.body.dispatchEvent(
    name === "paste" ? new ClipboardEvent(name, options) : new DragEvent(name, options));
}"""


def shown(page: Any) -> list[str]:
    """Labels of the first tiles, as screen readers say them."""
    return page.locator("#gallery .tile img").evaluate_all("tiles => tiles.map((tile) => tile.alt)")


def test_the_newest_photos_then_a_search(site: Any) -> None:
    page = site.open()
    expect(page.locator("#status")).to_have_text("31 photos")
    assert page.locator(".tile").count() == 31
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("red")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("“red”")
    expect(page.locator("#status")).to_contain_text("photos fit well, ")
    chances = [int(text.rstrip("%")) for text in page.locator(".chance > :first-child").all_inner_texts()]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 90
    assert page.url.endswith("/?q=red")
    page.go_back()
    expect(page.locator("#title")).to_have_text("Newest photos")
    expect(page.locator("#query")).to_have_value("")


def test_boxes_have_their_shape_before_the_photos_come(site: Any) -> None:
    page = site.open(ready=False)
    page.route("**/thumb", lambda route: None)  # they never come
    page.reload()
    page.locator('#gallery[aria-busy="false"] .tile').first.wait_for()
    sizes = page.locator(".tile").evaluate_all("tiles => tiles.map((t) => [t.clientWidth, t.clientHeight])")
    assert min(min(size) for size in sizes) > 80
    page.unroute_all()


def test_suggestions_by_the_keyboard(site: Any) -> None:
    page = site.open()
    page.locator("#query").press_sequentially("pla")
    option = page.locator("#suggestions [role=option]")
    expect(option.first).to_contain_text("places")
    page.keyboard.press("ArrowDown")
    expect(page.locator("#query")).to_have_attribute("aria-activedescendant", "suggestion-0")
    expect(option.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("“places”")
    expect(page.locator("#suggestions")).to_be_hidden()
    page.locator("#query").fill("")
    expect(option).to_have_text(["placesrecent"])
    page.keyboard.press("Escape")
    expect(page.locator("#suggestions")).to_be_hidden()


def test_by_a_photo_that_is_dropped_pasted_or_chosen(site: Any) -> None:
    page = site.open()
    red = base64.b64encode(picture("red", "PNG")).decode()
    page.evaluate(DROP, [red, ["dragover"]])
    expect(page.locator("#drop")).to_be_visible()
    page.evaluate(DROP, [red, ["drop"]])
    expect(page.locator("#drop")).to_be_hidden()
    expect(page.locator("#title")).to_have_text("Photos like yours")
    expect(page.locator("#query-picture img")).to_be_visible()
    by_red = shown(page)
    page.locator("#remove-image").click()
    expect(page.locator("#title")).to_have_text("Newest photos")
    page.evaluate(DROP, [base64.b64encode(picture("blue", "PNG")).decode(), ["paste"]])
    expect(page.locator("#title")).to_have_text("Photos like yours")
    expect(page.locator('#gallery[aria-busy="false"]')).to_be_visible()
    assert shown(page)[0] != by_red[0]
    green = {"name": "green.png", "mimeType": "image/png", "buffer": picture("green", "PNG")}
    page.locator("#query-image").set_input_files(green)
    # Words come in beside the photo, with a slider between the two.
    expect(page.locator("#mix")).to_be_hidden()
    page.locator("#query").fill("red")
    page.keyboard.press("Enter")
    expect(page.locator("#title")).to_have_text("“red”, like your photo")
    slider = page.locator("#text-weight")
    with page.expect_response("**/v1/search"):
        slider.fill("1")
    expect(page.locator('#gallery[aria-busy="false"]')).to_be_visible()
    words = shown(page)
    with page.expect_response("**/v1/search"):
        slider.fill("0")
    expect(page.locator('#gallery[aria-busy="false"]')).to_be_visible()
    assert shown(page) != words


def test_by_a_photo_that_browsers_do_not_show(site: Any) -> None:
    page = site.open()
    tiff = {"name": "red.tiff", "mimeType": "image/tiff", "buffer": picture("red", "TIFF")}
    page.locator("#query-image").set_input_files(tiff)
    expect(page.locator("#title")).to_have_text("Photos like yours")
    expect(page.locator("#query-picture .stand-in")).to_be_visible()
    expect(page.locator("#query-picture img")).to_be_hidden()
    green = {"name": "green.png", "mimeType": "image/png", "buffer": picture("green", "PNG")}
    page.locator("#query-image").set_input_files(green)
    expect(page.locator("#query-picture img")).to_be_visible()
    expect(page.locator("#query-picture .stand-in")).to_be_hidden()


@pytest.mark.parametrize(("locale", "beginning"), [("en-GB", ""), ("zh-CN", "这不是图片：")])
def test_what_is_no_photo_is_refused(site: Any, locale: str, beginning: str) -> None:
    page = site.open(locale=locale)
    page.locator("#query-image").set_input_files({"name": "x.png", "mimeType": "image/png", "buffer": b"no photo"})
    expect(page.locator("#notice")).to_have_text(re.compile(f"^{beginning}.*is no image"))
    site.forgive("415")


def test_filters(site: Any) -> None:
    page = site.open()
    page.locator("#show-filters").click()
    page.locator("[name=label]").first.wait_for()
    page.locator("#filters [name=label]").select_option("animals")
    expect(page.locator("#status")).to_have_text("10 photos")
    page.locator("#filters [name=from]").fill("2010-01-01")
    expect(page.locator("#filter-count")).to_have_text("2")
    expect(page.locator("#status")).to_have_text("1 photo")
    page.locator("#query").fill("red")
    page.keyboard.press("Enter")
    expect(page.locator(".tile")).to_have_count(1)
    page.reload()
    expect(page.locator("#filters [name=label]")).to_have_value("animals")
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator(".tile")).to_have_count(31)
    folder = page.locator("#filters [name=folder]")
    folder.select_option(label="food (3)")
    expect(page.locator(".tile")).to_have_count(3)
    page.locator("#filters [name=to]").fill("1990-01-01")
    expect(page.locator("#status")).to_have_text("No photo passes these filters.")


def test_when_nothing_fits(visit: Any, memory: Memory) -> None:
    page = visit(memory).open("?q=green&label=red")
    expect(page.locator("#status")).to_have_text("No photo fits well; the nearest are:")
    expect(page.locator("#gallery")).to_have_class("gallery weak")
    assert page.locator(".tile").count() == 1


def test_more_photos_come_when_they_are_near(site: Any, samples: Memory, tmp_path: Path) -> None:
    for number in range(40):
        path = tmp_path / f"{number}.png"
        path.write_bytes(picture((number, 0, 0), "PNG"))
        samples.add(image=path)
    page = site.open(viewport={"width": 400, "height": 400})
    expect(page.locator("#status")).to_have_text("71 photos")
    assert page.locator(".tile").count() == 60
    page.locator("#more").scroll_into_view_if_needed()
    expect(page.locator(".tile")).to_have_count(71)
    ids = page.locator(".tile").evaluate_all("tiles => tiles.map((tile) => tile.dataset.id)")
    assert len(set(ids)) == 71


def test_the_keyboard_alone(site: Any) -> None:
    page = site.open()
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    tiles = page.locator(".tile")
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(tiles.nth(1)).to_be_focused()
    above = tiles.nth(1).bounding_box()
    page.keyboard.press("ArrowDown")
    below = page.locator(".tile:focus").bounding_box()
    assert below["y"] > above["y"]
    assert below["x"] < above["x"] + above["width"] / 2 < below["x"] + below["width"]
    page.keyboard.press("ArrowUp")
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#photo")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#photo")).to_be_hidden()
    expect(tiles.nth(1)).to_be_focused()
    page.keyboard.press("Home")
    expect(tiles.nth(0)).to_be_focused()
    page.keyboard.press("End")
    expect(tiles.last).to_be_focused()
