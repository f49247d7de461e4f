"""``revln data``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.options import SplitPath
from revln.cli.output import plain, say, short_path

if TYPE_CHECKING:
    from revln.text.questions import Question

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make data to train and to measure with.")


@command(
    "questions",
    "revln data questions --captions flickr8k/captions.txt --split flickr8k/train.txt --out questions.jsonl",
    "revln data questions --captions captions.zh.txt --lang zh --min-count 5 --out questions.zh.jsonl",
)
def questions(
    captions: Annotated[Path, typer.Option("--captions", metavar="FILE", help="CSV, COCO JSON or Karpathy JSON.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="File to write, JSON Lines.")],
    split: SplitPath = None,
    language: Annotated[
        str | None, typer.Option("--lang", metavar="CODE", help="Language, en or zh; both if not given.")
    ] = None,
    balance: Annotated[bool, typer.Option("--balance/--no-balance", help="Thin the most common answers.")] = True,
    min_count: Annotated[
        int, typer.Option("--min-count", metavar="N", min=1, help="Drop answers of fewer questions than this.")
    ] = 1,
) -> Reply:
    """Make questions with short answers out of captions.

    They ask for objects, numbers, colours, activities and places; each is answered by one word.
    """
    from revln.errors import InputError
    from revln.sources.question_files import write_questions
    from revln.text.questions import LANGUAGES, TYPES, balanced, questions_of

    found = _captions(captions, split)
    languages = LANGUAGES if language is None else (language,)
    all_of_them = [question for code in languages for question in questions_of(found, code)]
    if not all_of_them:
        raise InputError(
            f"{captions}: no questions can be made of its captions in {' or '.join(languages)}: "
            "check the language, or give more captions"
        )
    made = balanced(all_of_them, thin=balance, min_count=min_count)
    if not made:
        raise InputError(f"--min-count {min_count} leaves no questions: choose a smaller number")
    write_questions(out, made)
    by_type = {kind: sum(question.type == kind for question in made) for kind in TYPES}
    photos = len({question.image for question in made})
    data = {"out": str(out.absolute()), "questions": len(made), "photos": photos, "by_type": by_type}
    return Reply(data, lambda: _show(out, made, photos, by_type))


def _captions(path: Path, split: Path | None) -> Mapping[str, Sequence[str]]:
    """The captions of a file, of the images of a split if there is one."""
    from revln.errors import InputError
    from revln.sources import read_captions, read_split

    captions = read_captions(path)
    if split is None:
        return captions
    chosen = {name: captions[name] for name in read_split(split) if name in captions}
    if not chosen:
        raise InputError(f"{split}: names no image that has captions in {path}: check that they belong together")
    return chosen


def _show(out: Path, made: Sequence[Question], photos: int, by_type: Mapping[str, int]) -> None:
    from revln.cli.tables import show_rows

    rows = []
    for kind, count in by_type.items():
        answers = Counter(question.answer for question in made if question.type == kind)
        common = ", ".join(answer for answer, _ in answers.most_common(3))
        rows.append([kind, f"{count:,}", f"{len(answers):,}", common])
    show_rows({"type": "left", "questions": "right", "answers": "right", "most common": "left"}, rows)
    for kind in by_type:
        if example := next((question for question in made if question.type == kind), None):
            say(plain(f"{example.image}: {example.question} {example.answer}"))
    say(f"{len(made):,} questions about {photos:,} photos in {short_path(str(out.absolute()))}")


questions.add_to(app)
