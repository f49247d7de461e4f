"""``revln eval``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revln.cli.command import Reply, command
from revln.cli.opening import check_processor, memory_for_classes, memory_if_any
from revln.cli.options import (
    EvidenceCount,
    Labels,
    LanguageName,
    MemoryPath,
    ModelName,
    NoMemory,
    RecalledCount,
    SplitPath,
    split_labels,
)
from revln.cli.output import progress_bar, say
from revln.config import RECALLED

if TYPE_CHECKING:
    from revln.evaluate import AnswerScores, CaptionScores, ClassificationScores, RetrievalScores

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Measure on your own photos, by the published protocols."
)


@command(
    "retrieval",
    "revln eval retrieval --images flickr8k/images --captions flickr8k/captions.txt --split flickr8k/dev.txt",
)
def retrieval(
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder of the images.")],
    captions: Annotated[Path, typer.Option("--captions", metavar="FILE", help="CSV, COCO JSON or Karpathy JSON.")],
    split: SplitPath = None,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Have the generator look again at the images that a caption finds first.")
    ] = False,
    model: ModelName = None,
) -> Reply:
    """Measure how well images find their captions and captions their images.

    Recall at 1, 5 and 10 in percent, with at most five captions an image.
    """
    check_processor()
    from revln.evaluate import evaluate_retrieval
    from revln.pipeline import load_model

    opened = load_model(model or "base")
    with progress_bar("Encoding", "photos") as progress:
        scores = evaluate_retrieval(images, captions, model=opened, split=split, rerank=rerank, progress=progress)
    return Reply(scores.to_dict(), lambda: _show_retrieval(scores))


@command(
    "classify",
    "revln eval classify flowers/test --memory flowers.revln",
    "revln eval classify flowers/test --labels daisy,dandelion,roses,sunflowers,tulips",
)
def classify(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="With one sub-folder a label.")],
    labels: Labels = None,
    k: EvidenceCount = 20,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Measure how often photos get the label that their folder names.

    Chooses among the labels given, else among those of the memory, else among the folders.
    """
    names = split_labels(labels)
    opened = memory_for_classes(memory, names, model)
    from revln.evaluate import evaluate_classification

    with progress_bar("Classifying", "photos") as progress:
        scores = evaluate_classification(directory, memory=opened, labels=names, model=model, k=k, progress=progress)
    return Reply(scores.to_dict(), lambda: _show_classification(scores))


@command(
    "caption",
    "revln eval caption --images flickr8k/images --captions flickr8k/captions.txt --split flickr8k/dev.txt "
    "--memory train.revln",
)
def caption(
    images: Annotated[Path, typer.Option("--images", metavar="DIR", help="Folder of the images.")],
    captions: Annotated[Path, typer.Option("--captions", metavar="FILE", help="CSV, COCO JSON or Karpathy JSON.")],
    split: SplitPath = None,
    language: LanguageName = None,
    k: RecalledCount = RECALLED,
    no_memory: NoMemory = False,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Measure how captions agree with those that people wrote.

    BLEU, ROUGE-L and CIDEr times 100, with at most five captions an image. Records of the images themselves are left
    out of the memory.
    """
    opened = memory_if_any(memory, model, ignored=no_memory)
    from revln.evaluate import evaluate_captions

    with progress_bar("Describing", "photos") as progress:
        scores = evaluate_captions(
            images, captions, split=split, memory=opened, model=model, language=language, k=k, progress=progress
        )
    return Reply(scores.to_dict(), lambda: _show_captions(scores))


@command(
    "ask",
    "revln data questions --captions flickr8k/captions.txt --split flickr8k/dev.txt --out dev.jsonl",
    "revln eval ask --questions dev.jsonl --images flickr8k/images --memory train.revln",
)
def ask(
    questions: Annotated[
        Path, typer.Option("--questions", metavar="FILE", help="Questions with answers, made by revln data questions.")
    ],
    images: Annotated[
        Path | None, typer.Option("--images", metavar="DIR", help="Folder of the images; the file's own if not given.")
    ] = None,
    k: RecalledCount = RECALLED,
    blind: Annotated[
        bool, typer.Option("--blind", help="Show neither photo nor memory: how far does the question alone lead?")
    ] = False,
    no_memory: NoMemory = False,
    memory: MemoryPath = None,
    model: ModelName = None,
) -> Reply:
    """Measure how often questions about photos are answered right.

    In percent, in all and by type of question; with how far confidences can be relied on. Every question is answered,
    however unsure. Records of the images themselves are left out of the memory.
    """
    opened = memory_if_any(memory, model, ignored=no_memory or blind)
    from revln.evaluate import evaluate_answers

    with progress_bar("Answering", "photos") as progress:
        scores = evaluate_answers(
            questions, images=images, memory=opened, model=model, k=k, blind=blind, progress=progress
        )
    return Reply(scores.to_dict(), lambda: _show_answers(scores))


def _show_answers(scores: AnswerScores) -> None:
    from revln.cli.tables import show_rows

    rows = [[name, f"{scores.counts[name]:,}", f"{percent:.1f}"] for name, percent in scores.by_type.items()]
    show_rows({"type": "left", "questions": "right", "right %": "right"}, rows)
    say(f"accuracy {scores.accuracy:.2f} % over {scores.questions:,} questions; {scores.surer_half:.2f} % where surer")
    say(f"confidence is off by {scores.calibration_error:.3f} in the mean")


def _show_captions(scores: CaptionScores) -> None:
    from revln.cli.tables import show_rows

    show_rows({"": "left", "x 100": "right"}, [[name, f"{value:.1f}"] for name, value in scores.scores.items()])
    say(f"{scores.images:,} images")


def _show_retrieval(scores: RetrievalScores) -> None:
    from revln.cli.tables import show_rows

    directions = {"image to text": scores.image_to_text, "text to image": scores.text_to_image}
    cuts = list(scores.image_to_text)
    rows = [[name, *(f"{recall[cut]:.1f}" for cut in cuts)] for name, recall in directions.items()]
    show_rows({"": "left", **dict.fromkeys(cuts, "right")}, rows)
    say(f"{scores.images:,} images, {scores.captions:,} captions; percent")


def _show_classification(scores: ClassificationScores) -> None:
    from revln.cli.tables import show_rows

    rows = [[label, f"{scores.counts[label]:,}", f"{percent:.1f}"] for label, percent in scores.per_label.items()]
    show_rows({"label": "left", "images": "right", "right %": "right"}, rows)
    say(f"accuracy {scores.accuracy:.2f} % over {scores.images:,} images")


for _command in (retrieval, classify, caption, ask):
    _command.add_to(app)
