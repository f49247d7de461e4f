"""Questions that come together are answered together, and as if each had come alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Event
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


class Busy:
    """One thread that is busy until it may go on, and a batcher that it works for."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.go_on = Event()
        self.pool = ThreadPoolExecutor(1)
        self.pool.submit(self.go_on.wait, 60)
        self.work_with(double)

    def work_with(self, work: Callable[[Sequence[int]], Sequence[int]]) -> None:
        self.batcher = Batcher(work, self.pool, most=4, observe=self.sizes.append)

    async def ask(self, *numbers: int) -> list[asyncio.Task[int]]:
        """Returns when all wait."""
        asked = [asyncio.create_task(self.batcher.result(number)) for number in numbers]
        await asyncio.sleep(0)
        return asked

    async def answers(self, asked: Sequence[asyncio.Task[int]]) -> list[Any]:
        """Lets the thread go on; errors stand in the place of numbers."""
        self.go_on.set()
        return await asyncio.gather(*asked, return_exceptions=True)


@pytest.fixture
def busy() -> Iterator[Busy]:
    made = Busy()
    yield made
    made.go_on.set()
    made.pool.shutdown()


def double(numbers: Sequence[int]) -> list[int]:
    if 13 in numbers:
        raise ValueError("13")
    return [2 * number for number in numbers]


def in_time(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(work, 60))


def test_what_comes_while_the_threads_are_busy_is_joined(busy: Busy) -> None:
    async def ask() -> list[int]:
        first = await busy.answers(await busy.ask(*range(10)))
        return [*first, *await busy.answers(await busy.ask(21))]

    assert in_time(ask()) == [*range(0, 20, 2), 42]
    assert busy.sizes == [4, 4, 2, 1]


def test_a_job_takes_also_what_comes_after_it_is_queued(busy: Busy) -> None:
    async def ask() -> tuple[list[int], list[int]]:
        asked = await busy.ask(1)
        search = busy.pool.submit(busy.sizes.copy)  # other work, queued in between
        asked += await busy.ask(2, 3)
        return await busy.answers(asked), search.result()

    assert in_time(ask()) == ([2, 4, 6], [3])


def test_who_waits_no_longer_is_left_out(busy: Busy) -> None:
    async def ask() -> list[Any]:
        asked = await busy.ask(*range(8))
        for left in asked[:6]:
            left.cancel()
        await asyncio.sleep(0)
        return await busy.answers(asked)

    answers = in_time(ask())
    assert all(isinstance(answer, asyncio.CancelledError) for answer in answers[:6])
    assert answers[6:] == [12, 14]
    assert busy.sizes == [2]  # of the first four nobody is left


def test_who_leaves_while_a_batch_is_worked_on_disturbs_nobody(busy: Busy) -> None:
    begun, left = Event(), Event()

    def wait(numbers: Sequence[int]) -> list[int]:
        begun.set()
        assert left.wait(60)
        return double(numbers)

    async def ask() -> list[Any]:
        busy.work_with(wait)
        asked = await busy.ask(1, 2)
        busy.go_on.set()
        assert await asyncio.to_thread(begun.wait, 60)
        asked[0].cancel()
        asked += await busy.ask(3)
        left.set()
        return await busy.answers(asked)

    gone, *stayed = in_time(ask())
    assert isinstance(gone, asyncio.CancelledError)
    assert stayed == [4, 6]


def test_an_error_of_one_reaches_nobody_else(busy: Busy) -> None:
    async def ask() -> list[Any]:
        return await busy.answers(await busy.ask(1, 13, 2, 3, 4))

    one, error, *others = in_time(ask())
    assert isinstance(error, ValueError)
    assert [one, *others] == [2, 4, 6, 8]


def test_an_error_of_the_batch_alone_reaches_nobody(busy: Busy) -> None:
    def one_by_one(numbers: Sequence[int]) -> list[int]:
        if len(numbers) > 1:
            raise MemoryError
        return double(numbers)

    async def ask() -> list[Any]:
        busy.work_with(one_by_one)
        return await busy.answers(await busy.ask(1, 2, 3))

    assert in_time(ask()) == [2, 4, 6]


def test_an_error_of_all_reaches_each(busy: Busy) -> None:
    async def ask() -> list[Any]:
        busy.work_with(lambda _: [])  # a result for nobody
        return await busy.answers(await busy.ask(1, 2))

    errors = in_time(ask())
    assert [type(error) for error in errors] == [ValueError] * 2
    assert errors[0] is not errors[1]  # each is raised in a place of its own


def test_who_waits_when_the_threads_end_is_answered_and_nobody_later(busy: Busy) -> None:
    async def ask() -> list[Any]:
        asked = await busy.ask(*range(6))
        busy.pool.shutdown(wait=False)
        answers = await busy.answers(asked)
        return [*answers, *await busy.answers(await busy.ask(6))]

    *answers, late = in_time(ask())
    assert answers == list(range(0, 12, 2))
    assert isinstance(late, RuntimeError)


def encoded_together(service: Service, texts: Sequence[str], images: Sequence[bytes]) -> tuple[Any, Any]:
    async def ask() -> tuple[Any, Any]:
        go_on = Event()
        busy = [asyncio.create_task(service.run(lambda: go_on.wait(60))) for _ in range(service.settings.threads)]
        reading = [asyncio.create_task(service.read(text)) for text in texts]
        await asyncio.sleep(0)
        go_on.set()
        read, _ = await asyncio.gather(asyncio.gather(*reading), asyncio.gather(*busy))
        seen = await asyncio.gather(*(service.see(BytesIO(image)) for image in images))
        return np.stack([one.vector for one in read]), [one.encoding for one in seen]

    try:
        return asyncio.run(ask())
    finally:
        service.close()


def check_equal(memory: Memory, texts: Sequence[str], images: Sequence[bytes], tolerance: float) -> None:
    """Compares vectors of a batch with those of each text and image by itself."""
    service = Service(memory, Settings(threads=2, together=8))
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
