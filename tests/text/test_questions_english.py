from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revln.text.questions import TYPES, answers_of, questions_of
from revln.text.questions.english import gives_away
from revln.text.questions.english_words import english_words, plural_of


def asked(*captions: str) -> dict[str, str]:
    """Answers by question."""
    return {question.question: question.answer for question in questions_of({"a.jpg": captions}, "en")}


@pytest.mark.parametrize(
    ("captions", "question", "answer"),
    [
        # number
        (["Two dogs dig holes ."], "How many dogs are there?", "two"),
        (["Three young women wait for a tram ."], "How many women are there?", "three"),
        (["There are 4 horses near the barn ."], "How many horses are there?", "four"),
        (["A group of five children smile ."], "How many children are there?", "five"),
        (["A cat sleeps .", "A cat naps on a mat .", "A small cat lies there ."], "How many cats are there?", "one"),
        # colour
        (["A brown dog barks ."], "What colour is the dog?", "brown"),
        (["Two white goats chew leaves ."], "What colour are the goats?", "white"),
        (["A gray cat is on the roof ."], "What colour is the cat?", "grey"),
        (["A man in a bright green jacket and black boots waits ."], "What colour is the man's jacket?", "green"),
        (["A man in a green jacket and black boots waits ."], "What colour are the man's boots?", "black"),
        (["The girl is wearing a purple dress ."], "What colour is the girl's dress?", "purple"),
        (["Two boys in yellow shirts wait ."], "What colour are the boys' shirts?", "yellow"),
        (["A lady leans against a red truck ."], "What colour is the truck?", "red"),
        # activity
        (["A dog runs on a lawn .", "The dog is running ."], "What is the dog doing?", "running"),
        (["Two girls dance .", "Two girls dancing in a hall"], "What are the girls doing?", "dancing"),
        (["A boy in a blue cap leaps .", "A boy is jumping ."], "What is the boy doing?", "jumping"),
        (["A man rides a bike .", "A man is riding his bicycle ."], "What is the man doing?", "cycling"),
        # place
        (["A woman stands on a beach ."], "Where is the woman?", "beach"),
        (["Two dogs play in the snow ."], "Where are the dogs?", "snow"),
        (["A boy sits in the sea ."], "Where is the boy?", "ocean"),
        # object
        (["A man is riding a horse ."], "What is the man riding?", "horse"),
        (["A girl holds a red balloon ."], "What is the girl holding?", "balloon"),
        (["A boy sits on a sofa ."], "What is the boy sitting on?", "couch"),
        (["A dog jumps over a log ."], "What is the dog jumping over?", "log"),
        (["A dog with a stick in its mouth"], "What does the dog have in its mouth?", "stick"),
        (["A woman in a straw hat waits ."], "What is the woman wearing on her head?", "hat"),
        (["A dog is running through the snow ."], "What is running through the snow?", "dog"),
        (["A lady rides a camel ."], "Who is riding a camel?", "woman"),
    ],
)
def test_asked(captions: list[str], question: str, answer: str) -> None:
    assert asked(*captions).get(question) == answer


@pytest.mark.parametrize(
    "captions",
    [
        ["He is running ."],  # a pronoun
        ["They are in the park ."],
        ["A brown and white dog ."],  # no single colour
        ["A black , tan and white dog ."],
        ["A striped red shirt hangs there ."],
        ["A glass of orange juice ."],
        ["A black man smiles ."],  # a person has no colour to be asked for
        ["One of the dogs barks ."],
        ["Two of the dogs bark ."],
        ["In fall the leaves drop ."],
        ["A wedding ring in a building this morning ."],
        ["A man building a string of clothing ."],
        ["A boy clothing ad"],
        ["A man in front of a beach ."],  # which is not on it
        ["A dog next to the pool ."],
        ["A zebrafish ."],
        [""],
        ["..."],
        ["two"],
    ],
)
def test_not_asked(captions: list[str]) -> None:
    assert asked(*captions) == {}


