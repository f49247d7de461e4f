"""Work spread over the cores, results in order, with little in flight."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["cores", "map_ordered"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Enough to keep the workers busy while the caller writes a batch, few enough that memory stays flat.
_IN_FLIGHT_PER_CORE = 64


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_ordered(work: Callable[[Item], Result], items: Iterable[Item], ahead: int | None = None) -> Iterator[Result]:
    """Like ``map``, in one thread a core; what is done must let go of the interpreter lock to gain from it.

    Args:
        work: called in the threads.
        items: read only as far as there is room.
        ahead: so many a core may be in flight; without it, enough to keep the cores busy.
    """
    room = (ahead or _IN_FLIGHT_PER_CORE) * cores()
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(cores(), thread_name_prefix="revln") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                # What is done is handed out at once: items may be slow to come.
                while waiting and (len(waiting) >= room or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
