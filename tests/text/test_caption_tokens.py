from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revln.text import caption_tokens


# What coco-caption makes of these: the tokens that PTBTokenizer of Stanford CoreNLP 3.4.1 gives, called as in
# pycocoevalcap 1.2 (``-preserveLines -lowerCase``), less that module's punctuation.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("A man in a red T-shirt , jumps .", "a man in a red t-shirt jumps"),
        ("The dog's toy isn't the boys' toy.", "the dog 's toy is n't the boys toy"),
        (
            "I'm here, they're there, we've won, she'd say he'll come",
            "i 'm here they 're there we 've won she 'd say he 'll come",
        ),
        ("don't can't won't don'ts shouldn't've", "do n't ca n't wo n't do n'ts should n't 've"),
        ("it’s a dog’s life, isn’t it", "it 's a dog 's life is n't it"),
        ("cannot gonna wanna gotta lemme gimme 'tis", "can not gon na wan na got ta lem me gim me 't is"),
        ("a man says \"hello\" to 'the boys' ``here''", "a man says hello to the boys here"),
        ("“quoted” and ‘single’ – dash — em… end", "quoted and single dash em end"),
        ("wait... what -- is this - ok? yes! no; a: b", "wait what is this ok yes no a b"),
        ("dogs!! really?! no..", "dogs !! really ?! no"),
        (
            "a lens ( almost fish eye ) [of] {glass}",
            "a lens -lrb- almost fish eye -rrb- -lsb- of -rsb- -lcb- glass -rcb-",
        ),
        ("a two-year-old boy's merry-go-round, half_pipe", "a two-year-old boy 's merry-go-round half_pipe"),
        ("x -ray x- ray x--ray", "x ray x ray x ray"),
        ("dog/cat and/or 24/7, dog / cat", "dog/cat and/or 24/7 dog / cat"),
        ("1,000.50 people at 10:30pm, 10am, 3.5ft, 1/2, 2nd", "1,000.50 people at 10:30 pm 10am 3.5 ft 1/2 2nd"),
        ("5'6\" tall, 2x4, 1950s, '70s, 1970's, -5, +5", "5 6 tall 2x4 1950s '70s 1970 's -5 +5"),
        ("#5 and # 7 , No. 9, no.7, #1 fan, #tag, @user", "# 5 and # 7 no. 9 no. 7 # 1 fan #tag @user"),
        ("$5 and 50%", "$ 5 and 50 %"),
        ("Black & white AT&T at r&b, a+b=c", "black & white at&t at r & b a + b = c"),
        ("Mr. Smith of St. Bernard, Dale Jr., etc.", "mr. smith of st. bernard dale jr. etc."),
        ("U.S. flag in Washington D.C.", "u.s. flag in washington d.c."),
        (
            "the S.C.U.B.A. diver, the U. Miami shirt, the u.s.a team",
            "the s.c.u.b.a. diver the u. miami shirt the u.s.a team",
        ),
        ("dog.and a statefarm.com hat.Yes", "dog.and a statefarm.com hat.yes"),
        ("five o'clock , ma'am , o'neil , y'all , rock'n'roll", "five o'clock ma'am o'neil y' all rock 'n' roll"),
        ("slip 'n' slide, 'em, 'til", "slip 'n' slide 'em 'til"),
        ("RIF=ding sleds ~ now", "rif = ding sleds ~ now"),
        ("a café in Zürich , señor", "a café in zürich señor"),
        ("", ""),
        (" . , ", ""),
    ],
)
def test_spaced_scripts_have_the_tokens_of_coco_caption(text: str, tokens: str) -> None:
    assert caption_tokens(text, "en") == tuple(tokens.split())


def test_other_languages_with_spaces_are_treated_alike() -> None:
    assert caption_tokens("Ein Hund läuft über die Straße.", "de") == ("ein", "hund", "läuft", "über", "die", "straße")


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("一个穿着泳装的女人，躺在海水里。", "一 个 穿 着 泳 装 的 女 人 躺 在 海 水 里"),
        ("两个穿T恤的人 和2只 dogs!", "两 个 穿 t 恤 的 人 和 2 只 dogs"),
        ("ＢＭＸ车手，１２号", "bmx 车 手 12 号"),
        ("《〇》、“㐀”𠀀 MP3", "〇 㐀 𠀀 mp3"),
        ("。", ""),
    ],
)
def test_chinese_is_counted_by_characters(text: str, tokens: str) -> None:
    assert caption_tokens(text, "zh") == tuple(tokens.split())


WORDS = ("a", "Dog", "RUNS", "cannot", "gotta", "lemme", "isnt", "plan", "b", "U", "St", "mr", "no", "etc")


@given(st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from((" ", "  ", "", ".", ". ", "\t")))))
def test_sentences_of_plain_words_have_the_same_tokens(parts: list[tuple[str, str]]) -> None:
    """They take a shorter way, which a mark that is no token keeps others from."""
    text = "".join(word + after for word, after in parts)
    assert caption_tokens(text, "en") == caption_tokens(f"! {text}", "en")
