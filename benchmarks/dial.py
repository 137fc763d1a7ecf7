"""Lookahead as a dial: what a longer lookahead, or one that the server chooses, gains in streams and costs in words and
latency.

    python benchmarks/dial.py [--manifest SPEECH.jsonl] [--lookaheads 0,1,6,13] [--json OUT] [--png OUT] [--quick]

For each fixed lookahead, and for `auto` between the shortest and the longest of them, a server of its own is loaded
through sockets with more and more live streams, until p95 of end of audio to final passes the bound. Each number of
streams gives a point: latency, lag of partials, word error rate, refusals, and the lookahead that sessions had. With
fixed lookaheads the server admits everybody, so that the search finds what it carries; with `auto` it measures its
capacity, as it does by default, since that is what turns the dial.

Generator and server share the machine. Nothing else should run on it.
"""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click
from inprocess import RECORDINGS

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.client import connect
from wavelane_client.load.machine import describe_machine
from wavelane_client.load.plan import Plan
from wavelane_client.load.report import Result, summary
from wavelane_client.load.run import Run
from wavelane_client.load.search import Stage, find_max, hopeless, judge
from wavelane_client.load.server_metrics import scrape
from wavelane_client.picture import new_figure, save_png
from wavelane_client.server_process import ServerProcess

LANES = 4096
"""Sessions that the measured server has memory for."""
SAMPLE_S = 0.5
"""Time between two looks at the lookaheads of the lanes (s)."""


@dataclass(frozen=True, slots=True)
class Mode:
    """How sessions get their lookahead."""

    name: str
    options: dict[str, Any]
    arguments: tuple[str, ...]
    """Of the server."""
    settle: float = 1.0
    """Time (s) from the last session's start to what is measured."""

    @classmethod
    def fixed(cls, lookahead: int) -> "Mode":
        """All have the same."""
        return cls(str(lookahead), {"lookahead": lookahead}, ("--engine-capacity", "off"))

    @classmethod
    def auto(cls, shortest: int, longest: int) -> "Mode":
        """The server chooses, and takes some seconds to find what it carries."""
        options = {"lookahead": "auto", "lookahead_min": shortest, "lookahead_max": longest}
        return cls("auto", options, ("--engine-capacity", "measure"), settle=12.0)


@dataclass(slots=True)
class Lookaheads:
    """The mean lookahead of all lanes, sampled while a run is measured."""

    samples: list[float] = field(default_factory=list)

    async def watch(self, url: str, after: float) -> None:
        """Sample for ever, from ``after`` seconds on."""
        await asyncio.sleep(after)
        while True:
            if (scraped := await scrape(url)) is not None:
                self.take(scraped.by_label("wavelane_lookahead_lanes", "lookahead"))
            await asyncio.sleep(SAMPLE_S)

    def take(self, lanes: dict[str, float]) -> None:
        """Lanes by lookahead."""
        if count := sum(lanes.values()):
            self.samples.append(sum(int(lookahead) * share for lookahead, share in lanes.items()) / count)

    @property
    def mean(self) -> float | None:
        """Over the run; None of no lane."""
        return round(sum(self.samples) / len(self.samples), 2) if self.samples else None


def point(result: Result, stage: Stage, mean_lookahead: float | None) -> dict[str, Any]:
    """What a run showed, as plain values."""
    report = summary(result)
    accuracy = report["accuracy"]
    return {
        "streams": stage.sessions,
        "carried": stage.carried,
        "reason": stage.reason,
        "generator_late": stage.generator_late,
        "final": report["final"],
        "partial_lag": report["partial_lag"],
        # What was heard until a run was given up are its first words.
        "wer": None if accuracy is None or result.given_up else accuracy["wer"],
        "words": None if accuracy is None else accuracy["words"],
        "refused": sum(report["refused"].values()),
        "mean_lookahead": mean_lookahead,
    }


async def measure(mode: Mode, plan: Plan, bound: float, resolution: float, first: int) -> dict[str, Any]:
    """The search of one mode: the most streams, and every point on the way."""
    points: list[dict[str, Any]] = []
    async with ServerProcess(
        arguments=("--log-level", "warning", "--max-sessions", str(LANES), *mode.arguments)
    ) as server:
        await asyncio.sleep(3.0)  # it measures itself

        async def stage(sessions: int) -> Stage:
            run = replace(
                plan,
                url=server.url,
                options=mode.options,
                sessions=sessions,
                ramp=max(plan.ramp, sessions / 50),
                settle=mode.settle,
            )
            seen = Lookaheads()
            watching = asyncio.create_task(seen.watch(f"{server.http_url}/metrics", run.measured_from))
            result = await Run(run, server.pid, hopeless(bound)).run()
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            judged = judge(result, bound)
            points.append(point(result, judged, seen.mean))
            click.echo(f"lookahead {mode.name}, {sessions} streams: {judged.reason}", err=True)
            return judged

        found = await find_max(stage, first=first, limit=LANES - LANES // 16, resolution=resolution)
    return {
        "mode": mode.name,
        "options": mode.options,
        "streams": found.sessions,
        "points": sorted(points, key=lambda each: int(each["streams"])),
    }


async def measure_all(
    lookaheads: Sequence[int] | None, plan: Plan, bound: float, resolution: float, first: int
) -> dict[str, Any]:
    """All modes, one server after the other."""
    async with ServerProcess(arguments=("--log-level", "warning")) as server, connect(server.url) as stream:
        model = stream.ready.model
    chosen = sorted(lookaheads or model.lookaheads)
    if unknown := sorted(set(chosen) - set(model.lookaheads)):
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"--lookaheads: {model.name} was trained for {', '.join(map(str, model.lookaheads))}, not "
            f"{', '.join(map(str, unknown))}",
        )
    modes = [*map(Mode.fixed, chosen), Mode.auto(chosen[0], chosen[-1])]
    return {
        "schema": "wavelane-dial/1",
        "machine": describe_machine(),
        "model": model.name,
        "audio": plan.manifest,
        "bound_ms": 1000 * bound,
        "session_seconds": plan.session_seconds,
        "modes": [await measure(mode, plan, bound, resolution, first) for mode in modes],
    }


