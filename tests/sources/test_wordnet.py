"""A database of a few synsets, written as wndb(5WN) says; and WordNet itself where it is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from revln.errors import InputError
from revln.sources import WordNetSource

INSTALLED = Path("/usr/share/wordnet")
LICENCE = "  1 This software and database is provided as it is.  \n" * 3
# Key: (lexicographer file, lemmas, hypernym, gloss).
SYNSETS = {
    "entity": (3, ["entity"], None, "that which is"),
    "fish": (5, ["fish"], "entity", "cold-blooded vertebrate"),
    "soft": (5, ["soft-finned_fish", "malacopterygian"], "fish", "any fish with soft fins"),
    "cyprinid": (5, ["cyprinid", "cyprinid_fish"], "soft", "soft-finned mainly freshwater fishes"),
    "tench": (5, ["tench", "Tinca_tinca"], "cyprinid", 'game fish of Europe; noted for "ability"; "a tench\'s bite"'),
    "slug_shot": (6, ["bullet", "slug"], "entity", "a projectile"),
    "slug": (5, ["slug"], "entity", "any of various terrestrial gastropods"),
    "crane_talk": (10, ["crane"], "entity", "a word"),
    "crane": (5, ["crane"], "entity", "large long-necked wading bird"),
    "eiffel": (15, ["Eiffel_Tower"], "tower", "a wrought iron tower"),
    "tower": (6, ["tower"], "entity", "a structure taller than its diameter"),
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "wordnet"
    folder.mkdir()
    lines: dict[str, str] = {}
    offsets = dict.fromkeys(SYNSETS, 0)
    for _ in range(2):  # all offsets have the same width, so the second round has them right
        place = len(LICENCE)
        for key, (file, lemmas, up, gloss) in SYNSETS.items():
            offsets[key] = place
            words = " ".join(f"{lemma} 0" for lemma in lemmas)
            sign = "@i" if key == "eiffel" else "@"
            pointers = [f"~ {offsets['entity']:08d} n 0000"]
            if up:
                pointers.append(f"{sign} {offsets[up]:08d} n 0000")
            head = f"{place:08d} {file:02d} n {len(lemmas):02x} {words} {len(pointers):03d}"
            lines[key] = f"{head} {' '.join(pointers)} | {gloss}  \n"
            place += len(lines[key])
    (folder / "data.noun").write_text(LICENCE + "".join(lines.values()))
    senses: dict[str, list[int]] = {}
    for key, (_, lemmas, *_) in SYNSETS.items():
        for lemma in lemmas:
            senses.setdefault(lemma.lower(), []).append(offsets[key])
    index = [
        f"{lemma} n {len(found)} 2 @ ~ {len(found)} 0 {' '.join(f'{offset:08d}' for offset in found)}  \n"
        for lemma, found in sorted(senses.items())
    ]
    (folder / "index.noun").write_text(LICENCE + "".join(index))
    return folder


def test_a_class_is_a_label_and_what_it_is_a_kind_of(directory, scan) -> None:
    found = scan(WordNetSource(directory, [["tench", "Tinca tinca"]]))
    label, *triples = found.candidates
    assert label.uri.startswith("wordnet:n0000")
    assert len(label.uri) == len("wordnet:n00001234")
    assert (label.kind, label.source, label.label) == ("label", "wordnet", "tench")
    assert label.texts == ("tench, Tinca tinca", 'game fish of Europe; noted for "ability"')
    assert label.facts == {"synset": label.uri.removeprefix("wordnet:"), "lemmas": ["tench", "Tinca tinca"]}
    assert [(each.kind, each.uri, each.number, each.texts, each.label) for each in triples] == [
        ("triple", label.uri, 1, ("tench is a kind of cyprinid",), "tench"),
        ("triple", label.uri, 2, ("tench is a kind of soft-finned fish",), "tench"),
        ("triple", label.uri, 3, ("tench is a kind of fish",), "tench"),
    ]
    assert triples[0].facts == {"subject": "tench", "relation": "is a kind of", "object": "cyprinid"}


@pytest.mark.parametrize(
    ("name", "label", "gloss"),
    [
        ("tench, Tinca tinca", "tench, Tinca tinca", "game fish"),
        ("TENCH / whatever", "TENCH / whatever", "game fish"),
        ("slug", "slug", "any of various"),  # the sense with that word alone
        ("crane", "crane", "large long-necked"),  # the one that a photo can show
        (["Soft-Finned Fish"], "Soft-Finned Fish", "any fish"),
        ("Eiffel_Tower", "Eiffel_Tower", "a wrought iron"),
    ],
)
def test_the_sense_that_is_meant(directory, scan, name, label: str, gloss: str) -> None:
    first = scan(WordNetSource(directory, [name])).candidates[0]
    assert first.label == label
    assert first.texts[1].startswith(gloss)


def test_instances_have_kinds_too(directory, scan) -> None:
    found = scan(WordNetSource(directory, ["Eiffel Tower"]))
    assert found.texts[1:] == [("Eiffel Tower is a kind of tower",), ("Eiffel Tower is a kind of entity",)]


def test_all_nouns(directory, scan) -> None:
    found = scan(WordNetSource(directory))
    assert [each.label for each in found.candidates if each.kind == "label"] == [
        lemmas[0].replace("_", " ") for _, lemmas, *_ in SYNSETS.values()
    ]


def test_unknown_names_are_listed_and_no_synset_comes_twice(directory, scan) -> None:
    found = scan(WordNetSource(directory, ["wug", "tench", "Tinca tinca"], name="words"))
    assert found.skipped == [("wordnet:wug", "WordNet has no such noun")]
    assert [(each.source, each.kind) for each in found.candidates] == [("words", "label"), *[("words", "triple")] * 3]


def test_damaged_files_are_listed(directory, scan) -> None:
    data = directory / "data.noun"
    data.write_bytes(data.read_bytes()[:-300])
    found = scan(WordNetSource(directory, ["tench", "slug", "tower"]))
    assert [each.label for each in found.candidates if each.kind == "label"] == ["tench", "slug"]
    assert found.skipped[0][0] == str(data)
    assert found.reasons[0].startswith("damaged at byte ")
    (directory / "index.noun").write_text("tench n x\n")
    assert scan(WordNetSource(directory, ["tench"])).reasons == ["index.noun is damaged at tench"]


def test_a_folder_without_wordnet(tmp_path, directory) -> None:
    with pytest.raises(InputError, match=r"has no data\.noun and index\.noun"):
        WordNetSource(tmp_path)
    with pytest.raises(InputError, match="ask for all nouns"):
        WordNetSource(directory, [])


@pytest.mark.skipif(not (INSTALLED / "data.noun").exists(), reason="needs WordNet (Debian's wordnet-base)")
def test_wordnet_itself(scan) -> None:
    names = [["tench", "Tinca tinca"], "otter shrew", ["hen"], "sliding door", "no such thing"]
    found = scan(WordNetSource(INSTALLED, names))
    assert [each.uri for each in found.candidates if each.kind == "label"] == [
        "wordnet:n01440764", "wordnet:n01894956", "wordnet:n01514859", "wordnet:n04239074",
    ]  # fmt: skip
    assert found.texts[1] == ("tench is a kind of cyprinid",)
    assert found.skipped == [("wordnet:no such thing", "WordNet has no such noun")]


@pytest.mark.slow
@pytest.mark.skipif(not (INSTALLED / "data.noun").exists(), reason="needs WordNet (Debian's wordnet-base)")
def test_all_of_wordnet() -> None:
    assert sum(each.kind == "label" for each in WordNetSource(INSTALLED).scan()) == 82_115
