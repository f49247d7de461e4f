"""What the server tells of itself."""

from __future__ import annotations

import logging
import shutil
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.pipeline import Memory
from serving import picture


def test_the_memory(client: Any, memory: Memory) -> None:
    assert client.get("/v1/memory").json() == {"path": str(memory.path), **memory.info().to_dict()}


def test_health_and_readiness(client: Any, memory: Memory) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}
    shutil.rmtree(memory.path)
    assert client.get("/health").status_code == 200
    response = client.get("/ready")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "memory_unavailable")


def test_metrics(client: Any, ids: dict[str, str]) -> None:
    client.post("/v1/search", json={"text": "a secret wish"})
    client.get(f"/v1/records/{ids['red']}")
    client.get("/nowhere/at/all")
    lines = client.get("/metrics").text.splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert counts['revln_requests_total{method="POST",route="/v1/search",status="200"}'] == "1.0"
    assert counts['revln_requests_total{method="GET",route="/v1/records/{record}",status="200"}'] == "1.0"
    assert counts['revln_requests_total{method="-",route="-",status="404"}'] == "1.0"
    assert counts['revln_encoded_together_count{what="text"}'] == "1.0"
    assert counts["revln_running"] == "0.0"
    assert "secret" not in "".join(lines)


def test_the_log_tells_neither_queries_nor_secrets(serve: Any, ids: dict[str, str], caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, "revln")
    client = serve(token="a-token-of-some-length")
    headers = {"Authorization": "Bearer a-token-of-some-length"}
    client.post("/v1/search", json={"text": "a private wish"}, headers=headers)
    client.post("/v1/search?q=private", json={"text": "private", "where": "private = 1"}, headers=headers)
    client.post("/v1/caption", files={"image": ("private.jpg", picture("red"))}, headers=headers)
    assert "POST /v1/search 200" in caplog.text
    assert "private" not in caplog.text
    assert "a-token" not in caplog.text


def test_unknown_routes_and_methods(client: Any) -> None:
    response = client.get("/v1/nothing")
    assert (response.status_code, response.json()["error"]) == (404, {"code": "not_found", "message": "not found"})
    response = client.get("/v1/search")
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
    assert client.get("/docs").status_code == 404


def test_an_unexpected_error_tells_nothing_of_the_inside(
    client: Any, memory: Memory, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    wish = " ".join(["a", "private", "wish"])

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError(wish)

    monkeypatch.setattr(memory, "search", fail)
    response = client.post("/v1/search", json={"text": "red"})
    assert response.status_code == 500
    assert response.json()["error"] == {
        "code": "internal",
        "message": "something went wrong in the server",
        "way_out": "the server's log says more",
    }
    assert "ZeroDivisionError" in caplog.text
    assert wish not in caplog.text


def test_a_locked_memory(client: Any, memory: Memory, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.table, "_lock_seconds", 0.05)
    with Memory.open(memory.path).table.transaction("hold"):
        response = client.delete(f"/v1/records/{ids['red']}")
    assert (response.status_code, response.json()["error"]["code"]) == (423, "memory_locked")
    assert response.headers["retry-after"] == "5"
    assert client.delete(f"/v1/records/{ids['red']}").status_code == 200


def test_a_broken_model(client: Any, memory: Memory, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from revln.errors import BundleError

    def fail() -> None:
        raise BundleError("/usr/lib/revln/bundles/base/text.onnx: damaged")

    monkeypatch.setattr(memory, "current_model", fail)
    response = client.post("/v1/search", json={"text": "red"})
    assert (response.status_code, response.json()["error"]["message"]) == (500, "the model cannot be used")


def test_the_memory_is_tidied_up_now_and_then(
    client: Any, memory: Memory, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tidied: list[bool] = []
    monkeypatch.setattr(memory, "keep_up", lambda: tidied.append(True))
    monkeypatch.setattr("revln.serve.service._WRITES_BETWEEN_UPKEEP", 2)
    for text in ("one", "two", "three"):
        assert client.post("/v1/records", json={"texts": [text]}).status_code == 201
    client.service.jobs.close()
    assert tidied == [True]
