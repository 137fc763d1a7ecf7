"""Draws how well confidences are probabilities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wavelane_client.picture import new_figure, save_png


def plot_reliability(panels: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]], path: str | Path) -> None:
    """Draw a reliability diagram for each (title, before, after), as :func:`.measures.reliability` gives them.

    Raises:
        WavelaneError: INVALID_CONFIG when matplotlib is missing or the file cannot be written.
    """
    figure = new_figure(4.2 * len(panels), 4.4)
    axes = figure.subplots(1, len(panels), squeeze=False).flatten()
    for axis, (title, before, after) in zip(axes, panels, strict=True):
        axis.plot([0, 1], [0, 1], color="0.7", linewidth=1, zorder=0)
        for label, values, marker in (("before", before, "o"), ("after", after, "s")):
            bins = values["bins"]
            axis.plot(
                [each["confidence"] for each in bins],
                [each["right"] for each in bins],
                marker=marker,
                label=f"{label}: ECE {values['ece']:.3f}",
            )
        axis.set(title=title, xlabel="confidence", ylabel="share of words that are right", xlim=(0, 1), ylim=(0, 1))
        axis.legend(loc="upper left")
        axis.grid(alpha=0.3)
    figure.suptitle("Confidence of words, other speakers")
    save_png(figure, path)
