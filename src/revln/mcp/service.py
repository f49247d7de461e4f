"""What all tools and resources work with: the memory, and the threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import anyio
import anyio.to_thread

from revln.errors import QueryError
from revln.images import open_image
from revln.mcp.files import allowed_file
from revln.mcp.settings import Settings
from revln.models import Model
from revln.pipeline import Memory
from revln.types import ImageEncoding, Record

__all__ = ["Seen", "Service"]

Result = TypeVar("Result")


class Seen(NamedTuple):
    """A photo that was looked at.

    Attributes:
        uri: its path.
        model: that looked at it.
        encoding: what it saw.
    """

    uri: str
    model: Model
    encoding: ImageEncoding


class Service:
    """One memory in service.

    Args:
        memory: what is asked.
        settings: see there.

    Attributes:
        memory: see above.
        settings: see above.
    """

    def __init__(self, memory: Memory, settings: Settings) -> None:
        self.memory, self.settings = memory, settings
        self._limiter = anyio.CapacityLimiter(settings.threads)
        self._written = 0

    def open(self) -> None:
        """Gets ready, so that the first call does not wait for the model's files and the vectors to be read.

        Raises:
            RevlnError: the model or the memory cannot be used.
        """
        model = self.memory.current_model()
        model.encoder.warm_up()
        model.encode_texts([""])
        self.memory.searcher()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Has a thread do something; it is finished even when nobody waits for it any more."""
        return await anyio.to_thread.run_sync(work, limiter=self._limiter)

    def file(self, path: str) -> Path:
        """An image file that a client names.

        Raises:
            InputError: it may not be read.
        """
        return allowed_file(path, self.settings.roots)

    def look(self, record: str | None, path: str | None) -> Seen:
        """Looks at the photo of a record, or at an image file.

        A record's file is looked at, or its thumb where that cannot be read any more.

        Raises:
            QueryError: none is given, or both.
            RecordNotFoundError: there is no such record.
            InputError: the file may not be read.
            ImageError: it cannot be read.
        """
        if (record is None) == (path is None):
            raise QueryError("which photo is meant: give an id or an image_path, one of the two")
        model = self.memory.current_model()
        transform = model.encoder.transform
        if record is not None:
            uri = self.memory.record(record).uri
            image = self.memory.picture(record, transform.min_side)
        else:
            file = self.file(str(path))
            uri, image = str(file), open_image(file, min_side=transform.min_side)
        return Seen(uri, model, model.encoder.encode_pixels(transform(image)[None]))

    def wrote(self, record: Record) -> Record:
        """Tidies the memory up now and then.

        Args:
            record: that was written, which is returned.
        """
        self._written += 1
        if self._written % self.settings.writes_between_upkeep == 0:
            self.memory.keep_up()
        return record
