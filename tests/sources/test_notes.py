from __future__ import annotations

import pytest

from revln.sources import FolderSource, NoteSource

NOTE = """---
title: left out
---
# Garden

Tomatoes want sun.
And water.

## The *shed* ##
The key hangs behind the door.

```python
# no heading

code = 1
```

Old style
---------

- one
- two

***
"""


def test_paragraphs_stand_under_their_heading(scan, write) -> None:
    path = write("n.md", NOTE)
    found = scan(NoteSource(path))
    assert found.texts == [
        ("Garden: Tomatoes want sun. And water.",),
        ("The *shed*: The key hangs behind the door.",),
        ("The *shed*: # no heading code = 1",),
        ("Old style: - one - two",),
    ]
    assert [(each.kind, each.uri, each.number) for each in found.candidates] == [
        ("text", str(path), number) for number in range(1, 5)
    ]


def test_plain_text_has_no_headings(scan, write) -> None:
    text = "# one\r\ntwo\r\n \t\r\n\r\nthree\n---\n"
    assert scan(NoteSource(write("n.txt", text))).texts == [("# one two",), ("three ---",)]


def test_long_paragraphs_are_divided_at_the_ends_of_sentences(scan, write) -> None:
    sentences = [f"Sentence {number} has exactly seven words here." for number in range(100)]
    pieces = [text for (text,) in scan(NoteSource(write("n.txt", " ".join(sentences)))).texts]
    assert " ".join(pieces) == " ".join(sentences)
    assert all(piece.endswith(".") and 150 < len(piece.split()) <= 200 for piece in pieces[:-1])


@pytest.mark.parametrize("text", ["word " * 1000, "x" * 10_000, "雪地上的狗。" * 1000, "雪" * 10_000])
def test_pieces_are_bounded_in_every_script(scan, write, text: str) -> None:
    pieces = [piece for (piece,) in scan(NoteSource(write("n.txt", text))).texts]
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(len(piece.split()) <= 200 and len(piece) <= 1700 for piece in pieces)
    assert len(pieces) >= 4


def test_a_paragraph_that_stays_is_not_done_again(scan, write) -> None:
    before = scan(NoteSource(write("n.md", "one\n\ntwo"))).candidates
    after = scan(NoteSource(write("n.md", "one\n\ntwo, changed\n\nthree"))).candidates
    assert [each.is_unchanged(known.fingerprint) for each, known in zip(after, before, strict=False)] == [True, False]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"caf\xe9", "line 1 (byte 3) is not UTF-8"),
        (b"a\0b", "holds NUL bytes, as UTF-16 without a mark does"),
        (b" \n", "is empty"),
    ],
)
def test_files_that_cannot_be_read(scan, write, content: bytes, reason: str) -> None:
    path = write("n.md", content)
    assert scan(NoteSource(path)).skipped == [(str(path), reason)]


def test_missing_and_huge_files(scan, write, tmp_path, monkeypatch) -> None:
    assert scan(NoteSource(tmp_path / "gone.md")).reasons == ["no such file"]
    monkeypatch.setattr("revln.sources.notes._BYTE_LIMIT", 10)
    assert scan(NoteSource(write("n.md", "x" * 11))).reasons == ["11 bytes are over the limit of 10"]


def test_utf_16_with_a_mark(scan, write) -> None:
    assert scan(NoteSource(write("n.txt", "Käfer".encode("utf-16")))).texts == [("Käfer",)]


def test_notes_in_folders_are_taken_when_asked_for(scan, write, tmp_path) -> None:
    write("a.jpg", b"x")
    write("b.md", "a note")
    write("c.TXT", "another")
    write("captions.txt", "image,caption\na.jpg,x\n")
    write("d.pdf", b"x")
    assert scan(FolderSource([tmp_path])).ignored == 4
    found = scan(FolderSource([tmp_path], notes=True))
    assert [each.kind for each in found.candidates] == ["image", "text", "text"]
    assert (found.ignored, found.skipped) == (2, [])
