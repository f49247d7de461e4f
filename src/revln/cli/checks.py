"""What ``revln doctor`` looks at. Nothing that might not run here is loaded before the processor has been checked."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from revln._version import __version__
from revln.cli.opening import check_processor
from revln.cli.processor import REQUIRED, missing_features, processor_features
from revln.config import data_directory, default_memory
from revln.errors import BundleError, MemoryStoreError, RevlnError

__all__ = ["Check", "all_checks"]

Status = Literal["ok", "warning", "problem"]

_PACKAGES = ("onnxruntime", "pylance", "numpy", "pillow", "pillow-heif", "tokenizers")
_GB = 1e9
_LITTLE_RAM, _TOO_LITTLE_RAM = 1.0, 0.3
_LITTLE_DISK, _TOO_LITTLE_DISK = 2.0, 0.2
_SPEEDUPS = ("avx512f", "avx512_vnni", "avx_vnni", "asimddp")
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Check:
    """One finding.

    Attributes:
        name: what was looked at.
        status: ``ok``, ``warning`` or ``problem``.
        found: what was found.
        advice: what to do about it; empty when nothing.
    """

    name: str
    status: Status
    found: str
    advice: str = ""

    def to_dict(self) -> dict[str, str]:
        """JSON form."""
        return asdict(self)


def all_checks(memory: Path | None) -> list[Check]:
    """All findings about this machine and a memory, the default one if not given."""
    place = memory if memory is not None else default_memory()
    checks = [_python(), _processor(), _threads(), _ram(), _disk(place), _data_folder(), *_packages()]
    if missing_features():  # the rest would end the process
        return checks
    return [*checks, *_formats(), _model(), _memory(place)]


def _python() -> Check:
    found = f"revln {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return Check("version", "ok", found)


def _processor() -> Check:
    features = processor_features()
    if missing := missing_features():
        advice = "use a machine with a processor from 2013 or later: the store is compiled for these"
        return Check("processor", "problem", f"lacks {', '.join(missing)}", advice)
    if features is None:
        return Check("processor", "ok", platform.processor() or platform.machine())
    found = [name for name in (*REQUIRED, *_SPEEDUPS) if name in features]
    return Check("processor", "ok", f"{platform.machine()} with {', '.join(found) or 'no extensions'}")


def _threads() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check("threads", "ok", f"{usable} of {os.cpu_count() or usable} processors may be used")


def _ram() -> Check:
    free = _free_memory()
    if free is None:
        return Check("memory (RAM)", "ok", "not told by this system")
    advice = "close other programs: indexing takes about 0.5 GB"
    return _measured("memory (RAM)", free / _GB, _LITTLE_RAM, _TOO_LITTLE_RAM, advice)


def _free_memory() -> int | None:
    """Bytes that can still be had; at most what a container may use."""
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    try:
        limit = int(_CGROUP_LIMIT.read_text(encoding="ascii"))
    except (OSError, ValueError):  # no container, or one without a limit
        return free
    return min(free, limit)


def _disk(place: Path) -> Check:
    folder = next((path for path in (place, *place.absolute().parents) if path.exists()), Path.cwd())
    advice = f"make room on the disk of {folder}, or choose another with --memory: 7,000 photos take about 0.1 GB"
    return _measured(f"disk at {folder}", shutil.disk_usage(folder).free / _GB, _LITTLE_DISK, _TOO_LITTLE_DISK, advice)


def _measured(name: str, gigabytes: float, little: float, too_little: float, advice: str) -> Check:
    found = f"{gigabytes:,.1f} GB free"
    if gigabytes >= little:
        return Check(name, "ok", found)
    return Check(name, "problem" if gigabytes < too_little else "warning", found, advice)


def _data_folder() -> Check:
    folder = data_directory()
    existing = next((path for path in (folder, *folder.absolute().parents) if path.exists()), Path.cwd())
    if os.access(existing, os.W_OK):
        return Check("data folder", "ok", str(folder))
    return Check("data folder", "problem", f"{folder} cannot be written", "set REVLN_DATA to a folder of yours")


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check(name, "ok", version(name))
        except PackageNotFoundError:
            yield Check(name, "problem", "not installed", "pip install --force-reinstall revln")


def _formats() -> Iterator[Check]:
    from PIL import features

    try:
        import pillow_heif

        yield Check("HEIC", "ok", f"libheif {pillow_heif.libheif_version()}")
    except ImportError as error:
        yield Check("HEIC", "warning", str(error), "pip install --force-reinstall pillow-heif, to read HEIC photos")
    for name, feature in (("AVIF", "avif"), ("WebP", "webp")):
        if features.check(feature):
            yield Check(name, "ok", str(features.version(feature) or "supported"))
        else:
            advice = f"pip install --upgrade pillow, to read {name} photos"
            yield Check(name, "warning", "not in this Pillow", advice)


def _model() -> Check:
    again = "pip install --force-reinstall revln"
    try:
        from revln.models import load_model

        model = load_model()
        problems = model.verify()
    except ImportError as error:
        return Check("model base", "problem", str(error), again)
    except BundleError as error:
        return Check("model base", "problem", str(error), again)
    if problems:
        return Check("model base", "problem", problems[0], again)
    return Check("model base", "ok", f"{model.id}, verified")


def _memory(place: Path) -> Check:
    name = "memory"
    if not place.exists():
        return Check(name, "ok", f"none at {place} yet", f"revln index FOLDER --memory {place}")
    try:
        check_processor()
        from revln.pipeline import Memory

        memory = Memory.open(place, create=False)
        records, model = len(memory), memory.model.id
    except MemoryStoreError as error:
        return Check(name, "problem", str(error), "see the message")
    except RevlnError as error:
        return Check(name, "problem", f"{place}: {error}", "index the photos into a new memory")
    return Check(name, "ok", f"{records:,} records in {place}, made with {model}")
