"""Questions that come together are answered together, and as if each had come alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs revln[serve]")

from PIL import Image

from revln.models import load_model
from revln.pipeline import Memory
from revln.serve import Service, Settings
from revln.serve.batching import Batcher
from serving import picture

TEXTS = ["red", "a blue thing", "green green red", "", "nothing known", "blue"] * 5


async def inline(work: Callable[[], Any]) -> Any:
    return work()


def batcher(sizes: list[int], **options: Any) -> Batcher[int, int]:
    def double(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]

    return Batcher(double, inline, observe=sizes.append, **{"seconds": 0.02, "most": 4} | options)


def test_what_comes_together_is_joined() -> None:
    sizes: list[int] = []

    async def ask() -> list[int]:
        doubled = batcher(sizes)
        first = await asyncio.gather(*map(doubled.result, range(3)))
        second = await asyncio.gather(*map(doubled.result, range(10)))
        return [*first, *second, await doubled.result(21)]

    assert asyncio.run(ask()) == [*range(0, 6, 2), *range(0, 20, 2), 42]
    assert sizes == [3, 4, 4, 2, 1]


def test_a_full_batch_does_not_wait() -> None:
    async def ask() -> list[int]:
        doubled = batcher([], seconds=600)
        return await asyncio.gather(*map(doubled.result, range(8)))

    assert asyncio.run(asyncio.wait_for(ask(), 30)) == list(range(0, 16, 2))


def test_an_error_reaches_all_who_wait_and_nobody_else() -> None:
    async def ask() -> list[Any]:
        doubled = batcher([])
        asked: list[Awaitable[int]] = [doubled.result(item) for item in (1, 13)]
        failed = await asyncio.gather(*asked, return_exceptions=True)
        return [*map(type, failed), await doubled.result(2)]

    assert asyncio.run(ask()) == [ValueError, ValueError, 4]


def test_who_waits_no_longer_is_left_out() -> None:
    sizes: list[int] = []

    async def ask() -> int:
        doubled = batcher(sizes, seconds=0.1)
        left = asyncio.create_task(doubled.result(13))
        stays = asyncio.create_task(doubled.result(4))
        await asyncio.sleep(0)
        left.cancel()
        return await stays

    assert asyncio.run(ask()) == 8
    assert sizes == [1]


def encoded_together(service: Service, texts: Sequence[str], images: Sequence[bytes]) -> tuple[Any, Any]:
    async def ask() -> tuple[Any, Any]:
        read = await asyncio.gather(*map(service.read, texts))
        seen = await asyncio.gather(*(service.see(BytesIO(image)) for image in images))
        return np.stack([one.vector for one in read]), [one.encoding for one in seen]

    try:
        return asyncio.run(ask())
    finally:
        service.close()


def check_equal(memory: Memory, texts: Sequence[str], images: Sequence[bytes], tolerance: float) -> None:
    """Compares vectors of a batch with those of each text and image by itself."""
    service = Service(memory, Settings(threads=2, together_seconds=0.2, together=8))
    vectors, encodings = encoded_together(service, texts, images)
    together = service.metrics.text().decode()
    assert f'revln_encoded_together_count{{what="text"}} {-(-len(texts) // 8)}.0' in together
    assert f'revln_encoded_together_sum{{what="image"}} {len(images)}.0' in together
    model = memory.model
    alone = np.concatenate([model.encode_texts([text]) for text in texts])
    np.testing.assert_allclose(vectors, alone, atol=tolerance)
    for data, encoding in zip(images, encodings, strict=True):
        with Image.open(BytesIO(data)) as image:
            (single,) = model.look([image])
        np.testing.assert_allclose(encoding.embeddings, single.embeddings, atol=tolerance)
        for mine, own in ((encoding.logits, single.logits), (encoding.grid, single.grid)):
            assert (mine is None) == (own is None)
            if mine is not None and own is not None:
                np.testing.assert_allclose(mine, own, atol=100 * tolerance)


def test_the_same_vectors_as_one_by_one(memory: Memory) -> None:
    images = [picture(colour, "PNG") for colour in ("red", "green", "blue", "orange", "white")]
    check_equal(memory, TEXTS, images, 1e-7)


@pytest.mark.slow
def test_the_same_vectors_of_the_model_that_ships(tmp_path: Any) -> None:
    from revln.cli.samples import samples_directory

    memory = Memory.open(tmp_path / "m", model=load_model("base"))
    photos = [photo.read_bytes() for photo in sorted(samples_directory().rglob("*.jpg"))[:6]]
    texts = ["a dog in the snow", "雪地里的狗", "a long sentence about two people who walk along a beach", "cat", ""]
    check_equal(memory, texts * 4, photos, 1e-5)


def test_concurrent_searches_find_what_single_ones_do(client: Any, memory: Memory) -> None:
    texts = ["red", "blue", "green", "red blue"] * 6
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda text: client.post("/v1/search", json={"text": text}).json(), texts))
    for text, answer in zip(texts, told, strict=True):
        assert answer["hits"] == memory.search(text).to_dict()["hits"]
