"""Who may ask: the host, the page, the token."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.errors import InputError
from revln.serve import Settings
from revln.serve.settings import is_any_address, is_loopback
from revln.serve.token import token_from

TOKEN = "a-token-of-some-length"


def code(response: Any) -> tuple[int, str | None]:
    return response.status_code, None if response.status_code == 200 else response.json()["error"]["code"]


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8765", "localhost", "localhost:8765", "LOCALHOST:1", "[::1]:8765", "127.0.0.1", "127.1.2.3:8765"],
)
def test_hosts_of_this_machine(client: Any, host: str) -> None:
    assert code(client.get("/v1/memory", headers={"Host": host})) == (200, None)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8765",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:8765 evil",
        "192.168.1.5:8765",
        "0.0.0.0:8765",
        "[::]",
        "[::1]evil",
        "localhost:x",
        "",
    ],
)
def test_hosts_of_others(client: Any, host: str) -> None:
    for method, path in (("GET", "/v1/memory"), ("POST", "/v1/search"), ("GET", "/health"), ("GET", "/nowhere")):
        assert code(client.request(method, path, headers={"Host": host})) == (403, "foreign_host")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8765", "https://127.0.0.1:8765"])
def test_pages_of_this_server(client: Any, origin: str) -> None:
    headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
    assert code(client.post("/v1/search", json={"text": "red"}, headers=headers)) == (200, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "file://"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "http://127.0.0.1:3000"},
        {"Origin": "http://localhost:8765"},
        {"Origin": "http://127.0.0.1:8765.evil.example"},
        {"Origin": "http://127.0.0.1:8765@evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_pages_of_other_sites(client: Any, headers: dict[str, str]) -> None:
    assert code(client.post("/v1/search", json={"text": "red"}, headers=headers)) == (403, "foreign_origin")
    assert code(client.get("/v1/memory", headers=headers)) == (403, "foreign_origin")


def test_a_link_on_another_site_leads_to_the_page_alone(client: Any) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.get("/", headers=headers).status_code == 200
    assert code(client.get("/v1/memory", headers=headers)) == (403, "foreign_origin")
    assert client.get("/", headers=headers | {"Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert client.get("/", headers=headers | {"Origin": "http://evil.example"}).status_code == 403


def test_nobody_is_told_that_other_sites_may_ask(client: Any) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    asked = client.options("/v1/search", headers=headers)
    assert asked.status_code == 403
    for response in (asked, client.get("/health")):
        assert not [name for name in response.headers if name.startswith("access-control")]


def test_every_answer_says_how_it_may_be_used(client: Any, ids: dict[str, str]) -> None:
    for path in ("/health", "/nowhere", f"/v1/records/{ids['red']}/thumb", "/metrics", "/openapi.json"):
        headers = client.get(path).headers
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


# --- the token


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
    ],
)
def test_without_the_token(serve: Any, authorization: str | None) -> None:
    client = serve(token=TOKEN)
    headers = {} if authorization is None else {"Authorization": authorization}
    for path in ("/v1/memory", "/openapi.json", "/metrics", "/nowhere", "/v1/records/" + "0" * 20):
        response = client.get(path, headers=headers)
        assert code(response) == (401, "token_needed")
        assert response.headers["www-authenticate"] == "Bearer"
    assert client.get("/health", headers=headers).status_code == 200
    assert client.get("/ready", headers=headers).status_code == 200


def test_with_the_token(serve: Any) -> None:
    client = serve(token=TOKEN)
    for scheme in ("Bearer", "bearer"):
        assert client.get("/v1/memory", headers={"Authorization": f"{scheme} {TOKEN}"}).status_code == 200


def test_a_token_does_not_open_the_door_to_other_sites(serve: Any) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "evil.example"}
    assert code(serve(token=TOKEN).get("/v1/memory", headers=headers)) == (403, "foreign_host")


def test_beyond_this_machine(serve: Any) -> None:
    client = serve(token=TOKEN, host="0.0.0.0", names=("Photos.home",))
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    # A number is no name that somebody could have pointed here.
    for host in ("192.168.1.5:8765", "photos.home", "localhost:8765", "[fe80::1]"):
        assert client.get("/v1/memory", headers={"Host": host, **bearer}).status_code == 200
    assert client.get("/v1/memory", headers={"Host": "evil.example", **bearer}).status_code == 403
    client = serve(token=TOKEN, host="192.168.1.5")
    assert client.get("/v1/memory", headers={"Host": "192.168.1.5:8765", **bearer}).status_code == 200
    assert client.get("/v1/memory", headers={"Host": "192.168.1.6:8765", **bearer}).status_code == 403


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "photos.home"])
def test_no_server_for_others_without_a_token(host: str) -> None:
    with pytest.raises(InputError, match="give a token"):
        Settings(host=host)
    assert TOKEN not in repr(Settings(host=host, token=TOKEN))


def test_addresses() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.0.0.1", "::1", "127.9.9.9")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "example.org", "localhost.x")] == [False] * 4
    assert [is_any_address(host) for host in ("0.0.0.0", "::", "127.0.0.1")] == [True, True, False]


def test_a_token_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"
    token = token_from(path)
    assert len(token) >= 32
    assert token_from(path) == token
    assert path.read_text() == token + "\n"
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_token_files_that_are_of_no_use(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for text in ("", "short\n", "two words that are long enough", "ü" * 20):
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        with pytest.raises(InputError, match="holds no token"):
            token_from(path)
    with pytest.raises(InputError, match="choose another"):
        token_from(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no such permissions on Windows")
def test_a_token_that_others_may_read(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(TOKEN)
    path.chmod(0o644)
    with pytest.raises(InputError, match="others may read"):
        token_from(path)
