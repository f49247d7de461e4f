"""Questions out of Chinese captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from functools import cache

from revln.text.questions.chinese_phrases import Doing, Sentence, sentence_of
from revln.text.questions.chinese_words import Token, Words, chinese_words, kinds_at, tokens_of
from revln.text.questions.claims import Claim, Reading

__all__ = ["LANGUAGE", "answers", "broader", "gives_away", "read"]

LANGUAGE = "zh"

_ONE_NEEDS = 3  # 一只狗 leaves open whether there are more
_ASIDE_NEEDS = 2  # of those that a caption names by the way there may be more
_ACTIVITY_NEEDS = 2  # one caption alone may tell of the lesser part of what goes on
_ON_TOP = frozenset({"坐", "站", "躺", "趴"})


def read(caption: str) -> Reading:
    """What a Chinese caption says."""
    words = chinese_words()
    tokens = tokens_of(caption, words)
    sentence = sentence_of(tokens, words)
    claims = [
        *_numbers(tokens, sentence),
        *_colours(tokens),
        *_places(tokens),
        *(_sentence_claims(sentence, words) if sentence else ()),
    ]
    persons = {token.name("persons", "roles") for token in tokens} - {""}
    return Reading(tuple(claims), frozenset(_several(tokens, sentence, words)), frozenset(persons))


def broader() -> Mapping[str, Set[str]]:
    """The broader words of each answer."""
    return chinese_words().broader


@cache
def answers() -> Mapping[str, Set[str]]:
    """Every answer, by the type of question."""
    tables = chinese_words().tables
    worn = tables["asked"]["戴"][1].split() + tables["asked"]["穿"][1].split()
    return {
        "object": frozenset({*tables["persons"], *tables["animals"], *tables["things"], *worn}),
        "number": frozenset(tables["numbers"]),
        "colour": frozenset(tables["colours"]),
        "activity": frozenset(tables["activities"]),
        "place": frozenset(tables["places"]),
    }


def gives_away(question: str, answer: str) -> bool:
    """Whether a question holds its answer, or the one character that tells it."""
    return answer in question or answer.removesuffix("色") in question


def _several(tokens: Sequence[Token], sentence: Sentence | None, words: Words) -> Iterator[str]:
    if sentence and sentence.count not in {"", "一"}:
        yield sentence.name
    for place, token in enumerate(tokens):
        if token.text == "人群":
            yield from ("人", *words.tables["persons"])
        name = token.name("persons", "roles", "animals")
        before = _before_adjectives(tokens, place)
        if name and ("们" in kinds_at(tokens, place + 1) or _is_plural(kinds_at(tokens, before))):
            yield name


def _is_plural(kinds: Mapping[str, str]) -> bool:
    return "many" in kinds or "further" in kinds or kinds.get("count", "一") != "一"


def _before_adjectives(tokens: Sequence[Token], place: int) -> int:
    """The place of the first word before a noun that tells nothing of its kind."""
    place -= 1
    while not kinds_at(tokens, place).keys().isdisjoint({"adjective", "colours", "patterned"}):
        place -= 1
    return place


def _numbers(tokens: Sequence[Token], sentence: Sentence | None) -> Iterator[Claim]:
    if any("further" in token.kinds for token in tokens):
        return
    if sentence and sentence.count:
        yield from _number(sentence.name, sentence.word, sentence.kind, sentence.count, sentence.classifier, 1)
    for place, token in enumerate(tokens):
        kind = next((kind for kind in ("persons", "roles", "animals") if kind in token.kinds), "")
        before = _before_adjectives(tokens, place)
        kinds = kinds_at(tokens, before)
        following = kinds_at(tokens, place + 1)
        if kind and before >= 0 and ("count" in kinds or "many" in kinds) and "的" not in following:
            first = before == 0 or not kinds_at(tokens, before - 1).keys().isdisjoint({"有", "的"})
            count = "many" if "many" in kinds or "们" in following else kinds["count"]
            least = 1 if first else _ASIDE_NEEDS
            yield from _number(token.kinds[kind], token.text, kind, count, kinds.get("classifier", ""), least)


def _number(name: str, word: str, kind: str, count: str, classifier: str, least: int) -> Iterator[Claim]:
    if count == "many" or classifier in {"群", "对"}:
        yield Claim("number", name, "")
        return
    classifier = "只" if kind == "animals" and classifier == "个" else classifier
    question = f"图中有几{classifier}{word if kind == 'roles' else name}？"
    if count != "一":
        yield Claim("number", name, count, question, least=least)
    elif kind != "roles":
        yield Claim("number", name, count, question, name, _ONE_NEEDS, always=True)


def _colours(tokens: Sequence[Token]) -> Iterator[Claim]:
    """Colours right before a noun; only of an animal is it asked without an owner."""
    for place, token in enumerate(tokens):
        name = token.name("animals", "clothes", "things")
        before = _before_adjectives(tokens, place)
        run = tokens[before + 1 : place]
        colours = {each.kinds["colours"] for each in run if "colours" in each.kinds}
        patterned = any("patterned" in each.kinds for each in run)
        patterned = patterned or token.text in chinese_words().tables["patterned"]["nouns"]
        if not name or not (colours or patterned):
            continue
        plural = "们" in kinds_at(tokens, place + 1) or _is_plural(kinds_at(tokens, before))
        colour = next(iter(colours)) if len(colours) == 1 and not patterned else ""
        asked = "animals" in token.kinds and not plural
        yield Claim("colour", name, colour, f"{name}是什么颜色？" if asked else "", name)


def _places(tokens: Sequence[Token]) -> Iterator[Claim]:
    """Each place that is named: it speaks for or against what is said of the subject."""
    seats = chinese_words().seats
    for place, token in enumerate(tokens):
        name = token.name("places")
        led = "在" in kinds_at(tokens, place - 1) or "beside" in kinds_at(tokens, place + 1)
        if name and led and name not in seats:
            yield Claim("place", "where", name)


def _sentence_claims(sentence: Sentence, words: Words) -> Iterator[Claim]:
    called = _called(sentence)
    supposes = sentence.name if sentence.count in {"", "一"} else ""
    person = sentence.kind != "animals"
    who = "人" if person else sentence.name
    yield from _subject(sentence, person=person)
    for doing in sentence.doings:
        if activity := _activity(doing, words):
            yield Claim("activity", who, activity, f"{called}在做什么？", supposes, _ACTIVITY_NEEDS)
        if doing.place and doing.place not in words.seats:
            yield Claim("place", "where", doing.place, f"{called}在哪里？", supposes)
        if doing.place and doing.on and doing.place_last and doing.activity in _ON_TOP:
            question = f"{called}{doing.activity}在什么上面？"
            asked = doing.place in words.seats and doing.place in words.tables["things"]
            yield Claim("object", f"{who} {doing.activity}", doing.place, question if asked else "", supposes)
        yield from _target(doing, called, who, supposes, words)


def _called(sentence: Sentence) -> str:
    """How a question names the subject."""
    word = sentence.word if sentence.kind == "roles" else sentence.name
    if word in chinese_words().tables["pairs"]["words"]:
        return f"这对{word}"
    if sentence.count in {"", "一"}:
        return "这个人" if word == "人" else word
    if sentence.count == "many":
        return f"这些{word}" if sentence.kind == "animals" else f"{word}们"
    return f"{sentence.count}{sentence.classifier}{word}"


def _activity(doing: Doing, words: Words) -> str:
    together = words.tables["together"].get(f"{doing.verb}{doing.target}") if doing.verb else None
    return str(together or doing.activity)


def _target(doing: Doing, called: str, who: str, supposes: str, words: Words) -> Iterator[Claim]:
    """What someone does something to, and the colour of clothes and things."""
    if not doing.verb:
        return
    asking, allowed = words.tables["asked"][doing.verb]
    wanted = doing.target in allowed.split() or (allowed == "things" and doing.kind == "things")
    yield Claim("object", f"{who} {asking}", doing.target, f"{called}{asking}？" if wanted else "", supposes)
    if doing.colours or doing.patterned:
        colour = doing.colours[0] if len(doing.colours) == 1 and not doing.patterned else ""
        owned = f"{called}的{doing.target}" if doing.kind == "clothes" else doing.target
        asked = doing.kind in {"clothes", "things"} and (doing.kind == "things" or doing.verb in {"穿", "戴", "带"})
        yield Claim("colour", doing.target, colour, f"{owned}是什么颜色？" if asked else "", supposes)


def _subject(sentence: Sentence, *, person: bool) -> Iterator[Claim]:
    """Who or what does it: 谁在骑马？ or 什么在雪地里奔跑？."""
    about, asking = ("who", "谁") if person else ("what", "什么")
    question = ""
    if len(sentence.doings) == 1:
        (doing,) = sentence.doings
        if (doing.activity or doing.verb) and (person or doing.place or doing.target):
            question = f"{asking}{_said(doing)}？"
    yield Claim("object", about, sentence.name, question)


def _said(doing: Doing) -> str:
    """What is done, as it follows 谁, such as 在跳舞, 穿着裙子 or 在草地上奔跑."""
    text = doing.text.replace("手拿", "手里拿", 1)
    if doing.verb in chinese_words().tables["lasting"]["verbs"]:
        text = text if doing.lasting else text.replace(doing.verb, f"{doing.verb}着", 1)
        return text.replace("带着", "戴着", 1) if doing.kind == "clothes" else text
    return text if text.startswith("在") or doing.lasting or doing.place_last else f"在{text}"
