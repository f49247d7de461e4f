"""Resources: what the memory holds, and the pictures that it keeps of photos."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    BlobResourceContents,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from revln.errors import ImageError, InputError
from revln.mcp.errors import told
from revln.mcp.service import Service
from revln.mcp.shapes import readable
from revln.mcp.tools import THUMB_TYPE

__all__ = ["Resources"]

_MEMORY = "revln://memory"
_PHOTO = "revln://photo/"
_ID = re.compile("[0-9a-f]{20}")
_JSON = "application/json"
_LABELS = 100  # the most frequent


class Resources:
    """The resources of a server.

    Args:
        service: what they are read from.
    """

    def __init__(self, service: Service) -> None:
        self._service, self._memory = service, service.memory

    async def list(self, *_: Any) -> ListResourcesResult:
        """Lists those that are not of a single photo."""
        about = "What the memory holds: records of each kind and source, the most frequent labels, the time it spans."
        memory = Resource(uri=_MEMORY, name="memory", title="The memory", description=about, mime_type=_JSON)
        return ListResourcesResult(resources=[memory])

    async def templates(self, *_: Any) -> ListResourceTemplatesResult:
        """Tells how those of single photos are named."""
        about = "The small picture that the memory keeps of a photo, by the photo's id."
        photo = ResourceTemplate(
            uri_template=f"{_PHOTO}{{id}}", name="photo", title="A photo", description=about, mime_type=THUMB_TYPE
        )
        return ListResourceTemplatesResult(resource_templates=[photo])

    async def read(self, _: Any, asked: ReadResourceRequestParams) -> ReadResourceResult:
        """Reads one."""
        uri = str(asked.uri)
        read: Callable[[], TextResourceContents | BlobResourceContents]
        if uri == _MEMORY:
            read = self._info
        elif uri.startswith(_PHOTO) and _ID.fullmatch(record := uri.removeprefix(_PHOTO)):
            read = partial(self._photo, uri, record)
        else:
            raise MCPError(INVALID_PARAMS, f"there is no {uri}: read {_MEMORY} or {_PHOTO}{{id}}", {"uri": uri})
        try:
            return ReadResourceResult(contents=[await self._service.run(read)])
        except Exception as error:
            code = INVALID_PARAMS if isinstance(error, InputError) else INTERNAL_ERROR
            raise MCPError(code, told(error), {"uri": uri}) from error

    def _info(self) -> TextResourceContents:
        counts = sorted(self._memory.label_counts().items(), key=lambda count: (-count[1], count[0]))
        found = {
            "path": str(self._memory.path.absolute()),
            **self._memory.info().to_dict(),
            "labels": dict(counts[:_LABELS]),
        }
        text = json.dumps(readable(found), ensure_ascii=False, indent=2)
        return TextResourceContents(uri=_MEMORY, mime_type=_JSON, text=text)

    def _photo(self, uri: str, record: str) -> BlobResourceContents:
        thumb = self._memory.thumbs([record]).get(record)
        if thumb is None:
            raise ImageError(self._memory.record(record).uri, "no photo")
        return BlobResourceContents(uri=uri, mime_type=THUMB_TYPE, blob=b64encode(thumb).decode("ascii"))
