"""What is sent for the page, without a browser."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.serve import errors
from revln.serve.page.assets import assets, strings
from revln.serve.page.language import choose_language

PAGE = Path(__file__).parents[3] / "src" / "revln" / "serve" / "page"
TOKEN = "a-token-that-is-long-enough"


def test_the_page_lets_nothing_in_from_elsewhere(client: Any) -> None:
    response = client.get("/")
    assert response.headers["content-security-policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    html = response.text
    assert not re.search(r"<script(?![^>]* src=)|<style|\sstyle=|\son\w+=|javascript:", html)
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', html)) == {
        "/",
        "/page/icon.svg",
        "/page/page.css",
        "/page/main.js",
    }


def test_nothing_of_the_memory_is_in_the_page(serve: Any, memory: Any, photos: Path) -> None:
    memory.add(texts=["a secret"], label="hidden away", source="diary")
    html = serve(token=TOKEN, roots=(photos,)).get("/").text
    assert not any(told in html for told in (TOKEN, str(memory.path), str(photos), "secret", "hidden away", "diary"))
    assert 'id="token"' in html


def test_files_of_the_page(serve: Any) -> None:
    client = serve(token=TOKEN)
    for name, asset in assets().items():
        response = client.get(f"/page/{name}")
        assert (response.status_code, response.content) == (200, asset.data)
        assert response.headers["content-type"].partition(";")[0] == asset.media_type.partition(";")[0]
        assert response.headers["cache-control"] == "no-cache"
        again = client.get(f"/page/{name}", headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    assert {"main.js", "page.css", "icon.svg", "en.json", "zh.json"} <= assets().keys()


@pytest.mark.parametrize("name", ["index.html", "routes.py", "..%2f__init__.py", "../__init__.py", "templates", "%00"])
def test_no_other_file_is_sent(client: Any, name: str) -> None:
    assert client.get(f"/page/{name}").status_code == 404


def test_a_server_that_only_reads_has_nothing_that_writes(serve: Any) -> None:
    writing = ("show-add", "edit-form", "teach-form", "delete", "confirm", "keep-caption", "correct-caption")
    html, reading = serve().get("/").text, serve(read_only=True).get("/").text
    for name in writing:
        assert f'id="{name}"' in html
        assert f'id="{name}"' not in reading


@pytest.mark.parametrize(
    ("chosen", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "de, en;q=0.3, zh;q=0.7", "zh"),
        (None, "de,fr", "en"),
        (None, "zh;q=0", "en"),
        (None, "zh;q=x, ;;, en", "en"),
        ("zh", "en", "zh"),
        ("tlh", "zh", "zh"),
    ],
)
def test_the_language(client: Any, chosen: str | None, accepted: str, language: str) -> None:
    assert choose_language(chosen, accepted) == language
    headers = {"Accept-Language": accepted} | ({"Cookie": f"revln_lang={chosen}"} if chosen else {})
    assert f'<html lang="{"zh-Hans" if language == "zh" else language}"' in client.get("/", headers=headers).text


def test_languages_have_the_same_words() -> None:
    english, chinese = strings()["en"], strings()["zh"]
    assert english.keys() == chinese.keys()
    refused = {**english.pop("refused"), **chinese.pop("refused")}
    assert all(re.findall(r"\{\w+\}", text) == ["{detail}"] for text in refused.values())
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", chinese[key])), key


def test_all_that_the_server_refuses_is_told_in_chinese() -> None:
    """But for what the page has words of its own for."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in PAGE.parent.rglob("*.py"))
    codes = set(re.findall(r'(?:ApiError|_Rule)\(\s*\d{3},\s*"(\w+)"', code)) | set(errors._OF_STATUS.values())
    assert len(codes) > 20
    assert set(strings()["zh"]["refused"]) == codes - {"token_needed", "too_large"}


def test_no_word_is_left_over() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in PAGE.rglob("*") if path.suffix in {".html", ".js"})
    for key in strings()["en"].keys() - {"refused"}:
        stem = re.sub(r"_(one|other)$", "", key)
        assert re.search(rf'\bt\.{key}\b|"{key}"|\btn\("{stem}"', code), key


def test_scripts_put_no_html_together() -> None:
    for path in PAGE.glob("static/*.js"):
        code = path.read_text(encoding="utf-8")
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", code), (
            path.name
        )
