"""Subjects and what is said of them in Chinese captions: as much as can be told without guessing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from revln.text.questions.chinese_words import Token, Words, kinds_at, tokens_of

__all__ = ["Doing", "Sentence", "sentence_of", "tokens_of"]

_LIVING = ("persons", "roles", "animals")
_MOST = 3  # things said of one subject


@dataclass(frozen=True, slots=True)
class Doing:
    """What is said of a subject: what it does, to what, and where.

    Attributes:
        activity: the plainest word for what it does, maybe empty.
        verb: a verb that takes an object, maybe empty.
        target: the plainest word for the object.
        kind: table of the object.
        colours: of the object.
        patterned: whether the object has no single colour.
        place: the plainest word for where it is, maybe empty.
        place_last: whether the place follows the verb.
        on: whether it is on top of the place.
        text: all of it as written, without the words for "just now".
        lasting: whether the verb has a particle that says so, and needs no other word for it.
    """

    activity: str = ""
    verb: str = ""
    target: str = ""
    kind: str = ""
    colours: tuple[str, ...] = ()
    patterned: bool = False
    place: str = ""
    place_last: bool = False
    on: bool = False
    text: str = ""
    lasting: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A subject with what is said of it.

    Attributes:
        kind: table of the subject.
        name: the plainest word for it.
        word: as written.
        count: its number, "many", or empty.
        classifier: the measure word of the number.
        doings: what is said, before the subject and after it.
    """

    kind: str
    name: str
    word: str
    count: str = ""
    classifier: str = ""
    doings: tuple[Doing, ...] = ()


def sentence_of(tokens: Sequence[Token], words: Words) -> Sentence | None:
    """What a caption says, if its beginning is understood; what follows the subject has to be understood to the end."""
    place = 1 if "有" in kinds_at(tokens, 0) else 0
    count, place = _count(tokens, place)
    doings: list[Doing] = []
    for _ in range(_MOST):
        found = _doing(tokens, place, words)
        if found is None or "的" not in kinds_at(tokens, found[1]):
            break
        doings.append(found[0])
        place = found[1] + 1
    if not count[0]:
        count, place = _count(tokens, place)
    place = _past(tokens, place, "adjective", "colours", "patterned")
    kinds = kinds_at(tokens, place)
    kind = next((kind for kind in _LIVING if kind in kinds), "")
    if not kind:
        return None
    name, word = kinds[kind], tokens[place].text
    if kind == "animals" and count[1] == "个":
        count = (count[0], "只")
    place += 1
    if "们" in kinds_at(tokens, place):
        count, place = (count[0] or "many", count[1]), place + 1
    after = _doings_to_the_end(tokens, place, words)
    if after is None:
        return None
    return Sentence(kind, name, word, count[0], count[1], (*doings, *after))


def _doings_to_the_end(tokens: Sequence[Token], place: int, words: Words) -> list[Doing] | None:
    doings: list[Doing] = []
    while place < len(tokens) and tokens[place].text not in "，,":
        found = _doing(tokens, place, words)
        if found is None or len(doings) == _MOST:
            return None
        doings.append(found[0])
        place = found[1]
    return doings


def _count(tokens: Sequence[Token], place: int) -> tuple[tuple[str, str], int]:
    kinds = kinds_at(tokens, place)
    if "many" in kinds:
        return ("many", ""), place + 1
    if "count" in kinds:
        return (kinds["count"], kinds["classifier"]), place + 1
    return ("", ""), place


def _doing(tokens: Sequence[Token], place: int, words: Words) -> tuple[Doing, int] | None:
    """What is said at a place, and where it ends."""
    start = place
    while {"正在", "正"} & kinds_at(tokens, place).keys():
        place += 1
    where = _where(tokens, place, words)
    if where is not None:
        name, on, end = where
        text = _text(tokens, place, end)
        text = text if text.startswith("在") else f"在{text}"
        again = end
        while {"正在", "正", "在"} & kinds_at(tokens, again).keys():
            again += 1
        act = _act(tokens, again)
        if act is None:
            return Doing(place=name, on=on, text=text), end
        doing, end = act
        return _with_place(doing, name, on, f"{text}{doing.text}", last=False), end
    if "在" in kinds_at(tokens, place):
        place += 1
    act = _act(tokens, place)
    if act is None:
        return None
    doing, end = act
    if "在" in kinds_at(tokens, end) and (where := _where(tokens, end, words)) is not None and doing.activity:
        return _with_place(doing, where[0], where[1], f"{doing.text}{_text(tokens, end, where[2])}", last=True), where[
            2
        ]
    return (doing, end) if end > start else None


def _with_place(doing: Doing, name: str, on: bool, text: str, *, last: bool) -> Doing:
    return replace(doing, place=name, on=on, text=text, place_last=last)


def _where(tokens: Sequence[Token], place: int, words: Words) -> tuple[str, bool, int] | None:
    """A place with a word for in or on, or with 在 before it."""
    led = "在" in kinds_at(tokens, place)
    place += led
    if led:
        place = _past(tokens, _count(tokens, place)[1], "adjective", "colours")
    name = kinds_at(tokens, place).get("places", "")
    if not name:
        return None
    beside = kinds_at(tokens, place + 1).get("beside", "")
    named = len(tokens[place].text) > 1 and not kinds_at(tokens, place).keys() & {"things"}
    if beside:
        return name, beside in {"上", "上面"}, place + 2
    return (name, False, place + 1) if led and named else None


def _act(tokens: Sequence[Token], place: int) -> tuple[Doing, int] | None:
    """A verb with its object, or one that says all by itself."""
    start = place
    if "body" in kinds_at(tokens, place):
        place += 1
    kinds = kinds_at(tokens, place)
    lasting = "着" in kinds_at(tokens, place + 1) or (place < len(tokens) and tokens[place].text.endswith("着"))
    end = place + 1 + (not {"着", "了"}.isdisjoint(kinds_at(tokens, place + 1)))
    if "verb" in kinds:
        head = _past(tokens, _count(tokens, end)[1], "adjective", "colours", "patterned")
        target = kinds_at(tokens, head)
        kind = next((kind for kind in ("things", "clothes", "animals") if kind in target), "")
        if kind:
            before = [token.kinds for token in tokens[end:head]]
            doing = Doing(
                verb=kinds["verb"],
                target=target[kind],
                kind=kind,
                colours=tuple(each["colours"] for each in before if "colours" in each),
                patterned=any("patterned" in each for each in before),
                text=_text(tokens, start, head + 1),
                lasting=lasting,
            )
            return doing, head + 1
    if place > start or "activities" not in kinds:
        return None
    return Doing(activity=kinds["activities"], text=_text(tokens, start, end), lasting=lasting), end


def _past(tokens: Sequence[Token], place: int, *kinds: str) -> int:
    while not kinds_at(tokens, place).keys().isdisjoint(kinds):
        place += 1
    return place


def _text(tokens: Sequence[Token], start: int, end: int) -> str:
    return "".join(token.text for token in tokens[start:end])
