"""English words as the rules know them: nouns with their plurals, verbs with their forms."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import cache
from typing import Any

from revln.text.questions.word_lists import narrower_to_broader, word_list

__all__ = ["Noun", "Words", "english_words", "plural_of"]

_NOUN_TABLES = ("persons", "roles", "animals", "clothes", "paired", "things", "places", "others")
_VOWELS = "aeiou"


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun in one of its numbers.

    Attributes:
        name: the plainest word for it, which is the answer.
        kind: the table that it stands in.
        singular: the word itself in singular.
        several: whether the form is of the plural.
        single: whether it is of the singular; sheep is both.
    """

    name: str
    kind: str
    singular: str
    several: bool
    single: bool


@dataclass(frozen=True, slots=True)
class Words:
    """All that is known.

    Attributes:
        lists: the plain lists, by name.
        colours: all of them, with those that are no answers.
        ends: words that a noun phrase may end before.
        begins: words that one may begin after.
        no_verbs: words in -ing that name things.
        tables: the tables of synonyms and rules, by name.
        nouns: by each of their forms.
        participles: the verb in its base form, by the form in -ing.
        third: likewise by the form of the third person singular.
        base: the base forms.
        activities: the answer by the verb.
        broader: the broader words of each answer.
    """

    lists: Mapping[str, Set[str]]
    colours: Set[str]
    ends: Set[str]
    begins: Set[str]
    no_verbs: Set[str]
    tables: Mapping[str, Any]
    nouns: Mapping[str, Noun]
    participles: Mapping[str, str]
    third: Mapping[str, str]
    base: Set[str]
    activities: Mapping[str, str]
    broader: Mapping[str, Set[str]]

    def participle(self, verb: str) -> str:
        """The form in -ing by which a question says a verb."""
        return _participle(self.tables["said"].get(verb, verb), self.tables["verb_forms"])

    def is_verb(self, word: str) -> bool:
        """Whether a word is a form of a verb that is known."""
        return word in self.participles or word in self.third or word in self.base


@cache
def english_words() -> Words:
    """The word list ``english``, with all forms."""
    content = word_list("english")
    lists = {name: frozenset(value) for name, value in content.items() if isinstance(value, list)}
    lists |= {name: frozenset(value) for name, value in content["words"].items()}
    activities = {verb: answer for answer, verbs in content["activities"].items() for verb in verbs}
    base = frozenset({*activities, *content["understood"]["verbs"]})
    forms = content["verb_forms"]
    between = lists["prepositions"] | lists["joining"] | lists["adverbs"]
    return Words(
        lists=lists,
        colours=lists["colours"] | lists["rare_colours"],
        ends=between | lists["articles"] | lists["numbers"] | frozenset(',.;!:"'),
        begins=between | {",", ".", ";", "of"},
        no_verbs=frozenset(content["understood"]["no_verbs"]),
        tables={name: value for name, value in content.items() if isinstance(value, dict)},
        nouns=_nouns(content),
        participles={_participle(verb, forms): verb for verb in base},
        third={_with_s(verb): verb for verb in base} | {"has": "have"},
        base=base,
        activities=activities,
        broader=narrower_to_broader(content["broader"]),
    )


def plural_of(word: str) -> str:
    """The plural of a noun."""
    return str(word_list("english")["plurals"].get(word) or _with_s(word))


def _nouns(content: Mapping[str, Any]) -> dict[str, Noun]:
    nouns: dict[str, Noun] = {}
    for table in _NOUN_TABLES:
        for name, synonyms in content[table].items():
            for word in (name, *synonyms):
                if word.endswith("s") and table in {"paired", "places"}:
                    nouns.setdefault(word, Noun(name, table, word, True, False))
                    continue
                plural = plural_of(word)
                if plural == word:
                    nouns.setdefault(word, Noun(name, table, word, True, True))
                    continue
                nouns.setdefault(word, Noun(name, table, word, False, True))
                nouns.setdefault(plural, Noun(name, table, word, True, False))
    return nouns


def _with_s(word: str) -> str:
    """A noun's plural or a verb's third person, by the common rule of both."""
    if word.endswith("y") and word[-2] not in _VOWELS:
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "z", "ch", "sh", "do", "go")) else f"{word}s"


def _participle(verb: str, forms: Mapping[str, Any]) -> str:
    if verb in forms:
        return str(forms[verb])
    if verb in forms["doubled"]:
        return f"{verb}{verb[-1]}ing"
    return f"{verb[:-1]}ing" if verb.endswith("e") and not verb.endswith("ee") else f"{verb}ing"