@pytest.mark.parametrize(
    ("captions", "question"),
    [
        (["Two dogs dig .", "Three dogs dig ."], "How many dogs are there?"),
        (["Two dogs dig .", "Several dogs dig ."], "How many dogs are there?"),
        (["Two black dogs dig and a white dog barks ."], "How many dogs are there?"),
        (["A dog digs .", "A dog barks ."], "How many dogs are there?"),
        (["A dog digs .", "A dog barks .", "A dog chases another dog .", "A dog naps ."], "How many dogs are there?"),
        (["A man with two women behind him .", "A man waits ."], "How many women are there?"),
        (["Two players run .", "A goalie waits ."], "How many players are there?"),
        (["A dog digs ."], "How many dogs are there?"),
        (["A boy in a red shirt .", "A boy in a blue shirt ."], "What colour is the boy's shirt?"),
        (["A brown dog barks .", "A black and brown dog barks ."], "What colour is the dog?"),
        (["A brown dog barks .", "A golden dog barks ."], "What colour is the dog?"),
        (["A brown dog barks .", "A dog chases another dog ."], "What colour is the dog?"),
        (["A man in a red coat waits .", "Two men wait ."], "What colour is the man's coat?"),
        (["A man in a red coat waits .", "A woman waits ."], "What colour is the man's coat?"),
        (["A dog runs .", "The dog is running .", "A dog jumps .", "A dog leaps ."], "What is the dog doing?"),
        (["A man and a woman walk .", "A man and a woman walk ."], "What is the man doing?"),
        (["A dog runs on a beach .", "A dog runs in the snow ."], "Where is the dog?"),
        (["A dog jumps off a dock into the water ."], "Where is the dog?"),
        (["A man holds a ball .", "A man holds a rope ."], "What is the man holding?"),
        (["A man holds a ball and a rope ."], "What is the man holding?"),
        (["A man rides a horse .", "A woman rides a horse ."], "Who is riding a horse?"),
        (["A girl is riding her bike ."], "Who is riding her bike?"),
    ],
)
def test_contradicted(captions: list[str], question: str) -> None:
    assert question not in asked(*captions)


def test_a_broader_word_is_no_contradiction() -> None:
    assert asked("A boy rides a pony .", "A child rides a pony .")["Who is riding a pony?"] == "boy"


def test_a_question_is_made_once_and_there_are_few() -> None:
    captions = ["A man in a red hat , blue coat , green scarf and black boots walks on a street ."] * 5
    found = questions_of({"a.jpg": captions}, "en")
    assert len({question.question for question in found}) == len(found)
    assert all(sum(question.type == kind for question in found) <= 2 for kind in TYPES)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is the surfer doing?", "surfing"),
        ("Who is with the women?", "women"),
        ("Where is the snowboarder?", "snow"),
    ],
)
def test_what_gives_an_answer_away(question: str, answer: str) -> None:
    assert gives_away(question, answer)
    assert not gives_away("What is it?", answer)


def test_plurals_and_participles() -> None:
    plurals = [plural_of(word) for word in ("dog", "bus", "baby", "boy", "man", "child", "sheep", "bench")]
    assert plurals == ["dogs", "buses", "babies", "boys", "men", "children", "sheep", "benches"]
    forms = [english_words().participle(verb) for verb in ("run", "ride", "ski", "lie", "lay", "play")]
    assert forms == ["running", "riding", "skiing", "lying", "lying", "playing"]


WORDS = sorted(
    {
        *english_words().nouns, *english_words().participles, *english_words().third, *english_words().base,
        *(word for words in english_words().lists.values() for word in words), ",", ".", "'s", "zebrafish", "2",
    }
)  # fmt: skip
CAPTIONS = st.lists(st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join), min_size=1, max_size=5)
SENTENCES = st.builds(
    "{} {} {} {} {} {} {}".format,
    st.sampled_from(["a", "two", "the", "three", "a brown"]),
    st.sampled_from(["dog", "dogs", "man", "men", "surfer", "child in a red hat"]),
    st.sampled_from(["is", "are", ""]),
    st.sampled_from(["running", "rides", "sit", "surfing", "jumping"]),
    st.sampled_from(["", "a bike", "on a bench", "a ball"]),
    st.sampled_from(["on", "in", "into"]),
    st.sampled_from(["the beach", "a pool", "snow", "a street and"]),
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(CAPTIONS, st.lists(SENTENCES, min_size=1, max_size=5), st.lists(st.text(), min_size=1, max_size=3)))
def test_what_holds_for_all_captions(captions: list[str]) -> None:
    found = questions_of({"a.jpg": captions}, "en")
    assert found == questions_of({"a.jpg": list(captions)}, "en")
    answers = answers_of("en")
    for question in found:
        assert question.answer in answers[question.type]
        assert question.answer not in question.question.lower().rstrip("?").split()
        assert question.question[0].isupper()
        assert question.question.endswith("?")
        assert "  " not in question.question
