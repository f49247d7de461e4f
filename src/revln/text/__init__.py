"""Tokenisation and what can be told about a sentence without a model."""

from __future__ import annotations

from revln.text.script import dominant_script, foreign_script
from revln.text.tokenizer import SentenceTokenizer, pad

__all__ = ["SentenceTokenizer", "dominant_script", "foreign_script", "pad"]
