"""How much a request may be, and what happens to more."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from struct import pack
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from revln.pipeline import Memory
from serving import picture


def bomb(side: int) -> bytes:
    """A PNG of a few hundred kilobytes, and of side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))

    rows = zlib.compressobj(1)
    packed = b"".join(rows.compress(bytes(1 + side // 8)) for _ in range(side)) + rows.flush()
    header = pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize("path", ["/v1/search", "/v1/caption", "/v1/records"])
def test_a_decompression_bomb(client: Any, tmp_path: Any, path: str) -> None:
    response = client.post(path, files={"image": bomb(16_000)})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "unreadable_image")
    assert "16000 x 16000 pixels are over the limit of 100 million" in response.json()["error"]["message"]
    assert not list((tmp_path / "uploads").glob("*"))


def test_a_body_that_says_it_is_too_long(serve: Any) -> None:
    client = serve(json_bytes=1000, body_bytes=5000)
    response = client.post("/v1/search", content=b" " * 1001, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    assert response.headers["connection"] == "close"
    assert client.post("/v1/search", files={"image": bytes(5000)}).status_code == 413
    assert client.post("/v1/search", files={"image": picture("red")}).status_code == 200


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", ["/v1/search", "/v1/records", "/v1/jobs", "/v1/embeddings"])
def test_a_body_that_does_not_say_so_is_not_read_to_its_end(serve: Any, path: str, kind: str) -> None:
    client = serve(json_bytes=10_000, body_bytes=10_000)
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="x"\r\n\r\n'
        yield b'{"text": "' if kind == "application/json" else start
        for _ in range(1000):
            sent += 1000
            yield b"x" * 1000

    response = client.post(path, content=chunks(), headers={"Content-Type": kind})
    assert response.status_code in {413, 422}  # a route of JSON alone does not read a form at all
    assert response.status_code == 413 or path in {"/v1/jobs", "/v1/embeddings"}


def test_only_forms_with_images_may_be_long(client: Any) -> None:
    from revln.serve.limits import WITH_IMAGES

    paths = client.get("/openapi.json").json()["paths"]
    bodies = {
        path: operations["post"]["requestBody"]["content"] for path, operations in paths.items() if "post" in operations
    }
    assert {path for path, content in bodies.items() if "multipart/form-data" in content} == WITH_IMAGES


def test_many_fields_and_files(client: Any) -> None:
    fields = {f"field{number}": "x" for number in range(2000)}
    assert client.post("/v1/search", files={"image": picture("red")}, data=fields).status_code in {400, 422}
    files = [("image", picture("red")), ("image", picture("blue"))]
    assert client.post("/v1/search", files=files).status_code == 400
    assert client.post("/v1/search", files={"image": picture("red"), "other": b"x"}).status_code in {400, 422}
    long = client.post("/v1/search", files={"image": picture("red")}, data={"text": "x" * 100_000})
    assert long.status_code in {400, 422}


class Slow:
    """A search that waits until it may go on."""

    def __init__(self, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go_on = threading.Event()
        self.began = threading.Semaphore(0)
        search = memory.search

        def wait(*arguments: Any, **options: Any) -> Any:
            self.began.release()
            assert self.go_on.wait(60)
            return search(*arguments, **options)

        monkeypatch.setattr(memory, "search", wait)


@pytest.mark.parametrize("asked", [{"json": {"text": "red"}}, {"files": {"image": picture("red")}}])
def test_a_full_queue(serve: Any, memory: Memory, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]) -> None:
    slow = Slow(memory, monkeypatch)
    client = serve(threads=1, waiting=2)
    with ThreadPoolExecutor(3) as pool:
        accepted = [pool.submit(client.post, "/v1/search", **asked) for _ in range(3)]
        assert slow.began.acquire(timeout=30)
        while client.service._turns < 3:
            pass
        refused = client.post("/v1/search", json={"text": "red"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "busy")
        assert refused.headers["retry-after"] == "1"
        assert client.get("/health").status_code == 200
        slow.go_on.set()
        assert [future.result().status_code for future in accepted] == [200] * 3
    assert client.post("/v1/search", json={"text": "red"}).status_code == 200
    assert "revln_refused_total 1.0" in client.get("/metrics").text


def test_an_answer_that_takes_too_long(serve: Any, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(memory, monkeypatch)
    client = serve(seconds=0.3)
    response = client.post("/v1/search", json={"text": "red"})
    assert (response.status_code, response.json()["error"]["code"]) == (504, "timed_out")
    slow.go_on.set()
    assert client.service._turns == 0


def test_who_waits_too_long_for_a_thread(serve: Any, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow(memory, monkeypatch)
    client = serve(seconds=0.5, threads=1)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(client.post, "/v1/search", json={"text": "red"}) for _ in range(3)]
        assert [future.result().status_code for future in asked] == [504] * 3
    assert client.service._turns == 0
    slow.go_on.set()
    assert client.post("/v1/search", json={"text": "red"}).status_code == 200
