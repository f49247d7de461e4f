"""The Chinese names of the classes stand in the classifier's order, like the English ones."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from revln.train.class_names import load_class_names

CHINESE = load_class_names("zh")
LATIN = re.compile("[A-Za-z]+")
HAN = re.compile("[A-Za-z\u3400-\u9fff]+")


def test_each_class_has_a_line_and_nearly_each_a_name() -> None:
    assert len(CHINESE) == len(load_class_names()) == 1000
    assert sum(not names for names in CHINESE) < 30


def test_names_are_chinese() -> None:
    names = [name for names in CHINESE for name in names]
    assert not [name for name in names if not HAN.fullmatch(name)]
    assert {word for name in names for word in LATIN.findall(name)} == {"ATM", "CD", "T", "iPod"}


def test_no_name_twice_in_a_class_and_few_in_two() -> None:
    assert all(len(set(names)) == len(names) for names in CHINESE)
    classes_of = Counter(name for names in CHINESE for name in names)
    assert sum(count > 1 for count in classes_of.values()) <= 10


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("goldfish", "金鱼"),
        ("crane bird", "鹤"),
        ("construction crane", "起重机"),
        ("Golden Retriever", "金毛"),
        ("Cardigan Welsh Corgi", "卡迪根柯基犬"),
        ("cardigan", "开衫"),
        ("giant panda", "大熊猫"),
        ("red panda", "小熊猫"),
        ("computer mouse", "鼠标"),
        ("metal nail", "钉子"),
        ("taxicab", "出租车"),
        ("unicycle", "独轮车"),
        ("hot tub", "按摩浴缸"),
        ("bathtub", "浴缸"),
        ("banana", "香蕉"),
        ("toilet paper", "卫生纸"),
    ],
)
def test_names_stand_in_the_classifiers_order(english: str, chinese: str) -> None:
    [found] = [zh for en, zh in zip(load_class_names(), CHINESE, strict=True) if en[0] == english]
    assert chinese in found
