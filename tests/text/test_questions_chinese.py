from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revln.text.questions import TYPES, answers_of, questions_of
from revln.text.questions.chinese import gives_away
from revln.text.questions.chinese_words import chinese_words, tokens_of


def asked(*captions: str) -> dict[str, str]:
    """Answers by question."""
    return {question.question: question.answer for question in questions_of({"a.jpg": captions}, "zh")}


@pytest.mark.parametrize(
    ("captions", "question", "answer"),
    [
        # number
        (["两只猫在沙发上睡觉。"], "图中有几只猫？", "两"),
        (["三个穿着红色衣服的女孩在唱歌"], "图中有几个女孩？", "三"),
        (["公园里的四位老人。"], "图中有几位老人？", "四"),
        (["俩个男孩在画画。"], "图中有几个男孩？", "两"),
        (["两个狗在睡觉。"], "图中有几只狗？", "两"),
        (["一匹马在草原上。", "一匹马。", "一匹马在吃草。"], "图中有几匹马？", "一"),
        # colour
        (["一只黑猫在睡觉。"], "猫是什么颜色？", "黑色"),
        (["一只棕色的小狗。"], "狗是什么颜色？", "棕色"),
        (["穿着蓝色裙子的女孩在跳舞。"], "女孩的裙子是什么颜色？", "蓝色"),
        (["一个戴红帽子的男孩"], "男孩的帽子是什么颜色？", "红色"),
        (["男人骑着一辆绿色的自行车。"], "自行车是什么颜色？", "绿色"),
        # activity
        (["一个女孩在唱歌。", "女孩正在唱歌。"], "女孩在做什么？", "唱歌"),
        (["奔跑的马。", "一匹马在草地上跑。"], "马在做什么？", "跑"),
        (["两个男人在踢足球。", "踢足球的两个男人。"], "两个男人在做什么？", "踢球"),
        (["一群人在跳舞。", "很多人在跳舞。"], "人们在做什么？", "跳舞"),
        # place
        (["一个男人在海滩上跑步。"], "男人在哪里？", "海边"),
        (["厨房里的女人。"], "女人在哪里？", "厨房"),
        (["孩子们坐在草地上。"], "孩子们在哪里？", "草地"),
        (["一对情侣在公园散步。"], "这对情侣在哪里？", "公园"),
        # object
        (["一个女人骑着一头骆驼。"], "女人骑着什么？", "骆驼"),
        (["狗叼着一个飞盘。"], "狗嘴里叼着什么？", "飞盘"),
        (["老人坐在长椅上。"], "老人坐在什么上面？", "长椅"),
        (["一个男孩在弹钢琴"], "男孩在弹什么？", "钢琴"),
        (["手里拿着雨伞的女人"], "女人手里拿着什么？", "雨伞"),
        (["一只小狗在雪地里奔跑。"], "什么在雪地里奔跑？", "狗"),
        (["骑马的女人"], "谁在骑马？", "女人"),
        (["一个穿裙子的小女孩。"], "谁穿着裙子？", "女孩"),
        (["带着帽子的男子。"], "谁戴着帽子？", "男人"),
        (["一个女人手拿雨伞。"], "谁手里拿着雨伞？", "女人"),
    ],
)
def test_asked(captions: list[str], question: str, answer: str) -> None:
    assert asked(*captions).get(question) == answer


@pytest.mark.parametrize(
    "captions",
    [
        ["他在跑步。"],  # a pronoun
        ["他们一样高。"],
        ["白天的城市。"],  # which is not white
        ["一个黑人。"],
        ["桌上的红酒。"],
        ["猫头鹰。"],
        ["热狗。"],
        ["四号球员。"],
        ["三轮车。"],
        ["一边的风景。"],
        ["一只黑白相间的狗。"],
        ["黑白狗"],
        ["两个男人的狗。"],
        [""],
        ["。"],
        ["两"],
        ["A dog runs in the snow ."],  # another language
    ],
)
def test_not_asked(captions: list[str]) -> None:
    assert asked(*captions) == {}