def table(report: dict[str, Any]) -> str:
    """Gain and cost of each mode at the most streams that it carries, as Markdown."""
    modes = report["modes"]
    shortest = modes[0]["streams"]
    lines = [
        "| lookahead | streams | gain | mean lookahead | end of audio to final p50 / p95 (ms) | partial lag p95 (ms) "
        "| WER |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for mode in modes:
        best = next((each for each in mode["points"] if each["carried"] and each["streams"] == mode["streams"]), None)
        if best is None:
            lines.append(f"| {mode['mode']} | 0 | | | | | |")
            continue
        gain = f"{mode['streams'] / shortest:.2f}×" if shortest else ""
        wer = "" if best["wer"] is None else f"{best['wer']:.1%}"
        lines.append(
            f"| {mode['mode']} | {mode['streams']} | {gain} | {best['mean_lookahead']} "
            f"| {best['final']['p50_ms']} / {best['final']['p95_ms']} | {best['partial_lag']['p95_ms']} | {wer} |"
        )
    return "\n".join(lines)


def draw(report: dict[str, Any], path: Path) -> None:
    """Streams against latency, word errors and lookahead, a line for each mode. Raises WavelaneError."""
    figure = new_figure(9, 10)
    latency, words, lookahead = figure.subplots(3, 1, sharex=True)
    for mode in report["modes"]:
        auto = mode["mode"] == "auto"
        style: dict[str, Any] = {"marker": "o", "linewidth": 2.5 if auto else 1.2, "color": "black" if auto else None}
        label = f"{mode['mode']}: {mode['streams']} streams"
        points = [each for each in mode["points"] if each["final"]["p95_ms"] is not None]
        streams = [each["streams"] for each in points]
        (line,) = latency.plot(streams, [each["final"]["p95_ms"] for each in points], label=label, **style)
        style["color"] = line.get_color()
        latency.axvline(mode["streams"], color=line.get_color(), linestyle=":", linewidth=1)
        heard = [each for each in points if each["wer"] is not None]
        words.plot([each["streams"] for each in heard], [100 * each["wer"] for each in heard], **style)
        moved = [each for each in points if each["mean_lookahead"] is not None]
        lookahead.plot([each["streams"] for each in moved], [each["mean_lookahead"] for each in moved], **style)
    latency.axhline(report["bound_ms"], color="tab:red", linewidth=1, label=f"bound {report['bound_ms']:.0f} ms")
    latency.set(ylabel="end of audio to final, p95 (ms)", yscale="log", title=f"Lookahead as a dial, {report['model']}")
    latency.legend(title="lookahead", fontsize="small")
    words.set(ylabel="word error rate (%)", ylim=(0, None))
    lookahead.set(ylabel="lookahead (encoder frames of 80 ms)", xlabel="live streams", ylim=(-0.5, None))
    for axes in (latency, words, lookahead):
        axes.grid(alpha=0.3)
    save_png(figure, path, dpi=120)


def _numbers(_context: click.Context, _parameter: click.Parameter, value: str | None) -> list[int] | None:
    if value is None:
        return None
    try:
        return [int(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"{value!r} is no list of numbers like 0,1,6,13") from None


@click.command()
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False), default=str(RECORDINGS), show_default=True)
@click.option("--lookaheads", callback=_numbers, help="Of the model, for example 0,6,13; left out: all.")
@click.option(
    "--bound-ms", type=click.FloatRange(1), default=300.0, show_default=True, help="Of end of audio to final."
)
@click.option("--seconds", type=click.FloatRange(1), default=20.0, show_default=True, help="Measured for each point.")
@click.option("--first", type=click.IntRange(1), default=32, show_default=True, help="Streams of the first point.")
@click.option("--quick", is_flag=True, help="Points of 4 s and a coarse search.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="Write the report here.")
@click.option("--png", "png_path", type=click.Path(dir_okay=False, path_type=Path), help="Draw it here.")
def main(
    manifest: str,
    lookaheads: list[int] | None,
    bound_ms: float,
    seconds: float,
    first: int,
    quick: bool,
    json_path: Path | None,
    png_path: Path | None,
) -> None:
    """Measure what the dial gains and costs."""
    plan = Plan(manifest=manifest, duration=4.0 if quick else seconds, session_seconds=4.0 if quick else 8.0)
    try:
        report = asyncio.run(measure_all(lookaheads, plan, bound_ms / 1000, 0.5 if quick else 0.1, first))
        if json_path is not None:
            json_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        if png_path is not None:
            draw(report, png_path)
    except WavelaneError as error:
        raise click.ClickException(error.message) from None
    except OSError as error:
        raise click.ClickException(f"cannot write {error.filename}: {error.strerror}") from None
    click.echo(table(report))


if __name__ == "__main__":
    main()
