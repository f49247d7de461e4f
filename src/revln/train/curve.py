"""The learning curve of a run, from its metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

__all__ = ["draw_curve"]


def draw_curve(metrics: Path, out: Path, names: Sequence[str] = ()) -> None:
    """Plots loss, score and further metrics over the epochs, as SVG.

    Args:
        metrics: JSON lines with ``epoch`` and ``score``, and with ``loss`` from epoch 1 on; the line of epoch 0 gives
            the score before training, drawn as a dashed line.
        out: the SVG file.
        names: the further metrics; they share one panel.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    panels = [("loss",), ("score",), tuple(names)] if names else [("loss",), ("score",)]
    figure = Figure(figsize=(7, 2.4 * len(panels)), layout="constrained")
    for axes, panel in zip(figure.subplots(len(panels), sharex=True), panels, strict=True):
        for name in panel:
            points = [(line["epoch"], line[name]) for line in lines if name in line]
            axes.plot(*zip(*points, strict=True) if points else ([], []), marker=".", label=name.replace("_", " "))
        if panel == ("score",):
            axes.axhline(lines[0]["score"], color="grey", linestyle="--", label="score before training")
        # Beside the curves: to look for the best place among them takes long.
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
        axes.grid(alpha=0.3)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    # Text stays text, and equal metrics give equal files.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "revln"}):
        figure.savefig(out, format="svg", metadata={"Date": None})