@pytest.mark.parametrize(
    ("captions", "question"),
    [
        (["两只狗在睡觉。", "三只狗在睡觉。"], "图中有几只狗？"),
        (["两只狗在睡觉。", "一群狗在睡觉。"], "图中有几只狗？"),
        (["一只狗。", "一只狗在睡觉。"], "图中有几只狗？"),
        (["一只狗。", "一只狗在睡觉。", "一只狗在跑。", "狗们在跑。"], "图中有几只狗？"),
        (["一只黑狗。", "一只白狗。"], "狗是什么颜色？"),
        (["一只黑狗。", "两只狗。"], "狗是什么颜色？"),
        (["一只黑狗。", "一只花斑狗。"], "狗是什么颜色？"),
        (["一只黑狗。", "一只花狗。"], "狗是什么颜色？"),
        (["穿红衣服的女孩。", "穿蓝衣服的女孩。"], "女孩的衣服是什么颜色？"),
        (["穿红衣服的女孩。", "一个孩子。"], "女孩的衣服是什么颜色？"),
        (["一个女孩在唱歌。", "女孩正在唱歌。", "女孩在跳舞。", "跳舞的女孩"], "女孩在做什么？"),
        (["狗在雪地里。", "狗在海边。"], "狗在哪里？"),
        (["狗叼着一个飞盘。", "狗叼着骨头。"], "狗嘴里叼着什么？"),
        (["一个男人在骑马。", "一个女人在骑马。"], "谁在骑马？"),
    ],
)
def test_contradicted(captions: list[str], question: str) -> None:
    assert question not in asked(*captions)


def test_a_broader_word_is_no_contradiction() -> None:
    assert asked("男孩在踢足球。", "小孩在踢足球。")["谁在踢足球？"] == "男孩"


def test_a_question_is_made_once_and_there_are_few() -> None:
    found = questions_of({"a.jpg": ["一个戴红帽子的男孩拿着气球坐在草地上。", "一个骑马的男孩背着包。"] * 3}, "zh")
    assert len({question.question for question in found}) == len(found)
    assert all(sum(question.type == kind for question in found) <= 2 for kind in TYPES)


def test_the_longest_word_is_taken() -> None:
    words = chinese_words()
    cut = [[token.text for token in tokens_of(text, words)] for text in ("两只小狗在玩花样滑板。", "三轮车", "人行道")]
    assert cut == [["两只", "小狗", "在", "玩花样滑板"], ["三轮车"], ["人行道"]]


def test_what_gives_an_answer_away() -> None:
    assert gives_away("滑雪者在做什么？", "滑雪")
    assert gives_away("红衣服是什么颜色？", "红色")
    assert not gives_away("狗在做什么？", "跑")


WORDS = [*chinese_words().tokens, "一个", "两只", "三名", "，", "。", "鱻"]
CAPTIONS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9).map("".join), min_size=1, max_size=5)
SENTENCES = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "一个", "两个", "一群", "有一只"]),
    st.sampled_from(["", "骑马的", "戴着红帽子的", "海边的"]),
    st.sampled_from(["男人", "小孩们", "黑狗", "运动员", "人"]),
    st.sampled_from(["", "在草地上奔跑", "正在滑雪", "坐在椅子上", "拿着一个球", "和狗"]),
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(CAPTIONS, st.lists(SENTENCES, min_size=1, max_size=5), st.lists(st.text(), min_size=1, max_size=3)))
def test_what_holds_for_all_captions(captions: list[str]) -> None:
    found = questions_of({"a.jpg": captions}, "zh")
    assert found == questions_of({"a.jpg": list(captions)}, "zh")
    answers = answers_of("zh")
    for question in found:
        assert question.answer in answers[question.type]
        assert question.answer not in question.question
        assert question.question.endswith("？")
