"""``wavelane bench``: what the engine does on this machine, alone."""

from collections.abc import Callable
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from wavelane.measure import Point
from wavelane_client.load.points import by_panel, make_report, plot_capacity, print_points, read_points, write_report


def _numbers(least: int) -> Callable[[click.Context, click.Parameter, str | None], tuple[int, ...] | None]:
    """A callback that reads whole numbers with commas between them, none below ``least``."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
        if value is None:
            return None
        try:
            numbers = tuple(int(part) for part in value.split(","))
        except ValueError:
            raise click.BadParameter(f"{value!r} is no list of whole numbers like 6,1") from None
        if min(numbers) < least:
            raise click.BadParameter(f"{min(numbers)} is too small: the least is {least}")
        return tuple(dict.fromkeys(numbers))

    return read


@click.command("bench")
@click.option(
    "--model",
    default="embedded",
    show_default=True,
    help="As `wavelane serve` takes it; or shape:small, shape:large (114M), shape:xlarge (0.6B), shape:large-rnnt, "
    "shape:xlarge-rnnt: random weights.",
)
@click.option(
    "--lookaheads",
    metavar="N,..",
    callback=_numbers(0),
    help="Encoder frames of lookahead.  [default: 13,6,1,0; quick: 6,1]",
)
@click.option("--precisions", help="Of the engine, with commas between them.  [default: all]")
@click.option(
    "--batches", metavar="N,..", callback=_numbers(1), help="Streams of a step.  [default: 1,8,32; quick: 8,32]"
)
@click.option("--seconds", type=click.FloatRange(0.1), help="Of each point.  [default: 4; quick: 1.5]")
@click.option("--paced/--no-paced", default=True, show_default=True, help="Search for the most streams in real time.")
@click.option("--limits/--no-limits", default=True, show_default=True, help="Measure the rate of matrix products.")
@click.option("--engine", "engine", multiple=True, metavar="NAME=VALUE", help="A setting of the engine; repeatable.")
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False), help="Audio: JSON lines, audio_filepath.")
@click.option("--quick", is_flag=True, help="Fewer and shorter points.")
@click.option(
    "--compare",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="A report of bench, load or the benchmarks, to be shown beside; repeatable.",
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write the report here.")
@click.option("--png", "png_path", type=click.Path(dir_okay=False), help="Draw streams against latency here.")
def command(**flags: Any) -> None:
    """Measure the engine: throughput with no waiting, streams in real time, and how near both are to the limit.

    Audio comes from memory, there are no sockets and no sessions. Nothing else should run on the machine: processor
    time that others use is reported, and more than a tenth of a core makes a point void (!).
    """
    from wavelane_server.benchmark import Bench, Settings, audio, prepare_process

    quick = flags["quick"]
    others = [point for path in flags["compare"] for point in read_points(path)]
    settings = Settings(
        model=flags["model"],
        lookaheads=flags["lookaheads"] or ((6, 1) if quick else (13, 6, 1, 0)),
        precisions=tuple(filter(None, (flags["precisions"] or "").split(","))),
        batches=flags["batches"] or ((8, 32) if quick else (1, 8, 32)),
        seconds=flags["seconds"] or (1.5 if quick else 4.0),
        paced=flags["paced"],
        resolution=0.2 if quick else 0.08,
        curve=() if quick else (0.25, 0.5, 0.75),
        limits=flags["limits"],
        engine=dict(_setting(text) for text in flags["engine"]),
    )
    prepare_process()
    bench = Bench(settings, audio(flags["manifest"]), lambda line: click.echo(line, err=True))
    measured = bench.run()
    points: list[Point] = [*measured.pop("points"), *others]
    console = Console()
    if measured["limits"]:
        console.print(limits_table(measured["limits"]))
    print_points(console, points)
    for title, panel in by_panel(points).items():
        if timed := [point for point in panel if point.details.get("breakdown")]:
            console.print(breakdown_table(title, timed))
    if flags["json_path"]:
        write_report(make_report(points, bench.machine(), **measured), flags["json_path"])
    if flags["png_path"]:
        plot_capacity(points, flags["png_path"], "streams and p95 latency")


def limits_table(limits: dict[str, dict[str, float | None]]) -> Table:
    """Rates of matrix products."""
    columns = list(next(iter(limits.values())))
    headings = {
        "square_1": "square, one core",
        "model_1": "model's shapes, one core",
        "square_all": "square",
        "model_all": "model's shapes",
    }
    table = Table("precision", title="matrix products, G op/s", title_justify="left")
    for column in columns:
        table.add_column(headings[column], justify="right")
    for precision, rates in limits.items():
        table.add_row(precision, *("n/a" if rates[column] is None else f"{rates[column]:.0f}" for column in columns))
    return table


def breakdown_table(title: str, points: list[Point]) -> Table:
    """Where the time of a step goes."""
    from wavelane.bench.steps import PARTS

    parts = [part for part in (*PARTS, "waiting") if any(part in point.details["breakdown"] for point in points)]
    table = Table("precision", title=f"{title}: a step, ms", title_justify="left")
    for heading in ("batch", *parts, "encoder of limit"):
        table.add_column(heading.replace("_", " "), justify="right")
    for point in points:
        share = point.details.get("encoder_share")
        spent = point.details["breakdown"]
        table.add_row(
            point.precision,
            str(point.batch),
            *(f"{spent[part]:.2f}" if part in spent else "–" for part in parts),
            "–" if share is None else f"{100 * share:.0f} %",
        )
    return table


def _setting(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE, for example workers=2", param_hint="--engine")
    return name, value
