"""Progress of long training work: a line with rate and time left, now and then."""

from __future__ import annotations

import logging
import time

__all__ = ["Progress"]

log = logging.getLogger("revln.train")


class Progress:
    """Counts steps of known number and logs at most one line every few seconds.

    Args:
        title: what is being done.
        total: number of steps.
        every: seconds between lines.
    """

    def __init__(self, title: str, total: int, every: float = 10.0) -> None:
        self._title = title
        self._total = total
        self._every = every
        self._done = 0
        self._start = self._last = time.monotonic()

    def skip(self, steps: int) -> None:
        """Leaves out steps that an earlier run has done."""
        self._total -= steps

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Reports steps done; ``note`` is appended to the line."""
        self._done += steps
        now = time.monotonic()
        if self._done < self._total and now - self._last < self._every:
            return
        self._last = now
        rate = self._done / max(now - self._start, 1e-9)
        left = (self._total - self._done) / rate
        log.info("%s %d/%d, %.1f/s, %.0f s left %s", self._title, self._done, self._total, rate, left, note)
