"""Captions to the words that the metrics of captions count."""

from __future__ import annotations

import re
import unicodedata

__all__ = ["caption_tokens"]

_LETTER = r"[^\W\d_]"
_ALNUM = r"[^\W_]"
_CLITIC = rf"'(?:[sdm]|re|ve|ll)(?!{_LETTER})"
# Words whose full stop belongs to them: titles, addresses, firms, dates.
_ABBREVIATIONS = (
    r"mr|mrs|ms|dr|drs|prof|rev|hon|gov|sen|rep|pres|gen|col|lt|maj|sgt|cpl|capt|pvt|adm|jr|sr|esq|ph\.d|st|ste|mt|ft|"
    r"ave|blvd|rd|bldg|dept|univ|inc|co|cos|corp|ltd|bros|sq|etc|vs|mon|tue|tues|wed|thu|thurs|fri|jan|feb|mar|apr|jun|"
    r"jul|aug|sep|sept|oct|nov|dec"
)
# PTBTokenizer takes the longest reading of what is to come. A regular expression takes the first, so the order of these
# matters. Punctuation that coco-caption leaves out fits none of them, and is passed over.
_SPACED = re.compile(
    "|".join(
        (
            rf"{_ALNUM}(?:{_ALNUM}|[.,])*(?:[-_]{_ALNUM}+)+",  # t-shirt, three-year-old
            rf"{_ALNUM}+(?:/{_ALNUM}+){{1,2}}",  # and/or, 1/2
            rf"(?:{_ABBREVIATIONS})\.(?!{_LETTER})",
            r"no\.(?= ?\d)",
            rf"{_LETTER}(?:\.{_LETTER})*\.(?!{_LETTER})",  # U.S., and also the end of "plan b."
            r"can(?=not\b)|(?:gon|wan)(?=na\b)|got(?=ta\b)|(?:lem|gim)(?=me\b)|'t(?=(?:is|was)\b)",
            rf"{_LETTER}*[^\W\d_n](?=n't)|n'ts?(?!{_LETTER})",  # is|n't
            _CLITIC,  # dog|'s
            r"'(?:[1-9]0s|\d\d|em|till?|cause)\b|'n'",  # '70s, rock 'n' roll
            r"(?-i:[A-Z]+(?:[&+][A-Z]+)+)",  # AT&T, but r|&|b
            rf"y'(?={_LETTER})",  # y'|all
            rf"[a-z](?!{_CLITIC})'{_LETTER}{{2,}}|{_LETTER}+[aeiouy]'[aeiou]{_LETTER}*",  # o'clock, ma'am
            rf"{_LETTER}{_ALNUM}*(?:[.!?]{_LETTER}{_ALNUM}*)*",  # dog, B2, statefarm.com
            rf"[+-]?(?:\d+(?:[.:,]\d+)+|(?<!\.)[.,]\d+(?:[.,]\d+)*|\d+(?!{_ALNUM}))",  # 1,000, -3.5, 10:30|pm
            rf"{_ALNUM}+",  # 3rd
            rf"#{_LETTER}\w*{_ALNUM}|@{_LETTER}\w*",
            r"""[?!]{2,}|[^\s'"`‘“”„«».?!,:;…–—-]""",
        )
    ),
    re.IGNORECASE,
)
_LONE = re.compile(rf"{_LETTER}|{_ABBREVIATIONS}", re.IGNORECASE)  # words that a full stop belongs to
_SPLIT = frozenset({"cannot", "gonna", "wanna", "gotta", "lemme", "gimme"})
_BRACKETS = {"(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-"}

_HAN = r"〇\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
_CHINESE = re.compile(rf"[{_HAN}]|[^\W_{_HAN}]+")


def caption_tokens(text: str, language: str) -> tuple[str, ...]:
    """The words of a caption in lower case, without punctuation.

    For scripts with spaces they are those of coco-caption, on which published scores are computed: the tokens of
    PTBTokenizer (Stanford CoreNLP 3.4.1) less a list of punctuation (Chen et al., "Microsoft COCO Captions", 2015,
    section 3.1). "The dog's t-shirt isn't red." gives "the", "dog", "'s", "t-shirt", "is", "n't", "red". Brackets stay,
    as "-lrb-" and "-rrb-": coco-caption looks for their names in capitals. Web addresses, telephone numbers, smileys
    and rarer abbreviations come out differently.

    Chinese has no such convention for words: each Han character is one, and each run of other letters and digits.

    Args:
        text: the caption.
        language: ISO 639-1 code of its language.
    """
    if language == "zh":
        return tuple(_CHINESE.findall(unicodedata.normalize("NFKC", text).lower()))
    if (words := _plain_words(text)) is not None:
        return words
    # Lower case comes last: AT&T is a word for its capitals.
    return tuple(_BRACKETS.get(token, token.lower()) for token in _SPACED.findall(text.replace("’", "'")))


def _plain_words(text: str) -> tuple[str, ...] | None:
    """The words of a sentence that has nothing but words in it, as most captions do; the expression takes long."""
    words = tuple(text.lower().removesuffix(".").split())
    if not (text.isascii() and "".join(words).isalpha()) or not _SPLIT.isdisjoint(words):
        return None
    return None if text.endswith(".") and _LONE.fullmatch(words[-1]) else words
