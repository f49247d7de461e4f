"""Questions out of English captions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache

from revln.text.questions.claims import Claim, Reading
from revln.text.questions.english_phrases import Clause, Phrase, clause_at, phrases, tokens_of
from revln.text.questions.english_words import Words, english_words, plural_of

__all__ = ["LANGUAGE", "answers", "broader", "gives_away", "read"]

LANGUAGE = "en"

_ONE_NEEDS = 3  # a single "a dog" leaves open whether there are more
_ASIDE_NEEDS = 2  # of persons, and of those that a caption names by the way, there may be more
_ACTIVITY_NEEDS = 2  # one caption alone may tell of the lesser part of what goes on
_HEADGEAR = frozenset({"hat", "helmet", "headband", "bandana"})
_WHOSE = {"man": "his", "boy": "his", "woman": "her", "girl": "her"}
_OWN = frozenset({"his", "her", "their", "its"})
_FROM_HERE_TO_THERE = frozenset({"into", "onto", "from", "off", "over", "to", "towards", "toward", "past", "out"})


def read(caption: str) -> Reading:
    """What an English caption says."""
    words = english_words()
    tokens = tokens_of(caption)
    found = phrases(tokens, words)
    start = 2 if tokens[:2] in (["there", "is"], ["there", "are"]) else 0
    clause = clause_at(tokens, start, words)
    claims = [
        *_numbers(tokens, found, words),
        *_colours(tokens, found),
        *_missed_colours(tokens, found, words),
        *_places(tokens, found, words),
        *_mouths(tokens, found),
        *(_clause_claims(tokens, clause, words) if clause else ()),
    ]
    persons = frozenset(phrase.noun.name for phrase in found if phrase.person)
    return Reading(tuple(claims), frozenset(_several(found, words)), persons)


def broader() -> Mapping[str, Set[str]]:
    """The broader words of each answer."""
    return english_words().broader


@cache
def answers() -> Mapping[str, Set[str]]:
    """Every answer, by the type of question."""
    words = english_words()
    tables = words.tables
    return {
        "object": frozenset({*tables["persons"], *tables["animals"], *tables["things"], *_HEADGEAR}),
        "number": words.lists["numbers"] | {"one"},
        "colour": words.lists["colours"],
        "activity": frozenset(tables["activities"]),
        "place": frozenset(tables["places"]),
    }


def gives_away(question: str, answer: str) -> bool:
    """Whether a question holds its answer, or a word of the same stem."""
    stem = re.sub(r"(?:ing|ies|es|s|y|e)$", "", answer)
    stem = stem if len(stem) > 2 else answer
    return any(word.startswith(stem) for word in re.findall(r"[a-z]+", question.lower()))


def _several(found: Sequence[Phrase], words: Words) -> Iterator[str]:
    for phrase in found:
        if phrase.several or phrase.count in words.lists["further"]:
            yield phrase.noun.name
        elif phrase.noun.name == "crowd":
            yield from ("person", *words.tables["persons"])


def _numbers(tokens: Sequence[str], found: Sequence[Phrase], words: Words) -> Iterator[Claim]:
    # "Two dogs run and another one watches": such a caption does not say how many there are.
    if not {"another", "other", "others", "third", "more", "fourth"}.isdisjoint(tokens):
        return
    for phrase in found:
        if not phrase.alive or not phrase.whole:
            continue
        about, question = phrase.noun.name, f"How many {plural_of(phrase.noun.singular)} are there?"
        if phrase.count in words.lists["numbers"]:
            before = tokens[phrase.start - 1] if phrase.start else ""
            first = before in {"", "are"} and not phrase.person
            yield Claim(
                "number", about, "" if before == "of" else phrase.count, question, least=1 if first else _ASIDE_NEEDS
            )
        elif phrase.several and phrase.count in words.lists["many"] | {"group"}:
            yield Claim("number", about, "")
        elif phrase.count in {"a", "an", "one"} and not phrase.several and phrase.noun.kind != "roles":
            yield Claim("number", about, "one", question, phrase.noun.name, _ONE_NEEDS, always=True)


def _colours(tokens: Sequence[str], found: Sequence[Phrase]) -> Iterator[Claim]:
    worn: dict[int, Phrase] = {}
    for owner in found:
        if owner.alive and owner.whole:
            worn |= dict.fromkeys(_worn_by(tokens, owner, found), owner)
    for phrase in found:
        kind, name = phrase.noun.kind, phrase.noun.name
        if kind in {"clothes", "paired"}:
            if phrase.start in worn:
                yield from _clothes(phrase, worn[phrase.start])
            elif phrase.colours:
                yield Claim("colour", name, phrase.colours[0] if len(phrase.colours) == 1 else "")
        elif kind in {"animals", "things"} and phrase.colours:
            colour = phrase.colours[0] if len(phrase.colours) == 1 and not phrase.patterned else ""
            question = f"What colour {'are' if phrase.several else 'is'} the {phrase.words}?" if phrase.whole else ""
            yield Claim("colour", name, colour, question, "" if phrase.several else name)


def _missed_colours(tokens: Sequence[str], found: Sequence[Phrase], words: Words) -> Iterator[Claim]:
    """Colours before nouns of phrases that are not understood: they can only speak against what others say."""
    within = {place for phrase in found if phrase.whole for place in range(phrase.start, phrase.end)}
    for place, token in enumerate(tokens):
        noun = words.nouns.get(token)
        if noun is None or place in within:
            continue
        before: list[str] = []
        for word in reversed(tokens[:place]):
            if any(word in words.lists[name] for name in ("articles", "prepositions", "numbers")):
                break
            before.append(word)
        colours = words.colours & set(before)
        if colours:
            yield Claim("colour", noun.name, min(colours) if len(colours) == 1 else "")


def _places(tokens: Sequence[str], found: Sequence[Phrase], words: Words) -> Iterator[Claim]:
    """Each place that something is in, over or into: it speaks for or against what is said of the subject."""
    standing = words.tables["standing"]
    for phrase in found:
        if phrase.noun.kind == "places" and phrase.start:
            allowed = {*standing.get(phrase.noun.name, standing["usual"]), "over", "into", "onto"}
            if tokens[phrase.start - 1] in allowed:
                yield Claim("place", "where", phrase.noun.name)


def _worn_by(tokens: Sequence[str], owner: Phrase, found: Sequence[Phrase]) -> Iterator[int]:
    """Places of the clothes that are told of someone right after him: "a man in a red shirt and blue jeans"."""
    starts = {phrase.start: phrase for phrase in found}
    text = " ".join(tokens[owner.end : owner.end + 4])
    begun = re.match(r"(?:, )?(?:is |are |who is )?(?:wearing|wears|wear|dressed in|in|with|has|have)\b", text)
    if not begun:
        return
    place = owner.end + len(begun.group().split())
    while (phrase := starts.get(place)) is not None and phrase.noun.kind in {"clothes", "paired"}:
        yield place
        rest = re.match(r"(?:, and|,|and)(?: |$)", " ".join(tokens[phrase.end : phrase.end + 2]))
        if not rest:
            return
        place = phrase.end + len(rest.group().split())


def _clothes(phrase: Phrase, owner: Phrase) -> Iterator[Claim]:
    name, whose = phrase.noun.name, _possessive(owner)
    supposes = "" if owner.several else owner.noun.name
    if name in _HEADGEAR and not owner.several and owner.noun.name in _WHOSE:
        question = f"What is the {owner.words} wearing on {_WHOSE[owner.noun.name]} head?"
        yield Claim("object", "head", name, question, supposes)
    elif name in _HEADGEAR:
        yield Claim("object", "head", name)
    if phrase.colours:
        colour = phrase.colours[0] if len(phrase.colours) == 1 and not phrase.patterned else ""
        fits = phrase.several == owner.several or phrase.noun.kind == "paired" or name == "hair"
        question = f"What colour {'are' if phrase.several else 'is'} the {whose} {phrase.words}?" if fits else ""
        yield Claim("colour", name, colour, question if phrase.whole else "", supposes)


def _possessive(owner: Phrase) -> str:
    return f"{owner.words}'" if owner.words.endswith("s") else f"{owner.words}'s"


def _mouths(tokens: Sequence[str], found: Sequence[Phrase]) -> Iterator[Claim]:
    """What an animal has in its mouth: "a dog with a ball in its mouth"."""
    animal: Phrase | None = None
    for phrase in found:
        if phrase.noun.kind == "animals":
            animal = phrase
        elif animal is not None and phrase.noun.kind == "things":
            following = tokens[phrase.end : phrase.end + 3]
            before = tokens[phrase.start - 1]
            holds = before in {"with", "has", "holds", "holding", "carrying", "carries"}
            if following[:1] == ["in"] and following[2:] == ["mouth"] and following[1] in _OWN and holds:
                question = f"What does the {animal.words} have in its mouth?"
                yield Claim("object", "mouth", phrase.noun.name, question, animal.noun.name)


def _clause_claims(tokens: Sequence[str], clause: Clause, words: Words) -> Iterator[Claim]:
    subject = clause.subject
    who = "person" if subject.person else subject.noun.name
    if clause.joined:
        yield Claim("object", "who" if subject.person else "what", "")
        return
    is_the = f"{'are' if subject.several else 'is'} the {subject.words}"
    supposes = "" if subject.several else subject.noun.name
    yield from _where(clause, is_the, supposes, words)
    yield from _subject(tokens, clause, words)
    if not clause.verb:
        return
    if activity := _activity(clause, words):
        yield Claim("activity", who, activity, f"What {is_the} doing?", supposes, _ACTIVITY_NEEDS)
    yield from _target(clause, who, is_the, supposes, words)


def _activity(clause: Clause, words: Words) -> str:
    if clause.target is not None:
        together = words.tables["together"].get(f"{clause.verb} {clause.target.noun.name}")
        if together:
            return str(together)
    for preposition, phrase in clause.places[clause.after :]:
        if preposition == "on" and (together := words.tables["together"].get(f"{clause.verb} {phrase.noun.name}")):
            return str(together)
    return words.activities.get(clause.verb, "")


def _where(clause: Clause, is_the: str, supposes: str, words: Words) -> Iterator[Claim]:
    if any(preposition in _FROM_HERE_TO_THERE for preposition, _ in clause.places):
        return
    standing = words.tables["standing"]
    for preposition, phrase in clause.places:
        name = phrase.noun.name
        if phrase.noun.kind == "places" and preposition in standing.get(name, standing["usual"]):
            yield Claim("place", "where", name, f"Where {is_the}?", supposes)


def _target(clause: Clause, who: str, is_the: str, supposes: str, words: Words) -> Iterator[Claim]:
    """What someone does something to, or sits on, or jumps over."""
    asked = words.tables["asked"]
    after = clause.places[clause.after :]
    doing = words.participle(clause.verb)
    if clause.target is not None and clause.verb in asked:
        name = "" if clause.target_joined else clause.target.noun.name
        question = f"What {is_the} {doing}?" if _may_be_asked(name, asked[clause.verb], words) else ""
        yield Claim("object", f"{who} {clause.verb}", name, question, supposes)
    elif clause.target is None and after and f"{clause.verb} {after[0][0]}" in asked:
        preposition, phrase = after[0]
        name = phrase.noun.name
        wanted = _may_be_asked(name, asked[f"{clause.verb} {preposition}"], words)
        question = f"What {is_the} {doing} {preposition}?" if wanted else ""
        yield Claim("object", f"{who} {clause.verb} {preposition}", name, question, supposes)


def _may_be_asked(name: str, allowed: Sequence[str], words: Words) -> bool:
    return name in allowed or any(name in words.tables[table] for table in allowed if table in words.tables)


def _subject(tokens: Sequence[str], clause: Clause, words: Words) -> Iterator[Claim]:
    """Who or what does it: "Who is riding a horse?" or "What is running through the snow?"."""
    subject = clause.subject
    about = "who" if subject.person else "what"
    name = subject.noun.name
    after = clause.places[clause.after :][:1]
    rest = [phrase for phrase in (clause.target, *(phrase for _, phrase in after)) if phrase is not None]
    question = ""
    allowed = words.tables["going_on"]["prepositions"]
    fits = all(
        preposition in allowed and (preposition != "with" or phrase.alive or phrase.noun.kind == "things")
        for preposition, phrase in after
    )
    if clause.verb in words.activities and rest and fits and all(_reads_well(tokens, phrase, words) for phrase in rest):
        parts = [words.participle(clause.verb)]
        if clause.target is not None:
            parts += tokens[clause.target.start : clause.target.end]
        for preposition, phrase in after:
            parts += [preposition, *tokens[phrase.start : phrase.end]]
        question = f"{about.capitalize()} is {' '.join(parts)}?"
    yield Claim("object", about, name, question)


def _reads_well(tokens: Sequence[str], phrase: Phrase, words: Words) -> bool:
    inside = tokens[phrase.start : phrase.end]
    if not phrase.whole or not _OWN.isdisjoint(inside) or "," in inside:
        return False
    return bool(phrase.count) or phrase.several or phrase.words in words.lists["uncountable"] | {"football"}
