"""Where photos and knowledge come from: folders, tables, archives, notes, WordNet. Each source is one small class."""

from revln.sources.captioned import CaptionedSource
from revln.sources.captions import read_captions, read_split
from revln.sources.confined import ConfinedSource
from revln.sources.exclude import Exclusion
from revln.sources.files import photo_candidate
from revln.sources.folder import FolderSource
from revln.sources.notes import NoteSource
from revln.sources.opening import ChainedSource, PathKind, kind_of, open_sources
from revln.sources.question_files import read_questions, write_questions
from revln.sources.questions import QuestionSource
from revln.sources.sidecars import SidecarFacts, read_sidecar
from revln.sources.tables import TableSource
from revln.sources.webdataset import WebDatasetSource, read_archived
from revln.sources.wordnet import WordNetSource

__all__ = [
    "CaptionedSource",
    "ChainedSource",
    "ConfinedSource",
    "Exclusion",
    "FolderSource",
    "NoteSource",
    "PathKind",
    "QuestionSource",
    "SidecarFacts",
    "TableSource",
    "WebDatasetSource",
    "WordNetSource",
    "kind_of",
    "open_sources",
    "photo_candidate",
    "read_archived",
    "read_captions",
    "read_questions",
    "read_sidecar",
    "read_split",
    "write_questions",
]
