"""Where photos and their captions come from."""

from revln.sources.captions import read_captions, read_split
from revln.sources.exclude import Exclusion
from revln.sources.folder import FolderSource

__all__ = ["Exclusion", "FolderSource", "read_captions", "read_split"]
