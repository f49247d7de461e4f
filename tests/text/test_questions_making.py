from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revln.errors import InputError
from revln.text.questions import LANGUAGES, TYPES, Question, answers_of, balanced, questions_of

ANSWERS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(TYPES[:2])), max_size=60)


def made(answers: str, kind: str = "colour", language: str = "en") -> list[Question]:
    """A question for each letter."""
    return [Question(f"{place}.jpg", "What?", answer, kind, language) for place, answer in enumerate(answers)]


def counts(questions: list[Question]) -> Counter[str]:
    return Counter(question.answer for question in questions)


def test_the_languages() -> None:
    assert LANGUAGES == ("en", "zh")
    for language in LANGUAGES:
        assert set(answers_of(language)) == set(TYPES)
        assert all(answer and " " not in answer for words in answers_of(language).values() for answer in words)


def test_captions_of_both_languages() -> None:
    captions = {"a.jpg": ("A brown dog .", "两只猫在睡觉。"), "b.jpg": ()}
    assert questions_of(captions, "en") == [Question("a.jpg", "What colour is the dog?", "brown", "colour", "en")]
    assert {question.language for question in questions_of(captions, "zh")} == {"zh"}


def test_an_unknown_language() -> None:
    with pytest.raises(InputError, match=r"no questions can be made in 'de': choose en or zh"):
        questions_of({}, "de")
    with pytest.raises(InputError):
        answers_of("")


def test_no_answer_is_more_than_a_third() -> None:
    assert counts(balanced(made("a" * 50 + "b" * 5 + "c" * 5))) == {"a": 5, "b": 5, "c": 5}
    assert counts(balanced(made("a" * 50 + "b" * 6 + "c" * 3 + "d" * 2))) == {"a": 5, "b": 5, "c": 3, "d": 2}


def test_of_two_answers_each_may_be_half() -> None:
    assert counts(balanced(made("aaaab"))) == {"a": 1, "b": 1}
    assert counts(balanced(made("aaaa"))) == {"a": 4}


def test_rare_answers_are_dropped_before_common_ones_are_thinned() -> None:
    assert counts(balanced(made("aaaabbc"), min_count=2)) == {"a": 2, "b": 2}
    assert counts(balanced(made("aaaabbc"), min_count=2, thin=False)) == {"a": 4, "b": 2}
    assert balanced(made("aab"), min_count=9) == []


def test_types_and_languages_are_balanced_apart() -> None:
    questions = [*made("aaa"), *made("bbb", "place"), *made("ccc", language="zh")]
    assert balanced(questions) == questions


@given(ANSWERS, st.integers(1, 4))
def test_what_balancing_keeps(answers: list[tuple[str, str]], min_count: int) -> None:
    questions = [Question(f"{place}.jpg", "What?", *each, "en") for place, each in enumerate(answers)]
    kept = balanced(questions, min_count=min_count)
    assert kept == balanced(questions, min_count=min_count)
    assert kept == [question for question in questions if question in kept]
    assert sorted(balanced(questions[::-1], min_count=min_count), key=str) == sorted(kept, key=str)
    for kind in TYPES:
        before = {
            answer for answer, count in counts([q for q in questions if q.type == kind]).items() if count >= min_count
        }
        found = counts([question for question in kept if question.type == kind])
        assert set(found) == before
        assert not found or max(found.values()) <= max(found.total() / 3, found.total() / len(found))
