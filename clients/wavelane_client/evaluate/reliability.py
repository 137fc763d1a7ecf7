"""Draws how well confidences are probabilities."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError


def plot_reliability(panels: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]], path: str | Path) -> None:
    """Draw a reliability diagram for each (title, before, after), as :func:`.measures.reliability` gives them.

    Raises:
        WavelaneError: INVALID_CONFIG when matplotlib is missing or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, "plots need the extra `load`: pip install 'wavelane[load]'"
        ) from None
    figure = Figure(figsize=(4.2 * len(panels), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
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
    try:
        figure.savefig(Path(path), dpi=110, format="png")
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot write {path}: {error.strerror}") from None
