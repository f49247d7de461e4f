"""Noun phrases and sentences of English captions: as much as can be told without guessing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from revln.text.questions.english_words import Noun, Words

__all__ = ["Clause", "Phrase", "clause_at", "phrase_at", "phrases", "tokens_of"]

_TOKEN = re.compile(r"'s|[a-z]+(?:[-'][a-z]+)*|\d+|\S")
_PARTICLES = frozenset(
    {
        "up",
        "down",
        "out",
        "around",
        "along",
        "off",
        "away",
        "over",
        "back",
        "past",
        "by",
        "outside",
        "across",
        "through",
    }
)
_ALIVE = frozenset({"persons", "roles", "animals"})
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = {str(number): word for number, word in enumerate(_NUMBERS, start=1)}
_LONGEST = 9  # words of a noun phrase


@dataclass(frozen=True, slots=True)
class Phrase:
    """A noun with what stands before it.

    Attributes:
        noun: its head.
        words: the head with the nouns that make one name with it, as "tennis ball".
        several: whether it is of the plural.
        count: the number or article, maybe empty; "group" for a group of them.
        colours: all that are named.
        patterned: whether it is told that it has no single colour.
        whole: whether its beginning is known, so that nothing is missing from it.
        start: place of its first token.
        end: place after its last.
    """

    noun: Noun
    words: str
    several: bool
    count: str
    colours: tuple[str, ...]
    patterned: bool
    whole: bool
    start: int
    end: int

    @property
    def alive(self) -> bool:
        """Whether it is a person or an animal."""
        return self.noun.kind in _ALIVE

    @property
    def person(self) -> bool:
        """Whether it is a person."""
        return self.noun.kind in {"persons", "roles"}


@dataclass(frozen=True, slots=True)
class Clause:
    """Who does what, to what, and where.

    Attributes:
        subject: the phrase that the sentence begins with.
        joined: whether another follows it, as in "a man and a dog".
        verb: its base form; empty when the sentence tells only where the subject is.
        target: the object, if any.
        target_joined: whether another follows it.
        places: prepositions with their phrases, before the verb and after it.
        after: place of the first of them that stands after the verb.
    """

    subject: Phrase
    joined: bool = False
    verb: str = ""
    target: Phrase | None = None
    target_joined: bool = False
    places: tuple[tuple[str, Phrase], ...] = ()
    after: int = 0


def tokens_of(caption: str) -> list[str]:
    """The words and marks of a caption in lower case."""
    text = re.sub(r" ?'s\b", " 's", caption.lower().replace("’", "'")).replace("gray", "grey")
    text = re.sub(r"\b(?:snow|ice|grass|leaf|mud|sand)[- ]covered\b", "snow-covered", text)
    # These would be read as a second dog, and as a rock.
    text = re.sub(r"\b(?:each other|one another)\b", "them", text).replace("rock climbing", "climbing")
    return _TOKEN.findall(re.sub(r"\btee? ?-?shirt", "t-shirt", text))


def phrases(tokens: Sequence[str], words: Words) -> list[Phrase]:
    """All noun phrases of a caption that are understood."""
    found = []
    place = 0
    while place < len(tokens):
        phrase = phrase_at(tokens, place, words)
        if phrase is None:
            place += 1
        else:
            found.append(phrase)
            place = phrase.end
    return found


def phrase_at(tokens: Sequence[str], start: int, words: Words) -> Phrase | None:
    """The noun phrase that begins at a token, if one does."""
    place, count = start, ""
    if _at(tokens, place) in {"all", "both"}:
        place += 1
    if _at(tokens, place) in words.lists["articles"]:
        count, place = tokens[place], place + 1
    if _at(tokens, place) in words.lists["groups"] and _at(tokens, place + 1) == "of":
        inner = phrase_at(tokens, place + 2, words)
        if inner is None or not inner.several or inner.count not in words.lists["numbers"] | {""}:
            return None
        return _replaced(inner, start, _whole(tokens, start, words), inner.count or "group")
    number = _number(_at(tokens, place), words)
    if number:
        count, place = number, place + 1
    colours: list[str] = []
    names: list[str] = []
    patterned = False
    while place < min(len(tokens), start + _LONGEST):
        word, following = tokens[place], _at(tokens, place + 1)
        if word in words.colours:
            colours.append(word)
        elif word in {"and", ","} and colours and (following in words.colours or following in words.lists["shades"]):
            pass
        elif word in words.lists["patterns"]:
            patterned = True
        elif _is_head(word, following, words):
            return _made(tokens, start, place, count, (tuple(colours), patterned, names), words)
        elif word in words.lists["kinds"] or word in words.nouns:
            names.append(word)
        elif word not in words.lists["adjectives"] and word not in words.lists["shades"]:
            return None
        place += 1
    return None


def clause_at(tokens: Sequence[str], start: int, words: Words) -> Clause | None:
    """The sentence whose subject begins at a token, as far as it is understood."""
    subject = phrase_at(tokens, start, words)
    if subject is None or not subject.alive:
        return None
    place = subject.end
    if _at(tokens, place) in {"and", ",", "&"} and _phrase_after(tokens, place, words) is not None:
        return Clause(subject, joined=True)
    before, place = _modifiers(tokens, place, words)
    verb, place = _verb(tokens, place, subject, words)
    if verb is None:
        return Clause(subject, places=tuple(before), after=len(before))
    place = _past_adverbs(tokens, place, words)
    target, joined = None, False
    if verb and (target := phrase_at(tokens, place, words)) is not None:
        place = target.end
        joined = _at(tokens, place) in {"and", "or", ","} and _phrase_after(tokens, place, words) is not None
        place = _past_adverbs(tokens, place, words)
    after, _ = _prepositional(tokens, place, words)
    return Clause(subject, False, verb, target, joined, (*before, *after), len(before))


def _is_head(word: str, following: str, words: Words) -> bool:
    noun = words.nouns.get(word)
    if noun is None:
        return False
    if following not in words.nouns and following not in words.lists["kinds"]:
        return True
    # A man swings, but a tire swing; a dog house, but a dog walks.
    alive = noun.kind in _ALIVE
    verb = following in words.participles or (following in words.base if noun.several else following in words.third)
    return noun.several or (alive and verb)


def _made(
    tokens: Sequence[str],
    start: int,
    head: int,
    count: str,
    told: tuple[tuple[str, ...], bool, list[str]],
    words: Words,
) -> Phrase | None:
    noun = words.nouns[tokens[head]]
    colours, patterned, names = told
    plural = count in words.lists["numbers"] | words.lists["many"] | {"these", "those"}
    single = count in {"a", "an", "one", "this", "that", "another"}
    several = plural or (noun.several and not noun.single)
    if (plural and not noun.several) or (single and not noun.single and noun.kind != "paired"):
        return None
    # "A dirt" and "a hair boy" lack a word.
    short = single and count not in {"this", "that"} and tokens[head] in words.lists["uncountable"]
    strange = noun.kind in _ALIVE and any(_is_thing(name, words) for name in names)
    if short or strange or not _ends(_at(tokens, head + 1), words):
        return None
    text = " ".join((*names, tokens[head]))
    return Phrase(noun, text, several, count, colours, patterned, _whole(tokens, start, words), start, head + 1)


def _is_thing(word: str, words: Words) -> bool:
    return word in words.nouns and word not in words.lists["kinds"] and words.nouns[word].kind not in _ALIVE


def _replaced(inner: Phrase, start: int, whole: bool, count: str) -> Phrase:
    return Phrase(inner.noun, inner.words, True, count, inner.colours, inner.patterned, whole, start, inner.end)


def _ends(following: str, words: Words) -> bool:
    """Whether a noun phrase may end before a token; an unknown word might be its true head."""
    if not following or following in words.ends or words.is_verb(following):
        return True
    return following.endswith("ing") and following not in words.no_verbs and following not in words.nouns


def _whole(tokens: Sequence[str], start: int, words: Words) -> bool:
    """Whether nothing that stands before a phrase may belong to it."""
    if start == 0:
        return True
    before = tokens[start - 1]
    return before in words.begins or words.is_verb(before)


def _number(word: str, words: Words) -> str:
    word = _DIGITS.get(word, word)
    return word if any(word in words.lists[name] for name in ("numbers", "many", "further")) else ""


def _modifiers(tokens: Sequence[str], place: int, words: Words) -> tuple[list[tuple[str, Phrase]], int]:
    """What is said of a subject before its verb: clothes, places."""
    found: list[tuple[str, Phrase]] = []
    while True:
        comma = place + 1 if _at(tokens, place) == "," else place
        if _at(tokens, comma) in {"wearing", "dressed"}:
            start = comma + 1 + (_at(tokens, comma + 1) == "in")
        elif _at(tokens, place) in {"in", "with", "on", "at"} | ({"and"} if found else set()):
            start = place + 1
        else:
            return found, place
        word = "wearing" if tokens[start - 1] not in words.lists["prepositions"] else tokens[start - 1]
        phrase = phrase_at(tokens, start, words)
        if phrase is None:
            if start < len(tokens) and tokens[start] in words.colours and _ends(_at(tokens, start + 1), words):
                place = start + 1  # "a man in red"
                found = [*found]
                continue
            return found, place
        found.append(("with" if tokens[start - 1] == "and" else word, phrase))
        place = phrase.end


def _verb(tokens: Sequence[str], place: int, subject: Phrase, words: Words) -> tuple[str | None, int]:
    """The verb and the place after it; ``None`` when there is none that is understood, empty for "is on"."""
    word = _at(tokens, place)
    if word in {"is", "are"}:
        place = _past_adverbs(tokens, place + 1, words)
        following = _at(tokens, place)
        if following in words.participles:
            return words.participles[following], place + 1
        return ("", place) if following in words.lists["prepositions"] else (None, place)
    if word in words.participles:
        return words.participles[word], place + 1
    place = _past_adverbs(tokens, place, words)
    word = _at(tokens, place)
    if subject.several and word in words.base:
        return word, place + 1
    if not subject.several and word in words.third:
        return words.third[word], place + 1
    return None, place


def _prepositional(tokens: Sequence[str], place: int, words: Words) -> tuple[list[tuple[str, Phrase]], int]:
    found: list[tuple[str, Phrase]] = []
    while _at(tokens, place) in words.lists["prepositions"] or _at(tokens, place) in _PARTICLES:
        if tokens[place] in _PARTICLES and _at(tokens, place + 1) in words.lists["prepositions"]:
            place += 1
        phrase = phrase_at(tokens, place + 1, words)
        if phrase is None:
            break
        found.append((tokens[place], phrase))
        place = _past_adverbs(tokens, phrase.end, words)
    return found, place


def _phrase_after(tokens: Sequence[str], place: int, words: Words) -> Phrase | None:
    second = place + 1 if _at(tokens, place + 1) != "and" else place + 2
    return phrase_at(tokens, second, words)


def _past_adverbs(tokens: Sequence[str], place: int, words: Words) -> int:
    while _at(tokens, place) in words.lists["adverbs"]:
        place += 1
    return place


def _at(tokens: Sequence[str], place: int) -> str:
    return tokens[place] if place < len(tokens) else ""
