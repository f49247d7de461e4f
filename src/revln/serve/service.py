"""What all routes work with: the memory, the threads, the queues before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby
from typing import BinaryIO, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from revln.models import Model
from revln.pipeline import Memory
from revln.serve.batching import Batcher
from revln.serve.errors import ApiError
from revln.serve.jobs import Jobs
from revln.serve.metrics import Metrics
from revln.serve.settings import Settings
from revln.serve.uploads import decode_upload
from revln.types import Embedding, ImageEncoding

__all__ = ["Read", "Seen", "Service"]

Item = TypeVar("Item")
Result = TypeVar("Result")

_RETRY_SECONDS = 1
_WRITES_BETWEEN_UPKEEP = 256


class Read(NamedTuple):
    """A sentence's vector [dim], and the model that it is of."""

    model: Model
    vector: Embedding


class Seen(NamedTuple):
    """An image's encoding, one row of each, and the model that it is of."""

    model: Model
    encoding: ImageEncoding


class _Pixels(NamedTuple):
    """An image [side, side, 3] made ready for a model."""

    model: Model
    pixels: npt.NDArray[np.uint8]


class Service:
    """One memory in service. Its methods that wait belong to one event loop; the work itself is done in threads.

    Attributes:
        memory: what is asked.
        settings: see there.
        metrics: are counted up.
        jobs: indexing runs.
    """

    def __init__(self, memory: Memory, settings: Settings) -> None:
        self.memory, self.settings = memory, settings
        self.metrics = Metrics()
        self.jobs = Jobs(memory, settings.jobs, settings.roots)
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="revln-serve")
        self._turns = self._written = 0
        self._texts = self._batcher("text", self._read, settings.together)
        self._images = self._batcher("image", self._look, settings.images_together)

    def open(self) -> None:
        """Gets ready, so that the first request does not wait for the model's files and the vectors to be read.

        Raises:
            RevlnError: the model or the memory cannot be used.
        """
        model = self.memory.current_model()
        model.encoder.warm_up()
        model.encode_texts([""])
        self.memory.searcher()

    def close(self) -> None:
        """Ends what runs: requests are waited for, indexing stops where it is."""
        self.jobs.close()
        self._pool.shutdown()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A place in the queue, for as long as a request is worked on.

        Raises:
            ApiError: the queue is full.
        """
        if self._turns >= self.settings.threads + self.settings.waiting:
            self.metrics.refused.inc()
            headers = {"Retry-After": str(_RETRY_SECONDS)}
            raise ApiError(503, "busy", "too many requests are waiting", "ask again in a moment", headers)
        self._turns += 1
        self.metrics.running.inc()
        try:
            yield
        finally:
            self._turns -= 1
            self.metrics.running.dec()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Has a thread do something; who calls has a turn."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def write(self, work: Callable[[], Result]) -> Result:
        """The same for what changes the memory, which is tidied up now and then.

        Raises:
            ApiError: the server only reads.
        """
        self.check_writable()
        result = await self.run(work)
        self._written += 1
        if self._written % _WRITES_BETWEEN_UPKEEP == 0:
            self.jobs.keep_up()
        return result

    def check_writable(self) -> None:
        """Refuses to write where that is not allowed.

        Raises:
            ApiError: the server only reads.
        """
        if self.settings.read_only:
            raise ApiError(403, "read_only", "this server only reads", "start it without --read-only")

    async def read(self, text: str) -> Read:
        """Encodes a sentence, together with those of other requests."""
        return await self._texts.result(text)

    async def see(self, image: BinaryIO) -> Seen:
        """Decodes an image file and encodes it, together with those of other requests.

        Raises:
            ApiError: it is no image.
            ImageError: it is damaged, or has too many pixels.
        """
        return await self._images.result(await self.run(lambda: self._decoded(image)))

    async def see_record(self, record: str) -> Seen:
        """The same of a photo's file, or of its thumb where that cannot be read any more.

        Raises:
            RecordNotFoundError: there is no such record.
            ImageError: there is no picture of it.
        """
        return await self._images.result(await self.run(lambda: self._picture(record)))

    def _batcher(
        self, what: str, work: Callable[[Sequence[Item]], Sequence[Result]], most: int
    ) -> Batcher[Item, Result]:
        return Batcher(work, self._pool, most=most, observe=self.metrics.together.labels(what).observe)

    def _read(self, texts: Sequence[str]) -> list[Read]:
        model = self.memory.current_model()
        # By the encoder itself: the model would split long batches among threads besides those of the server.
        return [Read(model, vector) for vector in model.encoder.encode_texts(texts)]

    def _look(self, images: Sequence[_Pixels]) -> list[Seen]:
        seen: list[Seen] = []
        # Nearly always one group: only another process that migrates the memory at this moment makes it two.
        for _, group in groupby(images, lambda image: image.model.id):
            alike = list(group)
            model = alike[0].model
            found = model.encoder.encode_pixels(np.stack([image.pixels for image in alike]))
            seen += [Seen(model, _row(found, place)) for place in range(len(alike))]
        return seen

    def _decoded(self, image: BinaryIO) -> _Pixels:
        model = self.memory.current_model()
        transform = model.encoder.transform
        decoded = decode_upload(image.read(), self.settings.pixels, min_side=transform.min_side)
        return _Pixels(model, transform(decoded.image))

    def _picture(self, record: str) -> _Pixels:
        model = self.memory.current_model()
        transform = model.encoder.transform
        return _Pixels(model, transform(self.memory.picture(record, transform.min_side)))


def _row(encoding: ImageEncoding, place: int) -> ImageEncoding:
    row = slice(place, place + 1)
    embeddings, logits, grid = encoding
    return ImageEncoding(embeddings[row], None if logits is None else logits[row], None if grid is None else grid[row])
