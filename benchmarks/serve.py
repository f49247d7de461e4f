"""What ``revln serve`` bears: many clients at once, beside the same searches within one process.

    python benchmarks/serve.py [--records 100000] [--clients 32] [--seconds 60]

Makes a memory of photos without files, whose vectors are drawn as those of ``memory.py`` are, so that none has to be
encoded. Then measured:

- seconds from starting the command until ``/ready`` answers 200, and the same once more; the files of the memory are in
  the system's cache either way;
- clients that each send the next search when they have the answer to the last. Their 400 sentences are encoded by the
  bundle. Given are requests, errors, what was refused (503 with ``Retry-After``, which the clients heed), times,
  requests a second, and the resident size of the server, mapped files included;
- the same searches by ``Memory.search``, with as many threads as are quickest, before the server and after it, since
  the speed of a shared machine wanders. OpenBLAS has one thread there, as the server sets it for itself.

Processor time is given besides: it says more than the clock where something else runs. The clients are bare sockets
that stay open, all in one thread of this script: they take a few hundredths of a core (``clients_cores``).

Takes about three minutes on two cores; leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import revln
from common import finish, parser, resident_mb
from memory import build
from mixture import Mixture
from revln.models import cores
from search import PLACES, THINGS

DOINGS = (
    "",
    " running",
    " waiting",
    " in the sun",
    " behind a fence",
    " beside a man",
    " near a tree",
    " seen from above",
)
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
HITS = 10
HOST = "127.0.0.1"
PATIENCE = 90.0  # longer than the server gives a request
LISTENS = re.compile(rf"at http://{re.escape(HOST)}:(\d+) ")
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
RETRY = re.compile(rb"\r\nretry-after: *(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Server:
    """A server that answers.

    Attributes:
        pid: of its process.
        port: that it listens at.
        ready_s: how long its start took.
    """

    pid: int
    port: int
    ready_s: float

    def get(self, path: str) -> int:
        """Status of an answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        finally:
            connection.close()

    def cpu_s(self) -> float:
        """Processor time it has taken."""
        # The name of the program, in brackets, may hold spaces.
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(memory: Path, log: Path) -> Iterator[Server]:
    """Runs ``revln serve``, whatever happens until the block ends."""
    program = Path(sys.executable).with_name("revln")
    command = [program, "serve", "--memory", memory, "--read-only", "--host", HOST, "--port", "0"]
    environment = {name: value for name, value in os.environ.items() if name != BLAS_THREADS}  # as users start it
    with log.open("w") as told, ExitStack() as stack:
        started = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=told)
        stack.callback(end, process)
        while True:
            if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                sys.exit(f"error: the server does not become ready:\n{log.read_text()}")
            if (found := LISTENS.search(log.read_text())) is not None:
                server = Server(process.pid, int(found[1]), 0.0)
                if server.get("/ready") == 200:
                    break
            time.sleep(0.005)
        yield Server(server.pid, server.port, time.perf_counter() - started)


def end(process: subprocess.Popen[bytes]) -> None:
    """Has a process finish what it does, or else kills it."""
    process.terminate()
    try:
        process.wait(timeout=PATIENCE)
    finally:
        process.kill()  # of no effect on one that has ended
        process.wait()


@dataclass
class Load:
    """What clients have met.

    Attributes:
        seconds: of those requests that were answered with 200.
        errors: other statuses, and connections that were lost.
        refused: requests that were to come again later.
        last: when the last of them was answered, as ``time.perf_counter`` tells.
        early_mb: size of the server after some seconds.
    """

    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    last: float = 0.0
    early_mb: int = 0

    def numbers(self, started: float) -> dict[str, Any]:
        """What is to be shown of them."""
        p50, p99 = 1000 * np.quantile(self.seconds or [np.inf], [0.5, 0.99])
        return {
            "requests": len(self.seconds) + self.refused + self.errors.total(),
            "errors": dict(self.errors),
            "refused": self.refused,
            "p50_ms": round(float(p50), 1),
            "p99_ms": round(float(p99), 1),
            "per_s": round(len(self.seconds) / max(1e-9, self.last - started), 1),
        }


