"""Indexing runs on behalf of the server's clients: one at a time, in a thread of their own."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from revln.errors import RevlnError
from revln.pipeline import Memory, index
from revln.serve.errors import ApiError, as_api_error, unexpected
from revln.types import IndexReport

__all__ = ["ENDED", "Job", "JobState", "Jobs"]

JobState = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
_KEPT = 100  # jobs that have ended


class _CancelledError(Exception):
    """Leaves a run that is no longer wanted."""


@dataclass(slots=True, eq=False)
class Job:
    """One run.

    Attributes:
        folder: what is indexed.
        source: how its records call their source.
        options: others of ``revln.index``.
        id: 16 hex digits.
        state: see ``JobState``.
        done: files looked at so far.
        total: files in all; 0 until they are counted.
        created_at: ISO 8601, UTC.
        seconds: of running, so far or in all.
        report: what was done, once it is.
        error: why it failed.
    """

    folder: Path
    source: str
    options: dict[str, Any]
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: JobState = "waiting"
    done: int = 0
    total: int = 0
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    report: IndexReport | None = None
    error: ApiError | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    started: float | None = None
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """See above."""
        return 0.0 if self.started is None else (self.ended or time.monotonic()) - self.started

    def advance(self, done: int, total: int) -> None:
        """Notes how far it is, and leaves it when it is no longer wanted."""
        self.done, self.total = done, total
        if self.cancelled.is_set():
            raise _CancelledError


class Jobs:
    """The runs of one server, those that ended lately among them.

    Args:
        memory: indexed into.
        waiting: how many may wait.
        roots: folders that all of it has to lie below.
    """

    def __init__(self, memory: Memory, waiting: int, roots: Sequence[Path]) -> None:
        self._memory, self._waiting, self._roots = memory, waiting, roots
        self._jobs: dict[str, Job] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="revln-job")

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def get(self, job: str) -> Job | None:
        """The one with an id."""
        return self._jobs.get(job)

    def start(self, job: Job) -> bool:
        """Takes a run in; False when too many wait already."""
        if sum(other.state not in ENDED for other in self) > self._waiting:
            return False
        for other in [other for other in self if other.state in ENDED][:-_KEPT]:
            del self._jobs[other.id]
        self._jobs[job.id] = job
        self._thread.submit(self._run, job)
        return True

    def cancel(self, job: Job) -> None:
        """Ends a run as soon as may be; what it has stored is kept."""
        job.cancelled.set()
        if job.state == "waiting":
            job.state = "cancelled"

    def keep_up(self) -> None:
        """Has the memory tidied up when no run is under way."""
        self._thread.submit(self._tidy)

    def close(self) -> None:
        """Ends all runs."""
        for job in self:
            if job.state not in ENDED:
                self.cancel(job)
        self._thread.shutdown(cancel_futures=True)

    def _run(self, job: Job) -> None:
        if job.cancelled.is_set():
            return
        job.started, job.state = time.monotonic(), "running"
        state: JobState = "failed"
        try:
            job.report = index(
                job.folder,
                memory=self._memory,
                source=job.source,
                within=self._roots,
                progress=job.advance,
                **job.options,
            )
            state = "done"
        except _CancelledError:
            state = "cancelled"
        except RevlnError as error:
            job.error = as_api_error(error)
        except Exception as error:  # noqa: BLE001 - told where the job is asked for
            job.error = unexpected(error)
        finally:
            job.ended, job.state = time.monotonic(), state

    def _tidy(self) -> None:
        with suppress(RevlnError):  # the next write, or the next run, meets it again
            self._memory.keep_up()
