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
        self._skipped = 0
        self._done = 0
        self._start = self._last = time.monotonic()

    def skip(self, steps: int) -> None:
        """Counts steps that an earlier run has done; they say nothing of the rate."""
        self._skipped += steps

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Reports steps done; ``note`` is appended to the line."""
        self._done += steps
        now = time.monotonic()
        reached = self._skipped + self._done
        if reached < self._total and now - self._last < self._every:
            return
        self._last = now
        rate = self._done / max(now - self._start, 1e-9)
        left = _duration((self._total - reached) / rate)
        log.info("%s %d/%d, %.1f/s, %s left %s", self._title, reached, self._total, rate, left, note)


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
