"""WebDataset shards: tar archives in which the members that share a name make one sample.

The format: Aizman, Maltby and Breuel, 2019 (arXiv 2001.01858). The name of a sample ends at the first point of a
member's file name, and its members follow each other.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from revln.errors import ImageError
from revln.images import IMAGE_SUFFIXES, os_reason
from revln.images.decode import PIXEL_LIMIT, byte_limit
from revln.sources.files import absolute, printable, stat_file
from revln.sources.rows import label_of, texts_of
from revln.types import Candidate, Skipped

__all__ = ["WebDatasetSource", "read_archived"]

_SUFFIX = ".tar"
_TEXT_BYTES = 2**20
_SAID = frozenset({".txt", ".json", ".cls"})
_SHARDS = 4  # whose photos are remembered by name: a few megabytes for ten thousand


class WebDatasetSource:
    """The images of a ``.tar`` shard, with the captions and the class of their sample.

    Captions come from ``.txt`` (one a line) and ``.json`` (``caption``, ``captions``, ``text`` or ``texts``), the class
    from ``.cls`` or the ``label`` of the ``.json``. Nothing is extracted: a photo is read from its place in the
    archive, and names are names only, wherever they seem to lead. A photo's uri is the path of the shard, then its
    name in it.

    Args:
        path: an uncompressed tar archive.
        name: what the records call their source.
    """

    def __init__(self, path: Path | str, *, name: str = "files") -> None:
        self._path = absolute(Path(path))
        self._name = name

    def scan(self) -> Iterator[Candidate | Skipped | None]:
        """Yields each image as a candidate, what cannot be used with the reason, and ``None`` for other members.

        Of a shard that was cut short, what is whole is yielded, and then the shard with the reason.
        """
        status = stat_file(self._path)
        if isinstance(status, Skipped):
            yield status
            return
        try:
            with self._path.open("rb") as file:
                archive = _Archive(file, status.st_size)
                for _, members in groupby(archive, _Member.sample):
                    yield from self._sample(list(members), status.st_mtime_ns)
        except OSError as error:
            yield Skipped(str(self._path), os_reason(error))
            return
        if archive.problem:
            yield Skipped(str(self._path), archive.problem)

    def _sample(self, members: Iterable[_Member], mtime_ns: int) -> Iterator[Candidate | Skipped | None]:
        texts: list[str] = []
        labels: list[str] = []
        images: list[_Member] = []
        for member in members:
            if member.suffix in IMAGE_SUFFIXES:
                images.append(member)
            elif member.suffix not in _SAID:
                yield None
            else:
                try:
                    self._take(member, texts, labels)
                except (ImageError, ValueError, RecursionError):
                    yield Skipped(printable(self._path / member.name), "is no text in UTF-8 or no valid JSON")
        for image in images:
            uri = str(self._path / image.name)
            if uri != (shown := printable(self._path / image.name)):
                yield Skipped(shown, "name is not UTF-8")
                continue
            yield Candidate(
                source=self._name,
                kind="image",
                uri=uri,
                path=self._path,
                size=image.size,
                mtime_ns=mtime_ns,  # of the shard: writers of shards put any time on the members
                texts=tuple(dict.fromkeys(texts)) or None,
                label=next(iter(labels), None),
                load=partial(_read, self._path, image, byte_limit(PIXEL_LIMIT)),
            )

    def _take(self, member: _Member, texts: list[str], labels: list[str]) -> None:
        """Takes in what a text member of a sample says."""
        content = _read(self._path, member, _TEXT_BYTES).decode("utf-8")
        if member.suffix == ".txt":
            texts += filter(None, map(str.strip, content.splitlines()))
        elif member.suffix == ".cls":
            labels += filter(None, [content.strip()])
        elif isinstance(said := json.loads(content), dict):
            texts += texts_of(said)
            labels += filter(None, [label_of(said)])


def read_archived(uri: str) -> bytes | None:
    """Content of a photo in a shard by its uri, as of the candidates of a ``WebDatasetSource``.

    Returns:
        ``None`` when the uri leads into no shard, or to no photo there.

    Raises:
        ImageError: the photo is too large, or cut short.
        OSError: the shard cannot be read.
    """
    for shard in Path(uri).parents:
        if shard.suffix.lower() == _SUFFIX and shard.is_file():
            status = shard.stat()
            member = _photos(shard, (status.st_size, status.st_mtime_ns)).get(uri)
            return None if member is None else _read(shard, member, byte_limit(PIXEL_LIMIT))
    return None


@lru_cache(_SHARDS)
def _photos(shard: Path, state: tuple[int, int]) -> Mapping[str, _Member]:
    """The photos of a shard by uri; of several with one name the last, as when the shard is indexed."""
    with shard.open("rb") as file:
        members = _Archive(file, state[0])
        return {str(shard / member.name): member for member in members if member.suffix in IMAGE_SUFFIXES}


class _Member(NamedTuple):
    """A file in an archive.

    Attributes:
        name: its path in the archive, as if it were below it.
        offset: of its content, in bytes.
        size: bytes.
    """

    name: str
    offset: int
    size: int

    def sample(self) -> str:
        """Name of the sample that it belongs to."""
        folder, slash, name = self.name.rpartition("/")
        return f"{folder}{slash}{name.partition('.')[0]}"

    @property
    def suffix(self) -> str:
        """What kind of file it is: ``.jpg`` for ``00017.left.jpg``."""
        return PurePosixPath(self.name).suffix.lower()


class _Archive:
    """The regular files of a tar archive, one after the other, none of them read.

    Attributes:
        problem: why there may be more than was found, once all has been found.
    """

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._size = file, size
        self.problem: str | None = None

    def __iter__(self) -> Iterator[_Member]:
        try:
            tar = tarfile.open(fileobj=self._file, mode="r:")  # noqa: SIM115 - it holds nothing but the file
            while (info := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # which would be kept for all of a shard
                if not 0 <= info.size <= self._size - info.offset_data:
                    self.problem = f"truncated within {info.name}"
                    return
                if info.isreg() and not info.issparse():
                    yield _Member(info.name.lstrip("/"), info.offset_data, info.size)
        except (tarfile.TarError, ValueError) as error:
            self.problem = f"no sound tar archive: {error}"
            return
        # At a header that it cannot read, tarfile ends as if the archive did; the end is a block of zeros.
        self._file.seek(tar.offset)
        block = self._file.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE:
            self.problem = "truncated"
        elif any(block):
            self.problem = f"damaged at byte {tar.offset:,}"


def _read(shard: Path, member: _Member, limit: int) -> bytes:
    """Content of a member.

    Raises:
        ImageError: it is too large, or the shard became shorter.
        OSError: the shard cannot be read.
    """
    name = f"{shard}/{member.name}"
    if member.size > limit:
        raise ImageError(name, f"{member.size:,} bytes are over the limit of {limit:,}")
    with shard.open("rb") as file:
        file.seek(member.offset)
        data = file.read(member.size)
    if len(data) < member.size:
        raise ImageError(name, "truncated")
    return data
