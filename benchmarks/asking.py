"""Questions about the dev photos: with the memory, without it, and with the question alone.

The memory holds the training photos with their captions in the language. The questions are made out of the dev photos'
captions by ``revln data questions``. Printed are the shares of right answers, in all and by type, with 95 % intervals
of how much each way gains over the next (paired bootstrap over questions); how far confidences are from the truth; and
what is right of the answers that are surest. ``--plot`` draws that share against the share that is answered.

    python benchmarks/asking.py FLICKR8K [--plot risk.svg]

FLICKR8K holds ``images/``, ``captions.txt``, ``captions.zh.txt``, ``train.txt`` and ``dev.txt``. Takes about fifteen
minutes on two cores.
"""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import revln
from caption_quality import CAPTIONS, memory_of, shown
from common import finish, parser
from revln.evaluate import AnswerScores, evaluate_answers
from revln.metrics import covered_accuracy, expected_calibration_error, paired_bootstrap_interval
from revln.sources import read_captions, read_split, write_questions
from revln.text.questions import balanced, questions_of

COVERAGES = (1.0, 0.75, 0.5, 0.25)


def questions_file(folder: Path, language: str, place: Path) -> Path:
    """Questions about the dev photos."""
    said = read_captions(folder / CAPTIONS[language])
    captions = {name: said[name][:5] for name in read_split(folder / "dev.txt")}
    file = place / f"{language}.jsonl"
    write_questions(file, balanced(questions_of(captions, language)))
    return file


def figures(ways: dict[str, AnswerScores]) -> dict[str, Any]:
    """Of each way, and its gain over the next."""
    found: dict[str, Any] = {}
    for name, scores in ways.items():
        right, sure = arrays(scores)
        found[name] = {
            "accuracy": round(scores.accuracy, 1),
            **{kind: round(value, 1) for kind, value in scores.by_type.items()},
            "calibration error": round(expected_calibration_error(sure, right), 3),
            "right of the surest": {
                f"{share:.0%}": round(covered_accuracy(sure, right, share), 1) for share in COVERAGES
            },
        }
    for better, worse in itertools.pairwise(ways):
        first, second = (100.0 * arrays(ways[name])[0] for name in (better, worse))
        found[f"{better} over {worse}"] = shown(paired_bootstrap_interval(first, second))
    return found


def arrays(scores: AnswerScores) -> tuple[np.ndarray, np.ndarray]:
    """Whether each answer is right, and its confidence."""
    right = np.array([is_right for _, is_right in scores.answers])
    return right, np.array([answer.confidence for answer, _ in scores.answers])


def draw(scores: dict[str, AnswerScores], file: Path) -> None:
    """Share of right answers against the share of questions that are answered, the surest first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    for language, own in scores.items():
        right, sure = arrays(own)
        ordered = right[np.argsort(-sure, kind="stable")]
        covered = np.arange(1, len(ordered) + 1) / len(ordered)
        axes.plot(100 * covered, 100 * np.cumsum(ordered) / np.arange(1, len(ordered) + 1), label=language)
    axes.set(xlabel="answered, %", ylabel="right, %", xlim=(5, 100))
    axes.legend()
    figure.savefig(file)


def main() -> None:
    """Measures both languages."""
    arguments = parser(__doc__)
    arguments.add_argument("captioned", type=Path)
    arguments.add_argument("--plot", type=Path, help="file for the risk-coverage curve")
    given = arguments.parse_args()
    model, results, with_memory = revln.load_model(given.model), {}, {}
    images = given.captioned / "images"
    with tempfile.TemporaryDirectory(prefix="revln-") as temporary:
        for language in CAPTIONS:
            questions = questions_file(given.captioned, language, Path(temporary))
            memory = memory_of(given.captioned, language, Path(temporary), model)
            ways = {
                "on": evaluate_answers(questions, images=images, memory=memory),
                "off": evaluate_answers(questions, images=images, model=model),
                "question alone": evaluate_answers(questions, images=images, model=model, blind=True),
            }
            with_memory[language] = ways["on"]
            results[language] = {"questions": ways["on"].questions, **figures(ways)}
            print(language, results[language], flush=True)
    if given.plot:
        draw(with_memory, given.plot)
    finish("asking", **results)


if __name__ == "__main__":
    main()
