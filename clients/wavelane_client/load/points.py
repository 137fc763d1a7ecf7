"""The report that the engine's bench, the load generator and the benchmarks of others share: table, JSON, PNG."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point
from wavelane_client.load.machine import describe_machine
from wavelane_client.picture import new_figure, save_png

FORMAT = "wavelane-report/1"


def make_report(points: Sequence[Point], machine: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A report as plain values: what ``--json`` writes.

    Args:
        points: measured.
        machine: that they were measured on; None asks it.
        more: what else belongs to this report.
    """
    return {
        "format": FORMAT,
        "machine": describe_machine() if machine is None else dict(machine),
        "points": [point.to_json() for point in points],
        **more,
    }


def write_report(report: Mapping[str, Any], path: str | Path) -> None:
    """Write a report. Raises INVALID_CONFIG when the file cannot be written."""
    try:
        Path(path).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot write {path}: {error.strerror}") from None


def read_points(path: str | Path) -> list[Point]:
    """The points of a report.

    Raises:
        WavelaneError: INVALID_CONFIG, it cannot be read or is no report.
    """
    try:
        report = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot read the report {path}: {error}") from None
    if not isinstance(report, dict) or report.get("format") != FORMAT:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"{path} is no report ({FORMAT}) of `wavelane bench` or `wavelane load`"
        )
    return [Point.from_json(point) for point in report["points"]]


HEADINGS = ("engine", "precision", "load", "p × t", "batch", "streams", "p50 ms", "p95 ms", "p99 ms", "cores", "limit")
"""``p × t`` is processes times threads, ``limit`` the share of the measured rate of matrix products."""
_TEXT = 3
"""Leading columns that hold words."""
_WIDTH = 130
"""Columns of output that is not a terminal."""


def cells(point: Point) -> list[str]:
    """A point as the cells of a row, under :data:`HEADINGS`."""
    share = point.details.get("share")
    streams = f"{point.streams:.1f}" if point.streams < 100 else f"{point.streams:.0f}"
    return [
        point.engine,
        point.precision,
        point.kind,
        f"{point.processes} × {point.threads}",
        _number(point.batch),
        streams if point.in_time else f"({streams})",
        *(_number(point.latency.get(f"{q}_ms")) for q in ("p50", "p95", "p99")),
        _number(point.cores, 2) + (f" +{point.foreign_cores:.1f}!" if point.disturbed else ""),
        "–" if share is None else f"{100 * share:.0f} %",
    ]


def by_panel(points: Iterable[Point]) -> dict[str, list[Point]]:
    """Points of the same model and chunk length, which alone can be compared, under a heading."""
    panels: dict[str, list[Point]] = {}
    for point in points:
        parts = [point.model]
        if point.chunk_ms is not None:
            parts.append(f"chunks of {point.chunk_ms / 1000:g} s")
        if point.lookahead is not None:
            parts.append(f"lookahead {point.lookahead}")
        panels.setdefault(", ".join(parts), []).append(point)
    return panels


def print_points(console: Console, points: Iterable[Point]) -> None:
    """Print a table for each panel, and what its signs mean."""
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    for title, panel in by_panel(points).items():
        console.print(points_table(panel, title))
    console.print(NOTES, highlight=False)


NOTES = (
    "streams in brackets: steps are longer than the chunk, so that it is a throughput, not a number of live streams. "
    "saturated: latency is the time of a step; paced and load: from a chunk's last sample to its result. "
    "!: others used the processor, the point is void."
)


def points_table(points: Iterable[Point], title: str | None = None) -> Table:
    """Points for a terminal."""
    table = Table(title=title, title_justify="left")
    for column, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="left" if column < _TEXT else "right", no_wrap=True)
    for point in points:
        table.add_row(*cells(point))
    return table


def points_markdown(points: Iterable[Point]) -> str:
    """Points as Markdown: a table for each panel."""
    tables = [
        f"**{title}**\n\n{markdown(HEADINGS, [cells(point) for point in panel], _TEXT)}"
        for title, panel in by_panel(points).items()
    ]
    return "\n".join([*tables, NOTES, ""])


def markdown(headings: Sequence[str], rows: Iterable[Sequence[str]], text: int = 1) -> str:
    """A Markdown table whose first ``text`` columns hold words and the others numbers."""
    rules = [" --- " if column < text else " ---: " for column in range(len(headings))]
    lines = [f"| {' | '.join(headings)} |", f"|{'|'.join(rules)}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def plot_capacity(points: Sequence[Point], path: str | Path, title: str = "") -> None:
    """Draw streams against p95 latency, a panel for each model and chunk length.

    An engine has a colour, paler the more bits its numbers have; processes and threads have a marker. Points in real
    time are filled and joined by a line; saturated ones, whose latency is only that of a step, are hollow.

    Raises:
        WavelaneError: INVALID_CONFIG when matplotlib is missing or the file cannot be written.
    """
    panels = by_panel(points)
    columns = min(2, len(panels)) or 1
    height = max(1, -(-len(panels) // columns))
    figure = new_figure(6.5 * columns, 3.6 * height + 1.2)
    from matplotlib.ticker import LogLocator  # there is one, or no figure

    axes = figure.subplots(height, columns, squeeze=False).flatten()
    engines = sorted({point.engine for point in points}, key=lambda name: (not name.startswith("wavelane"), name))
    places = sorted({(point.processes, point.threads) for point in points})
    handles: dict[str, Any] = {}
    for axis, (heading, panel) in zip(axes, panels.items(), strict=False):
        lines: dict[str, list[Point]] = {}
        for point in panel:
            lines.setdefault(_line(point), []).append(point)
        for label, line in lines.items():
            line = sorted(line, key=lambda point: (point.streams, point.latency.get("p95_ms") or 0))
            first = line[0]
            saturated = first.kind == "saturated"
            (handles[label],) = axis.plot(
                [point.streams for point in line],
                [point.latency.get("p95_ms") for point in line],
                color=f"C{engines.index(first.engine) % 10}",
                alpha=_DEPTH.get(first.precision, 1.0),
                marker="osD^vPX*"[places.index((first.processes, first.threads)) % 8],
                markersize=5,
                markerfacecolor="none" if saturated else None,
                linestyle="none" if saturated else "-",
                label=label,
            )
        if (chunk := panel[0].chunk_ms) is not None:
            axis.axhline(chunk, color="0.7", linewidth=1, zorder=0)
            axis.annotate("chunk", (0.005, chunk), xycoords=("axes fraction", "data"), color="0.5", fontsize="small")
        axis.set(title=heading, xlabel="streams", ylabel="p95 latency (ms)", xscale="log", yscale="log")
        for scale in (axis.xaxis, axis.yaxis):
            scale.set_major_locator(LogLocator(subs=(1, 2, 5)))
            scale.set_major_formatter("{x:g}")
            scale.set_minor_formatter("")
        axis.grid(alpha=0.3)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.legend(
        handles=[
            handle for _, handle in sorted(handles.items(), key=lambda item: (item[0][:8] != "wavelane", item[0]))
        ],
        loc="outside lower center",
        ncols=2 * columns,
        fontsize="x-small",
    )
    figure.suptitle(title)
    save_png(figure, path)


_DEPTH = {"fp32": 0.4, "bf16": 0.7}
"""Of a precision's colour, where it is not full."""


def _line(point: Point) -> str:
    """What the points of one line have in common."""
    return f"{point.engine} {point.precision}, {point.processes} × {point.threads}, {point.kind}"


def _number(value: float | None, digits: int = 1) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"
