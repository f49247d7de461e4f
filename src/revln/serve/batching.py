"""Single questions that come at the same time, answered together: a model is quicker with several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Joins what arrives within a few milliseconds, and hands it to one call.

    Args:
        work: gives the results of several items, in their order; runs in a thread.
        run: has a thread do something.
        seconds: how long the first of a batch waits for others.
        most: size of a batch at which it waits no longer.
        observe: told the size of each batch.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        run: Callable[[Callable[[], Any]], Awaitable[Any]],
        *,
        seconds: float,
        most: int,
        observe: Callable[[int], None],
    ) -> None:
        self._work, self._run, self._observe = work, run, observe
        self._seconds, self._most = seconds, most
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def result(self, item: Item) -> Result:
        """The result for one item; an error of the batch that it is in is raised for each of its items."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, answer))
        if len(self._waiting) >= self._most:
            self._send()
        elif self._timer is None:
            self._timer = loop.call_later(self._seconds, self._send)
        return await answer

    def _send(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting = [entry for entry in self._waiting if not entry[1].cancelled()], []
        if batch:
            task = asyncio.get_running_loop().create_task(self._answer(batch))
            self._tasks.add(task)  # or else nobody would hold it
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        self._observe(len(batch))
        items = [item for item, _ in batch]
        try:
            results = await self._run(lambda: self._work(items))
        except Exception as error:  # noqa: BLE001 - those who wait raise it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), result in zip(batch, results, strict=True):
            if not answer.done():
                answer.set_result(result)
