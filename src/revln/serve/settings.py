"""What whoever starts the server decides."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from revln.config import data_directory
from revln.errors import InputError
from revln.models import cores

__all__ = ["Settings", "is_any_address", "is_loopback"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one server runs.

    Attributes:
        host: address to listen at.
        port: 0 for any that is free.
        names: what else the server is called, by a proxy or in the local network, in the ``Host`` of a request.
        token: what every request has to show; ``None`` for a server that only this machine reaches.
        read_only: whether routes that write are refused.
        roots: folders that jobs may index what is below, links resolved.
        uploads: folder that uploaded photos are kept in.
        body_bytes: length of the body of a request with an image.
        json_bytes: length of any other body.
        pixels: of an uploaded image, see ``revln.images.decode_image``.
        seconds: for a request, from its headers to the end of the answer.
        header_seconds: for the headers of a request.
        threads: that look at images, read sentences and search.
        waiting: requests that may wait for one of them.
        jobs: indexing runs that may wait for the one that runs.
        together: sentences that are encoded at once, at most.
        images_together: the same of images; fewer, since the first would wait long for the last, and gains nothing.

    Raises:
        InputError: others can reach the server, and no token is asked for.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    names: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    read_only: bool = False
    roots: tuple[Path, ...] = ()
    uploads: Path = field(default_factory=lambda: data_directory() / "uploads")
    body_bytes: int = 64 * 2**20
    json_bytes: int = 2**20
    pixels: int = 100_000_000
    seconds: float = 60.0
    header_seconds: float = 10.0
    threads: int = field(default_factory=cores)
    waiting: int = 64
    jobs: int = 16
    together: int = 16
    images_together: int = 4

    def __post_init__(self) -> None:
        if self.token is None and not is_loopback(self.host):
            raise InputError(f"{self.host} can be reached from other machines: give a token, or listen at 127.0.0.1")


def is_loopback(host: str) -> bool:
    """Whether an address, or ``localhost``, is of this machine alone."""
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_any_address(host: str) -> bool:
    """Whether it stands for all addresses of this machine, as ``0.0.0.0`` does."""
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
