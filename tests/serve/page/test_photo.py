"""One photo: looked at, described, asked about, corrected, taught, deleted."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")
pytest.importorskip("playwright", reason="needs playwright")

from PIL import Image
from playwright.sync_api import expect

from revln.pipeline import Memory
from serving import picture

pytestmark = pytest.mark.slow

HOSTILE = '"><img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


def open_photo(site: Any, record: str, path: str = "", **options: Any) -> Any:
    page = site.open(f"{path}#photo={record}", **options)
    expect(page.locator("#photo")).to_be_visible()
    return page


def test_looking_at_a_photo(site: Any, names: dict[str, str]) -> None:
    page = site.open("?q=red")
    tile = page.locator(f'.tile[data-id="{names["mariachi"]}"]')
    tile.click()
    expect(page.locator("#photo-name")).to_have_text("mariachi.jpg")
    expect(page.locator("#facts")).to_have_text(re.compile("January 29, 2011 at 1:49.PM · NIKON D90 · 640 × 425"))
    expect(page.locator("#texts li").first).to_have_text("people")
    expect(page.locator("#why dd").first).to_contain_text("%")
    assert page.locator("#picture").evaluate("image => image.decode().then(() => image.naturalWidth)") == 640
    similar = page.locator("#similar a")
    expect(similar).to_have_count(12)
    similar.first.click()
    expect(page.locator("#photo-name")).not_to_have_text("mariachi.jpg")
    page.go_back()
    expect(page.locator("#photo-name")).to_have_text("mariachi.jpg")
    page.locator("#next").click()
    expect(page.locator("#photo-name")).not_to_have_text("mariachi.jpg")
    page.locator("#photo-name").click()
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#photo-name")).to_have_text("mariachi.jpg")
    page.go_back()
    expect(page.locator("#photo")).to_be_hidden()
    assert page.url.endswith("/?q=red")
    expect(tile).to_be_focused()


def test_a_photo_has_an_address(site: Any, names: dict[str, str]) -> None:
    page = open_photo(site, names["coffee"])
    expect(page.locator("#photo-name")).to_have_text("coffee.jpg")
    page.locator("#close-photo").click()
    expect(page.locator("#photo")).to_be_hidden()
    assert "#" not in page.url
    page.goto(f"{site.url}/#photo={'0' * 20}")
    expect(page.locator("#notice")).to_contain_text("no record")
    site.forgive("404")


def test_a_caption_with_what_it_rests_on_is_corrected(site: Any, names: dict[str, str], samples: Memory) -> None:
    page = open_photo(site, names["coffee"])
    page.locator("#describe").click()
    rests = page.locator("#caption .evidence > li")
    expect(rests.nth(1)).to_be_visible()  # one record or more, and the photo itself
    expect(page.locator("#caption .evidence")).to_contain_text("the photo itself")
    shares = [int(text.rstrip("%")) for text in page.locator("#caption .weight b").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(100, abs=6)
    before = page.locator("#caption .spoken").inner_text()
    page.locator("#edit").click()
    page.locator("#edit-form [name=texts]").fill("a red green blue wall")
    page.locator("#edit-form [name=label]").fill("wall")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#edit-status")).to_have_text("Saved. The next caption and answer use it.")
    assert samples.record(names["coffee"]).texts == ("a red green blue wall",)
    page.locator("#describe").click()
    expect(page.locator("#caption .spoken")).to_have_text("A red green blue wall.")
    assert before != "A red green blue wall."
    expect(rests.first).to_contain_text("this photo’s text")
    expect(page.locator("#caption .confidence")).to_contain_text("Confidence ")
    # What is said may become a text of the photo, as it is or corrected.
    page.locator("#correct-caption").click()
    expect(page.locator("#edit-form [name=texts]")).to_have_value("A red green blue wall.\na red green blue wall")
    page.locator("#edit-cancel").click()
    page.locator("#keep-caption").click()
    expect(page.locator("#texts li")).to_have_text(["wall", "a red green blue wall", "A red green blue wall."])


def test_asking_teaching_and_forgetting(site: Any, names: dict[str, str], samples: Memory) -> None:
    page = open_photo(site, names["coffee"])
    page.locator("#question").fill("red green blue")
    page.keyboard.press("Enter")
    expect(page.locator("#answer .spoken")).to_have_text("I don't know")
    expect(page.locator("#answer")).to_contain_text("It is not sure enough to say.")
    expect(page.locator("#answer .evidence > li")).to_have_count(9)
    page.locator("#teach-form [name=answer]").fill("wall")
    page.get_by_role("button", name="Teach").click()
    expect(page.locator("#teach-status")).to_have_text("Learnt. Ask again to see it.")
    expect(page.locator(".taught li")).to_contain_text(["wall"])
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#answer .spoken")).to_have_text("red green blue wall")
    expect(page.locator("#answer .evidence > li").first).to_contain_text("taught answer")
    page.get_by_role("button", name="Forget").click()
    expect(page.locator("#taught")).to_be_hidden()
    assert samples.info().kinds == {"image": 31}
    page.locator("#answer .evidence a").first.click()
    expect(page.locator("#photo-name")).not_to_have_text("coffee.jpg")


def test_deleting(site: Any, names: dict[str, str], samples: Memory) -> None:
    path = Path(samples.record(names["coffee"]).uri)
    samples.add(image=path, question="what?", answer="a cup")
    page = site.open()
    page.locator(f'.tile[data-id="{names["coffee"]}"]').click()
    expect(page.locator(".taught li")).to_have_count(1)
    page.locator("#delete").click()
    expect(page.locator("#confirm-file")).to_have_text(str(path))
    page.locator("#confirm").get_by_role("button", name="Cancel").click()
    expect(page.locator("#confirm")).to_be_hidden()
    assert len(samples) == 32
    page.locator("#delete").click()
    page.locator("#confirm").get_by_role("button", name="Delete").click()
    expect(page.locator("#photo")).to_be_hidden()
    expect(page.locator("#notice")).to_have_text("Deleted. The file is untouched.")
    expect(page.locator(".tile")).to_have_count(30)
    expect(page.locator("#status")).to_have_text("30 photos")
    assert (len(samples), path.exists()) == (30, True)


@pytest.fixture
def copies(samples: Memory, names: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Ids of a copy of a sample photo, of a smaller version, and of its mirror image, which is of the same vector."""
    path = Path(samples.record(names["coffee"]).uri)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.copy(path, folder / "coffee.jpg")
    image = Image.open(path).convert("RGB")
    image.resize((image.width // 2, image.height // 2)).save(folder / "small.jpg")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirror.png")
    return {name: samples.add(image=folder / name).id for name in ("coffee.jpg", "small.jpg", "mirror.png")}


def test_duplicates_are_shown_and_deleted(
    site: Any, samples: Memory, names: dict[str, str], copies: dict[str, str], tmp_path: Path
) -> None:
    samples.add(image=tmp_path / "elsewhere" / "coffee.jpg", question="what?", answer="a cup")
    page = site.open()
    page.locator(f'.tile[data-id="{names["coffee"]}"]').click()
    found = page.get_by_role("region", name="Duplicates").get_by_role("listitem")
    expect(found).to_have_count(2)
    expect(found.nth(0)).to_contain_text("coffee.jpg")
    expect(found.nth(0)).to_contain_text(str(tmp_path / "elsewhere"))
    expect(found.nth(0)).to_contain_text(re.compile(r"the same file · 600\s×\s400\s·\s\d+\skB"))
    expect(found.nth(1)).to_contain_text(re.compile(r"another version · 300\s×\s200\s·\s\d+\skB"))
    # The look-alike is among the similar photos, where the duplicates do not come again.
    similar = page.locator("#similar a")
    expect(similar).to_have_count(12)
    shown = {link.partition("=")[2] for link in similar.evaluate_all("links => links.map((it) => it.hash)")}
    assert shown & set(copies.values()) == {copies["mirror.png"]}
    # By the keyboard: not the one, then each in its turn. The focus goes on to what is left.
    delete = found.get_by_role("button")
    confirm = page.locator("#confirm")
    path = str(tmp_path / "elsewhere" / "coffee.jpg")
    expect(delete.nth(0)).to_have_accessible_name(f"Delete from the memory: {path}")
    delete.nth(0).focus()
    page.keyboard.press("Enter")
    expect(confirm).to_contain_text(path)
    page.keyboard.press("Escape")
    expect(confirm).to_be_hidden()
    expect(delete.nth(0)).to_be_focused()
    assert len(samples) == 35
    page.keyboard.press("Enter")
    confirm.get_by_role("button", name="Delete").click()
    expect(found).to_have_count(1)
    expect(page.locator("#duplicates-status")).to_have_text("Deleted. The file is untouched.")
    expect(delete).to_be_focused()
    assert len(samples) == 33  # with the answer that it was taught
    page.keyboard.press("Enter")
    confirm.get_by_role("button", name="Delete").click()
    expect(found).to_have_count(0)
    expect(page.locator("#duplicates-title")).to_be_focused()
    expect(page.locator("#photo-name")).to_have_text("coffee.jpg")
    assert (tmp_path / "elsewhere" / "small.jpg").exists()
    page.locator("#close-photo").click()
    expect(page.locator(".tile")).to_have_count(32)
    expect(page.locator("#status")).to_have_text("32 photos")


def test_a_duplicate_is_opened_and_has_the_others(site: Any, names: dict[str, str], copies: dict[str, str]) -> None:
    page = open_photo(site, copies["small.jpg"], locale="zh-CN")
    found = page.get_by_role("region", name="重复照片").get_by_role("listitem")
    expect(found).to_have_count(2)
    expect(found.nth(0)).to_contain_text("同一张照片的另一版本")
    page.locator(f'#duplicates a[href="#photo={names["coffee"]}"]').click()
    expect(page.locator("#photo-name")).to_have_text("coffee.jpg")
    expect(found.nth(0)).to_contain_text("文件完全相同")
    page.locator("#similar a").first.click()
    expect(page.locator("#photo-name")).not_to_have_text("coffee.jpg")


def test_a_photo_without_duplicates(site: Any, names: dict[str, str]) -> None:
    page = open_photo(site, names["coffee"])
    expect(page.locator("#similar a")).to_have_count(12)
    expect(page.locator("#duplicates-section")).to_be_hidden()


def test_duplicates_on_a_server_that_only_reads(visit: Any, names: dict[str, str], copies: dict[str, str]) -> None:
    page = open_photo(visit(read_only=True), names["coffee"])
    expect(page.locator("#duplicates li")).to_have_count(2)
    expect(page.locator("#duplicates button")).to_have_count(0)


def test_a_file_that_browsers_do_not_show(site: Any, samples: Memory, tmp_path: Path) -> None:
    path = tmp_path / "photo.tiff"
    path.write_bytes(picture("red", "TIFF", (1000, 500)))
    record = samples.add(image=path).id
    page = open_photo(site, record)
    assert page.locator("#picture").evaluate("image => image.decode().then(() => image.naturalWidth)") == 1000
    expect(page.locator("#preview-only")).to_be_hidden()
    path.unlink()
    page.reload()
    expect(page.locator("#preview-only")).to_be_visible()
    assert page.locator("#picture").evaluate("image => image.decode().then(() => image.naturalWidth)") == 256
    site.forgive("404")


def test_html_in_what_is_known_is_not_run(site: Any, samples: Memory, tmp_path: Path) -> None:
    name = HOSTILE.replace("/", "")
    try:
        path = tmp_path / f"{name}.png"
        path.write_bytes(picture("red", "PNG"))
    except OSError:
        pytest.skip("needs a file system that takes any character in a name")
    record = samples.add(image=path, texts=[HOSTILE, "red"], label=HOSTILE, source=HOSTILE)
    samples.add(image=path, question=f"red {HOSTILE}", answer=HOSTILE)
    page = site.open("?q=red")
    page.evaluate(
        "window.hacked = 0; localStorage.setItem('revln-recent', JSON.stringify(['<img src=x onerror=hacked=1>']))"
    )
    page.locator("#show-filters").click()
    page.locator("#query").fill('"><img')
    expect(page.locator("#suggestions [role=option]").first).to_contain_text("onerror")
    page.locator("#query").fill("")
    expect(page.locator("#suggestions [role=option]").first).to_contain_text("onerror")
    page.keyboard.press("Escape")
    page.goto(f"{site.url}/?q=red#photo={record.id}")
    page.reload()
    expect(page.locator("#photo-name")).to_have_text(f"{name}.png")
    expect(page.locator("#texts li")).to_have_text([HOSTILE, HOSTILE, "red"])
    expect(page.locator(".taught li")).to_contain_text(["onerror"])
    page.locator("#describe").click()
    page.locator("#caption .evidence").wait_for()
    page.locator("#question").fill("red")
    page.keyboard.press("Enter")
    page.locator("#answer .evidence").wait_for()
    assert not page.evaluate("window.hacked")
    assert page.locator("img[src=x]").count() == 0