class Client(asyncio.Protocol):
    """A connection that is kept, with one request on it at a time.

    Args:
        load: is told what becomes of them.
        requests: where the next one comes from.
        until: when to send no more.
    """

    def __init__(self, load: Load, requests: Iterator[bytes], until: float) -> None:
        self._load, self._requests, self._until = load, requests, until
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._sent = 0.0
        self._done = False
        self.gone = self._loop.create_future()

    def connection_made(self, transport: Any) -> None:
        """The server has taken it."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """A piece of an answer has come."""
        self._received += data
        end_of_head = self._received.find(b"\r\n\r\n") + 4
        length = LENGTH.search(self._received, 0, end_of_head)
        if length is not None and len(self._received) >= end_of_head + int(length[1]):
            self._answered(bytes(self._received[:end_of_head]))

    def connection_lost(self, error: Exception | None) -> None:
        """It is closed, by the server unless there is nothing more to ask."""
        if not self._done:
            self._load.errors["connection"] += 1
        self.gone.set_result(None)

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        if self._sent < self._until:
            self._received.clear()
            self._transport.write(next(self._requests))
        else:
            self._done = True
            self._transport.close()

    def _answered(self, head: bytes) -> None:
        status, retry = head[9:12].decode(), RETRY.search(head)
        if status == "200":
            self._load.last = time.perf_counter()
            self._load.seconds.append(self._load.last - self._sent)
        elif status == "503" and retry is not None:
            self._load.refused += 1
            self._loop.call_later(int(retry[1]), self._ask)
            return
        else:
            self._load.errors[status] += 1
        self._ask()


async def ask_all(server: Server, texts: Sequence[str], clients: int, seconds: float) -> Load:
    """Has clients search for some seconds, and waits for the last answers."""
    requests = cycle([http_request(text, server.port) for text in texts])
    load = Load()
    loop, until = asyncio.get_running_loop(), time.perf_counter() + seconds

    async def ask() -> None:
        while time.perf_counter() < until:  # anew when the server has closed the connection
            _, client = await loop.create_connection(lambda: Client(load, requests, until), HOST, server.port)
            await client.gone

    async def look() -> None:
        await asyncio.sleep(early(seconds))
        load.early_mb = resident_mb("VmRSS", server.pid)

    try:
        async with asyncio.timeout(seconds + PATIENCE), asyncio.TaskGroup() as group:
            group.create_task(look())
            for _ in range(clients):
                group.create_task(ask())
    except (ExceptionGroup, TimeoutError) as error:
        reason = error.exceptions[0] if isinstance(error, ExceptionGroup) else "too long without an answer"
        sys.exit(f"error: the server has been lost: {reason}")
    return load


def early(seconds: float) -> float:
    """When a server of so many seconds has what it needs once, so that its size should stay."""
    return min(10, seconds / 2)


def http_request(text: str, port: int) -> bytes:
    """A search as it goes over the wire."""
    body = json.dumps({"text": text, "k": HITS}).encode()
    lines = (
        "POST /v1/search HTTP/1.1",
        f"Host: {HOST}:{port}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def search_here(memory: revln.Memory, texts: Sequence[str], threads: int, seconds: float) -> dict[str, float]:
    """Searches a second by some threads of this process, and the processor's milliseconds for each."""
    cpu, started = time.process_time(), time.perf_counter()

    def stream(number: int) -> int:
        done = 0
        for text in islice(cycle(texts), number * len(texts) // threads, None):
            if time.perf_counter() - started > seconds:
                break
            memory.search(text, k=HITS)
            done += 1
        return done

    with ThreadPoolExecutor(threads) as pool:
        done = sum(pool.map(stream, range(threads)))
    took, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {"per_s": round(done / took, 1), "cpu_ms": round(1000 * cpu / done, 2)}


def quickest_here(memory: revln.Memory, texts: Sequence[str], seconds: float) -> dict[int, dict[str, float]]:
    """The same by 1, 2, 4... threads, up to the first number above the cores that gains nothing."""
    found: dict[int, dict[str, float]] = {}
    threads = 1
    while not found or threads <= cores() or best(found) == threads // 2:
        found[threads] = search_here(memory, texts, threads, seconds)
        threads *= 2
    return found


def best(rates: dict[int, dict[str, float]]) -> int:
    """The number of threads that is quickest."""
    return max(rates, key=lambda threads: rates[threads]["per_s"])


def sentences() -> list[str]:
    """What is searched for, in an order that repeats no word soon."""
    made = [f"a {thing}{doing} {place}" for thing in THINGS for doing in DOINGS for place in PLACES]
    return random.Random(0).sample(made, len(made))


def measure(directory: Path, log: Path, given: argparse.Namespace) -> dict[str, Any]:
    """All parts, on a memory that is there."""
    texts, each = sentences(), max(2.0, given.seconds / 6)
    memory = revln.Memory.open(directory, create=False)
    search_here(memory, texts, 1, 1)  # the second search of a process still reads what later ones have
    here = quickest_here(memory, texts, each)
    threads = best(here)
    for number, rate in here.items():
        print(f"in process, threads: {number}, searches/s: {rate['per_s']:g}", flush=True)

    with serving(directory, log) as server:
        ready = [server.ready_s]
    with serving(directory, log) as server:
        ready.append(server.ready_s)
        print(f"ready after {ready[0]:.2f} s, started again {ready[1]:.2f} s", flush=True)
        found = {"clients": given.clients, **under_load(server, texts, given.clients, given.seconds)}

    after = search_here(memory, texts, threads, each)
    before_and_after = [here[threads]["per_s"], after["per_s"]]
    ratio = round(found["per_s"] / mean(before_and_after), 2)
    print("in process, threads: {}, searches/s before and after: {:g}, {:g}".format(threads, *before_and_after))
    print(f"server / in process: {ratio:g}")
    print(f"processor time: {found['cpu_ms']:g} ms a request, {after['cpu_ms']:g} ms a search in process")
    return {
        "records": len(memory),
        "ready_s": [round(seconds, 2) for seconds in ready],
        "server": found,
        "in_process": {"before": {str(number): rate for number, rate in here.items()}, "after": after},
        "ratio": ratio,
    }


def under_load(server: Server, texts: Sequence[str], clients: int, seconds: float) -> dict[str, Any]:
    """What the clients meet, and what it costs the server."""
    before, cpu, own = resident_mb("VmRSS", server.pid), server.cpu_s(), time.process_time()
    started = time.perf_counter()
    load = asyncio.run(ask_all(server, texts, clients, seconds))
    took = time.perf_counter() - started
    cpu, own, after = server.cpu_s() - cpu, time.process_time() - own, resident_mb("VmRSS", server.pid)
    found = load.numbers(started)
    print(f"requests: {found['requests']:,}, errors: {load.errors.total()}, refused: {load.refused}")
    print(f"p50 {found['p50_ms']:g} ms, p99 {found['p99_ms']:g} ms, requests/s: {found['per_s']:g}")
    print(
        f"server: {before} MB before, {load.early_mb} MB after {early(seconds):g} s, {after} MB at the end, "
        f"growth since then {after - load.early_mb} MB",
        flush=True,
    )
    return {
        **found,
        "cpu_ms": round(1000 * cpu / max(1, len(load.seconds)), 2),
        "clients_cores": round(own / took, 3),
        "mb": {"before": before, "early": load.early_mb, "end": after},
    }


def main(given: argparse.Namespace) -> None:
    """Makes the memory, measures, and leaves nothing behind."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # as Ctrl-C, which passes all that cleans up
    with tempfile.TemporaryDirectory(prefix="revln-", dir=given.scratch) as temporary:
        directory = Path(temporary) / "memory.revln"
        made = revln.Memory.open(directory, model=given.model)
        spent = build(made, Mixture(made.model), 0, given.records)
        print(f"{given.records:,} records made in {spent:.0f} s", flush=True)
        results = measure(directory, Path(temporary) / "server.log", given)
    finish("serve", model=made.model.id, **results)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--records", type=int, default=100_000)
    arguments.add_argument("--clients", type=int, default=32)
    arguments.add_argument("--seconds", type=float, default=60, help="how long the clients search (default: 60)")
    arguments.add_argument("--scratch", type=Path, help="where there is room for 2 GB")
    given = arguments.parse_args()
    if os.environ.get(BLAS_THREADS) != "1":
        os.environ[BLAS_THREADS] = "1"
        os.execv(sys.executable, sys.orig_argv)  # NumPy, which is loaded by now, would not heed it
    main(given)
