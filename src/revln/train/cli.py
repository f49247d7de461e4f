"""The command group ``revln train``; found through an entry point, so that nothing of inference imports it."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Train the parts and export bundles (extra: train).")

DataOption = Annotated[
    Path,
    typer.Option("--data", help="Folder with images/, captions.txt, train.txt and dev.txt (the layout of Flickr8k)."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.command(epilog="Example: revln train align --config configs/align-base.toml --data flickr8k --out runs/base")
def align(
    config: Annotated[Path, typer.Option(help="TOML file; its keys are those of AlignConfig.")],
    data: DataOption,
    out: Annotated[Path, typer.Option(help="Directory of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's checkpoint.")] = False,
    smoke: Annotated[bool, typer.Option("--smoke", help="A run of seconds over a few photos.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train the joint space of images and texts on a caption file."""
    from revln.train.align import AlignData
    from revln.train.align import align as run_align
    from revln.train.config import load_config

    _log_to_stderr()
    metrics = run_align(load_config(config), AlignData.in_folder(data), out, resume=resume, smoke=smoke)
    _report({"out": str(out), "metrics": metrics, "seconds": metrics["run_seconds"]}, as_json)


@app.command(epilog="Example: revln train export --run runs/base --data flickr8k --unrelated other.txt --out my-model")
def export(
    run: Annotated[Path, typer.Option(help="Directory of the run.")],
    data: DataOption,
    unrelated: Annotated[
        Path, typer.Option(help="Sentences that fit none of the dev photos, one a line; every other one is used.")
    ],
    out: Annotated[Path, typer.Option(help="Directory of the bundle; replaced when it exists.")],
    vision: Annotated[str, typer.Option(help="Storage of the image tower's weights: fp32, fp16 or int8.")] = "fp16",
    text: Annotated[str, typer.Option(help="Storage of the text tower's weights: fp32, fp16 or int8.")] = "int8",
    as_json: JsonOption = False,
) -> None:
    """Export a run as a bundle that inference uses without torch."""
    from revln.train.align import AlignData
    from revln.train.export import export as run_export
    from revln.train.export import shipped_photos
    from revln.train.onnx_files import parse_precision

    _log_to_stderr()
    sentences = [line for line in unrelated.read_text(encoding="utf-8").splitlines() if line.strip()][1::2]
    card = run_export(
        run,
        AlignData.in_folder(data),
        sentences,
        shipped_photos(),
        out,
        vision_precision=parse_precision(vision),
        text_precision=parse_precision(text),
    )
    _report({"out": str(out), "id": card.id, "metrics": dict(card.numbers)}, as_json)


def _log_to_stderr() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(message)s")


def _report(result: dict[str, Any], as_json: bool) -> None:
    typer.echo(json.dumps(result, indent=None if as_json else 2))
