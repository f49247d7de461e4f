"""How long a search takes: the whole command from a cold start, and within a running process.

    python benchmarks/search.py PHOTOS

Builds a memory of the folder (or takes ``--memory``), starts ``revln search`` anew several times, and then asks 50
different questions of one process. ``command_s`` holds the first start and the median of all; the operating system's
file cache is warm either way. ``heavy_modules`` lists what ``python -X importtime`` shows of torch, transformers,
pandas and matplotlib, which must be nothing.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import revln
from common import finish, parser, photos_in

QUERY = "a dog in the snow"
THINGS = ("dog", "child", "bicycle", "horse", "boat", "ball", "red car", "crowd", "bird", "tent")
PLACES = ("in the snow", "on the beach", "in a park", "on a street", "at night")
HEAVY = re.compile(r"\|\s*(torch|transformers|pandas|matplotlib)\s*$", re.MULTILINE)


def command_seconds(memory: Path) -> float:
    """Wall time of the whole command."""
    revln_command = Path(sys.executable).with_name("revln")
    start = time.perf_counter()
    subprocess.run([revln_command, "search", QUERY, "--memory", memory], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def heavy_modules(memory: Path) -> list[str]:
    """Heavy modules that the command loads."""
    code = "import sys; from revln.cli import run; sys.exit(run())"
    command = [sys.executable, "-X", "importtime", "-c", code, "search", QUERY, "--memory", memory, "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(set(HEAVY.findall(done.stderr)))


def main() -> None:
    """Measures both."""
    arguments = parser(__doc__)
    arguments.add_argument("photos", type=Path, help="folder of photos")
    arguments.add_argument("--memory", type=Path, help="a memory of that folder, made earlier")
    arguments.add_argument("--starts", type=int, default=7, help="how often to start the command (default: 7)")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        path = given.memory or Path(temporary) / "photos.revln"
        if given.memory is None:
            made = revln.Memory.open(path, model=given.model)
            revln.index(photos_in(given.photos), memory=made)
            del made
        starts = [command_seconds(path) for _ in range(given.starts)]
        heavy = heavy_modules(path)
        memory = revln.Memory.open(path, create=False)
        memory.search(text=QUERY)
        asked = [memory.search(text=f"a {thing} {place}").seconds for thing in THINGS for place in PLACES]
        start = time.perf_counter()
        for thing in THINGS:
            memory.model.encode_texts([f"a {thing} in the snow"])
        encoding = (time.perf_counter() - start) / len(THINGS)
        records = len(memory)
    finish(
        "search",
        records=records,
        command_s={"first": round(starts[0], 3), "median": round(statistics.median(starts), 3)},
        search_ms={"median": round(1000 * statistics.median(asked), 2), "worst": round(1000 * max(asked), 2)},
        of_which_encoding_ms=round(1000 * encoding, 2),
        heavy_modules=heavy,
    )


if __name__ == "__main__":
    main()
