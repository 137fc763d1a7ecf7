"""Figures as PNG files, without a screen; by matplotlib, which comes with the extra ``load``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wavelane.errors import ErrorCode, WavelaneError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches.

    Raises:
        WavelaneError: INVALID_CONFIG when matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, "plots need the extra `load`: pip install 'wavelane[load]'"
        ) from None
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_png(figure: Figure, path: str | Path, dpi: int = 110) -> None:
    """Write a figure.

    Raises:
        WavelaneError: INVALID_CONFIG when the file cannot be written.
    """
    try:
        figure.savefig(Path(path), dpi=dpi, format="png")
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot write {path}: {error.strerror}") from None
