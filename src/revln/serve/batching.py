"""Single questions that come at the same time, answered together: a model is quicker with several at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Batcher"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Joins what arrives until a thread is free.

    A job is queued for the first item at once, and takes those that wait only when it begins. So batches are the larger
    the busier the threads are, and nobody waits while one is idle.

    Args:
        work: gives the results of several items, in their order; runs in a thread.
        pool: the threads, which have other work as well.
        most: size of a batch.
        observe: told the size of each batch, in its thread.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        pool: Executor,
        *,
        most: int,
        observe: Callable[[int], None],
    ) -> None:
        self._work, self._pool, self._most, self._observe = work, pool, most, observe
        self._lock = Lock()  # of the two below
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._jobs = 0  # that have not begun; always enough for all that wait

    async def result(self, item: Item) -> Result:
        """The result for one item. Its errors are its own: where a batch fails, each of its items is tried alone."""
        answer: Future[Result] = Future()
        with self._lock:
            if len(self._waiting) >= self._jobs * self._most:
                self._pool.submit(self._begin)
                self._jobs += 1
            self._waiting.append((item, answer))
        return await asyncio.wrap_future(answer)

    def _begin(self) -> None:
        with self._lock:
            self._jobs -= 1
            taken = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        # From here on they cannot be cancelled; those that were are left out.
        if batch := [(item, answer) for item, answer in taken if answer.set_running_or_notify_cancel()]:
            self._observe(len(batch))
            self._answer(batch)

    def _answer(self, batch: Sequence[tuple[Item, Future[Result]]]) -> None:
        try:
            results = self._work([item for item, _ in batch])
            answered = list(zip(batch, results, strict=True))
        except Exception as error:  # noqa: BLE001 - who waits raises it
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:
                for entry in batch:
                    self._answer([entry])
            return
        for (_, answer), result in answered:
            answer.set_result(result)
