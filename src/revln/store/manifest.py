"""``memory.json``: what makes a directory a memory, and with which encoder its vectors were made."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from revln.errors import MemoryStoreError
from revln.store.failures import store_failures
from revln.types import Modality

__all__ = ["FORMAT_VERSION", "MANIFEST_FILE", "Manifest", "VectorColumns"]

FORMAT_VERSION = 2
MANIFEST_FILE = "memory.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class VectorColumns:
    """Where the vectors of one encoder are.

    Attributes:
        encoder_id: the encoder.
        dim: width of its vectors.
        image_column: column of image vectors.
        text_column: column of lists of caption vectors.
    """

    encoder_id: str
    dim: int
    image_column: str
    text_column: str

    @classmethod
    def of_encoder(cls, encoder_id: str, dim: int) -> VectorColumns:
        """New columns, named after the encoder, so that those of two encoders lie beside each other."""
        suffix = re.sub(r"\W", "_", encoder_id, flags=re.ASCII)
        return cls(encoder_id, dim, f"image_vector_{suffix}", f"text_vectors_{suffix}")

    @property
    def names(self) -> tuple[str, str]:
        """Both columns."""
        return self.image_column, self.text_column

    def is_sound(self) -> bool:
        """Whether all values are of their types, as those from a file may not be."""
        texts = (self.encoder_id, *self.names)
        return all(isinstance(text, str) for text in texts) and isinstance(self.dim, int) and self.dim >= 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of ``memory.json``.

    Attributes:
        encoder_id: encoder that made the active vectors.
        dim: their width.
        image_column: active column of image vectors; a migration fills other columns and then switches these names.
        text_column: active column of caption vectors.
        created_at: ISO 8601, UTC.
        format_version: layout of the directory.
        previous: vectors of the encoder before the last migration, to which ``rollback`` returns.
    """

    encoder_id: str
    dim: int
    image_column: str = "image_vector"
    text_column: str = "text_vectors"
    created_at: str = field(default_factory=_now)
    format_version: int = FORMAT_VERSION
    previous: VectorColumns | None = None

    @property
    def active(self) -> VectorColumns:
        """The vectors in use."""
        return VectorColumns(self.encoder_id, self.dim, self.image_column, self.text_column)

    def switched(self, target: VectorColumns) -> Manifest:
        """The manifest with other vectors in use, and those of today kept as the previous ones."""
        return replace(self, **asdict(target), previous=self.active)

    def column(self, modality: Modality) -> str:
        """Active column of the vectors of a modality."""
        return self.image_column if modality == "image" else self.text_column

    def save(self, directory: Path) -> None:
        """Writes ``memory.json`` so that a reader sees the old one or the new one, never a part.

        Raises:
            MemoryStoreError: it cannot be written.
        """
        target = directory / MANIFEST_FILE
        draft = directory / f".{MANIFEST_FILE}.{os.getpid()}"
        with store_failures(directory, "write"):
            with draft.open("w", encoding="utf-8") as file:
                facts = asdict(self)
                if self.previous is None:
                    del facts["previous"]  # so that revln of before ``migrate`` can read what was never migrated
                json.dump(facts, file, indent=2)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
            _sync_directory(directory)

    @classmethod
    def load(cls, directory: Path) -> Manifest:
        """Reads ``memory.json``.

        Raises:
            MemoryStoreError: there is no memory, or it is foreign, damaged or of a newer revln.
        """
        path = directory / MANIFEST_FILE
        try:
            return cls._parsed(path, path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise MemoryStoreError(
                f"no memory at {directory}: make one with `revln index FOLDER --memory {directory}`"
            ) from error
        except OSError as error:
            raise MemoryStoreError(f"cannot read {path}: {error.strerror}: check its permissions") from error
        except UnicodeDecodeError as error:
            raise _damaged(path) from error

    @classmethod
    @lru_cache(maxsize=8)  # every search reads the file twice, and it hardly ever changes
    def _parsed(cls, path: Path, text: str) -> Manifest:
        try:
            facts = json.loads(text)
        except ValueError as error:
            raise _damaged(path) from error
        version = facts.get("format_version") if isinstance(facts, dict) else None
        if not isinstance(version, int):
            raise _damaged(path)
        if version > FORMAT_VERSION:
            raise MemoryStoreError(
                f"{path.parent} has format {version}, this revln reads up to {FORMAT_VERSION}: upgrade revln"
            )
        if version < FORMAT_VERSION:
            raise MemoryStoreError(
                f"{path.parent} has format {version}, from before the first release: index the photos into a new memory"
            )
        try:
            previous = facts.pop("previous", None)
            manifest = cls(**facts, previous=None if previous is None else VectorColumns(**previous))
        except TypeError as error:
            raise _damaged(path) from error
        sound = manifest.active.is_sound() and (manifest.previous is None or manifest.previous.is_sound())
        if not sound or not isinstance(manifest.created_at, str):
            raise _damaged(path)
        return manifest


def _damaged(path: Path) -> MemoryStoreError:
    return MemoryStoreError(f"{path} is damaged: restore it from a copy, or index the photos into a new memory")


def _sync_directory(directory: Path) -> None:
    """Makes a rename survive a power cut; Windows neither needs nor allows it."""
    if os.name == "nt":
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
