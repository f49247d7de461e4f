"""What the processor can do, found out without running anything that it might not be able to."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

__all__ = ["REQUIRED", "missing_features", "processor_features"]

REQUIRED = ("avx2", "fma", "f16c")
"""Instruction sets that Lance's x86-64 wheels are compiled for."""

_CPUINFO = Path("/proc/cpuinfo")
_HEAD = 8192  # the first processor's entry; all are alike


def processor_features() -> frozenset[str] | None:
    """Names of the instruction sets; ``None`` where the system does not tell."""
    if sys.platform != "linux":
        return None
    try:
        with _CPUINFO.open(encoding="utf-8", errors="replace") as file:
            head = file.read(_HEAD)
    except OSError:
        return None
    for line in head.splitlines():
        name, _, values = line.partition(":")
        if name.strip().lower() in {"flags", "features"}:
            return frozenset(values.split())
    return None


def missing_features() -> list[str]:
    """Instruction sets that are needed and not there; empty where that is unknown."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return []
    features = processor_features()
    return [] if features is None else [name for name in REQUIRED if name not in features]
