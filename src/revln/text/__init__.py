"""Tokenisation and what can be told about a sentence without a model."""

from __future__ import annotations

from revln.text.caption_tokens import caption_tokens
from revln.text.script import dominant_script, foreign_script, written_in
from revln.text.sentences import as_sentence, without_stop
from revln.text.tokenizer import SentenceTokenizer, encodable, open_tokenizer, pad

__all__ = [
    "SentenceTokenizer",
    "as_sentence",
    "caption_tokens",
    "dominant_script",
    "encodable",
    "foreign_script",
    "open_tokenizer",
    "pad",
    "without_stop",
    "written_in",
]
