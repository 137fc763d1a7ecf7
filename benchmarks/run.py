"""Wavelane's engine and its peers on this machine, in one run, with the same weights and the same audio.

``make bench`` runs this; ``make bench ARGS=--quick`` takes less than three minutes once the exports are there.
Writes a report (JSON), its tables (Markdown) and the capacity plot (PNG).
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from peer_workers import Setup, Subject, Worker, export, setups, workers
from rich.console import Console

from wavelane.bench.export import save_nemo
from wavelane.bench.shapes import PREFIX, shape_checkpoint
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.machine import usable_cores
from wavelane.measure import Point, best
from wavelane.model.checkpoint.native import load_native
from wavelane.model.embedded import embedded_path
from wavelane_client.load.points import (
    make_report,
    markdown,
    plot_capacity,
    points_markdown,
    print_points,
    write_report,
)
from wavelane_client.load.search import Stage, find_max
from wavelane_server.benchmark import SEARCH_FACTOR, Bench, Settings, audio, prepare_process

HERE = Path(__file__).parent
PEERS_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
"""Peers run as their users run them."""
MANIFEST = HERE.parent / "tests/data/speech/manifest.jsonl"
CACHE = HERE / ".cache"
PACED_LOOKAHEADS = (6, 1)
"""Real time is searched at these only: a search takes half a minute."""
WARM_UP = 1.0
WORST_MEMORY_GB = 12.0
"""Memory that the 0.6B shape needs on all sides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One model of the run."""

    model: str
    lookaheads: tuple[int, ...]
    fp32: bool = True
    """Measured on all sides, beside the lower precisions."""
    batches: tuple[int, ...] = (8, 32)
    paced: bool = True
    sherpa: bool = True
    """The model can be exported for it (a graph of less than 2 GB)."""


FULL = (
    Part(model="embedded", lookaheads=(13, 6, 1, 0)),
    Part(model="shape:large", lookaheads=(13, 6, 1, 0)),
    Part(model="shape:xlarge", lookaheads=(6,), fp32=False, batches=(8,), paced=False, sherpa=False),
)
QUICK = (Part(model="embedded", lookaheads=(6, 1)),)


@dataclass(slots=True)
class Run:
    """The whole benchmark.

    Args:
        python: interpreter of the peers' environment.
        seconds: of a point.
        quick: fewer configurations.
        paced: search for the most streams in real time.
        say: told about progress.
    """

    python: Path
    seconds: float
    quick: bool
    paced: bool
    say: Callable[[str], None]
    points: list[Point] = field(default_factory=list)
    limits: dict[str, Any] = field(default_factory=dict)
    work: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    machine: dict[str, Any] = field(default_factory=dict)

    def part(self, part: Part, peers: dict[str, Worker], sound: Sequence[Any], sound_file: Path) -> None:
        """One model: all lookaheads, ours and the peers' in turn."""
        nemo = archive(part.model)
        bench = Bench(
            Settings(
                model=part.model,
                lookaheads=part.lookaheads,
                batches=part.batches,
                seconds=self.seconds,
                resolution=0.2 if self.quick else 0.1,
                curve=() if self.quick else (0.25, 0.6),
            ),
            sound,
            self.say,
        )
        self.machine = bench.machine()
        bench.measure_limit()
        assert bench.config is not None, "every model of the run is a FastConformer"
        name = bench.config.name
        self.limits[name], self.work[name] = bench.limits, bench.work()
        for lookahead in part.lookaheads:
            folder = CACHE / f"{part.model.removeprefix(PREFIX)}-{lookahead}"
            if part.sherpa:
                export(self.python, nemo, folder, lookahead, PEERS_ENVIRONMENT, CACHE / "export.log")
            subject = Subject(
                name=name,
                nemo=nemo,
                export=folder if part.sherpa else None,
                lookahead=lookahead,
                chunk_ms=round(1000 * (lookahead + 1) * 0.08, 1),
                audio=sound_file,
            )
            ours: list[Point] = []
            theirs: list[tuple[Setup, Point]] = []
            their_setups = [s for s in setups(usable_cores(), self.quick) if fits(s, part)]
            our_setups = [(p, batch) for p in bench.precisions if part.fp32 or p != "fp32" for batch in part.batches]
            # In turn, so that what the machine does over time falls on both sides alike.
            for mine, setup in zip_longest(our_setups, their_setups):
                if mine is not None:
                    ours.append(bench.throughput(lookahead, *mine))
                if setup is None:
                    continue
                try:
                    theirs.append((setup, self.peer(peers[setup.peer], setup, subject)))
                except WavelaneError as error:
                    # The rest of the run says something without it.
                    self.left_out.append(
                        f"{name}, lookahead {lookahead}, {setup.peer} {setup.precision}: {error.message}"
                    )
                    self.say(self.left_out[-1])
            self.points += [*ours, *(point for _, point in theirs)]
            if self.paced and part.paced and lookahead in PACED_LOOKAHEADS:
                self.points += bench.capacity(lookahead, max(ours, key=lambda point: point.streams))
                for setup, point in [] if self.quick else strongest(theirs):
                    self.points += self.search(peers[setup.peer], setup, subject, point)

    def peer(self, worker: Worker, setup: Setup, subject: Subject, count: int | None = None) -> Point:
        """One point of a peer."""
        point = worker.measure(setup, subject, self.seconds, WARM_UP, count)
        self.say(
            f"{subject.name}, lookahead {subject.lookahead}, {point.engine} {point.precision}, {setup.processes} x "
            f"{setup.threads}, {point.kind}: {point.streams:.1f} streams, p95 {point.latency['p95_ms']} ms"
            + (f"; OTHERS USED {point.foreign_cores} CORES" if point.disturbed else "")
        )
        return point

    def search(self, worker: Worker, setup: Setup, subject: Subject, throughput: Point) -> list[Point]:
        """The most streams that a peer carries in real time: every number that was tried."""
        tried: list[Point] = []

        async def measure(count: int) -> Stage:
            point = self.peer(worker, setup, subject, max(setup.processes, count))
            tried.append(point)
            return Stage(count, point.in_time, "")

        first, limit = max(1, int(0.7 * throughput.streams)), max(1, int(SEARCH_FACTOR * throughput.streams))
        asyncio.run(find_max(measure, first=first, limit=limit, resolution=0.15))
        return tried


def fits(setup: Setup, part: Part) -> bool:
    """Whether a configuration of a peer belongs to a part."""
    return (
        setup.batch in part.batches
        and (part.fp32 or setup.precision != "fp32")
        and (part.sherpa or setup.peer != "sherpa")
    )


def strongest(measured: Sequence[tuple[Setup, Point]]) -> list[tuple[Setup, Point]]:
    """The best configuration of all, and the best of those that serve from one process."""
    ranked = sorted(measured, key=lambda pair: -pair[1].streams)
    single = [pair for pair in ranked if pair[0].processes == 1]
    return list({id(pair): pair for pair in (*ranked[:1], *single[:1])}.values())


def archive(model: str) -> Path:
    """The model as a NeMo archive, which is what peers load."""
    path = CACHE / f"{model.removeprefix(PREFIX)}.nemo"
    if not path.exists():
        checkpoint = (
            shape_checkpoint(model.removeprefix(PREFIX)) if model.startswith(PREFIX) else load_native(embedded_path())
        )
        unfinished = path.with_suffix(".part")
        save_nemo(*checkpoint, unfinished)
        unfinished.rename(path)
    return path


HEADINGS = (
    "model and chunk",
    "ours",
    "best peer",
    "ratio",
    "best one-process peer",
    "ratio",
    "ours with no more p95 than the best peer",
    "ratio",
    "real time: ours",
    "best peer",
    "ratio",
)


def ratios(points: Sequence[Point]) -> list[list[str]]:
    """Ours against the peers, a row for each model and chunk, under :data:`HEADINGS`."""
    rows = []
    for model, chunk in dict.fromkeys((point.model, point.chunk_ms) for point in points):
        here = [point for point in points if (point.model, point.chunk_ms) == (model, chunk)]
        ours, theirs = _most([p for p in here if _is_ours(p)]), _most([p for p in here if not _is_ours(p)])
        single = _most([p for p in here if not _is_ours(p) and p.processes == 1])
        p95 = None if theirs is None else theirs.latency["p95_ms"]
        quick = _most([p for p in here if _is_ours(p) and p95 is not None and (p.latency["p95_ms"] or 0) <= p95])
        live = best([p for p in here if _is_ours(p) and p.kind == "paced"])
        their_live = best([p for p in here if not _is_ours(p) and p.kind == "paced"])
        rows.append(
            [
                f"{model}, {(chunk or 0) / 1000:g} s",
                *(_cell(ours), _cell(theirs), _ratio(ours, theirs), _cell(single), _ratio(ours, single)),
                *(_cell(quick), _ratio(quick, theirs)),
                *(_cell(live), _cell(their_live), _ratio(live, their_live)),
            ]
        )
    return rows


def _is_ours(point: Point) -> bool:
    return point.engine.startswith("wavelane")


def _most(points: Sequence[Point]) -> Point | None:
    """The best throughput."""
    return max((p for p in points if p.kind == "saturated"), key=lambda point: point.streams, default=None)


def _cell(point: Point | None) -> str:
    if point is None:
        return "–"
    batch = f" b{point.batch}" if point.batch else ""
    name = point.precision if _is_ours(point) else f"{point.engine} {point.precision}"
    return (
        f"{point.streams:.1f} ({name} {point.processes} × {point.threads}{batch}, p95 {point.latency['p95_ms']:.0f} ms)"
    )


def _ratio(ours: Point | None, theirs: Point | None) -> str:
    return "–" if ours is None or theirs is None or not theirs.streams else f"**{ours.streams / theirs.streams:.2f}**"


def to_markdown(run: Run, took: float) -> str:
    """The report as Markdown."""
    machine = run.machine
    limits = [
        [name, precision, *("n/a" if rate is None else f"{rate:.0f}" for rate in rates.values())]
        for name, by_precision in run.limits.items()
        for precision, rates in by_precision.items()
    ]
    heads = ["model", "precision", "square, one core", "model's, one core", "square, all", "model's, all"]
    parts = [
        f"# Wavelane and its peers, {machine['date'][:10]}",
        f"{machine['processor']}, {machine['cores']} cores ({', '.join(machine['instruction_sets'])}), "
        f"{machine['memory_gb']:.0f} GB, {machine['system']}, Python {machine['python']}, torch {machine['torch']}; "
        f"{run.seconds:g} s for each point, {took / 60:.1f} minutes in all.",
        "## Ours against the peers",
        "Streams: seconds of audio recognised in a second with no waiting; in real time: live streams with a p95 from "
        "chunk to result below the chunk's length.",
        markdown(HEADINGS, ratios(run.points)),
        "## The limit: matrix products, G op/s",
        markdown(heads, limits, 2),
        "## All points",
        points_markdown(run.points),
    ]
    if run.left_out:
        parts += ["## Left out", "\n".join(f"- {line}" for line in run.left_out)]
    return "\n\n".join(parts) + "\n"


def chosen(parts: Sequence[Part], models: Sequence[str] | None, lookaheads: Sequence[int] | None) -> list[Part]:
    """Parts of the run that were asked for; None is all.

    Raises:
        WavelaneError: INVALID_CONFIG, there are none.
    """
    wanted = [
        replace(part, lookaheads=tuple(x for x in part.lookaheads if lookaheads is None or x in lookaheads))
        for part in parts
        if models is None or part.model in models
    ]
    wanted = [part for part in wanted if part.lookaheads]
    if not wanted:
        have = "; ".join(f"{part.model}: {', '.join(map(str, part.lookaheads))}" for part in parts)
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"this run has no such models and lookaheads, but {have}")
    return wanted


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the embedded model, two lookaheads, best settings only")
    parser.add_argument("--peers", type=Path, required=True, help="python of the environment that has the peers")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the report")
    parser.add_argument("--seconds", type=float, help="of each point (default 3; quick: 1.5)")
    parser.add_argument("--models", nargs="+", help="only these: embedded, shape:large, shape:xlarge")
    parser.add_argument("--lookaheads", nargs="+", type=int, help="only these, where they are part of the run")
    parser.add_argument("--no-paced", dest="paced", action="store_false", help="no search in real time")
    arguments = parser.parse_args()
    begun = time.monotonic()
    run = Run(
        # Not resolved: a link to an interpreter outside the environment would leave the environment.
        python=arguments.peers.absolute(),
        seconds=arguments.seconds or (1.5 if arguments.quick else 3.0),
        quick=arguments.quick,
        paced=arguments.paced,
        say=lambda line: print(f"[{time.monotonic() - begun:5.0f} s] {line}", file=sys.stderr, flush=True),
    )
    prepare_process()
    CACHE.mkdir(exist_ok=True)
    sound = audio(str(MANIFEST))
    sound_file = CACHE / "audio.npy"
    np.save(sound_file, np.stack(sound))
    parts = chosen(QUICK if run.quick else FULL, arguments.models, arguments.lookaheads)
    with workers(run.python, PEERS_ENVIRONMENT, CACHE) as peers:
        for part in parts:
            memory = psutil.virtual_memory().available / 1e9
            if part.model == "shape:xlarge" and memory < WORST_MEMORY_GB:
                run.left_out.append(f"{part.model}: {memory:.0f} GB of memory are free, it needs {WORST_MEMORY_GB:.0f}")
                continue
            if not part.sherpa:
                run.left_out.append(f"{part.model} in sherpa-onnx: its graph is larger than an ONNX file can be")
            run.part(part, peers, sound, sound_file)
    took = time.monotonic() - begun
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / datetime.now(UTC).strftime("%Y-%m-%d" + ("-quick" if run.quick else ""))
    more = {"limits": run.limits, "work": run.work, "left_out": run.left_out, "minutes": round(took / 60, 1)}
    write_report(make_report(run.points, run.machine, **more), stem.with_suffix(".json"))
    stem.with_suffix(".md").write_text(to_markdown(run, took), encoding="utf-8")
    plot_capacity(run.points, stem.with_suffix(".png"), "Streams and p95 latency, Wavelane and its peers")
    console = Console()
    print_points(console, run.points)
    for name, *values in ratios(run.points):
        console.print(f"[bold]{name}[/bold]")
        for heading, value in zip(HEADINGS[1:], values, strict=True):
            console.print(f"  {heading:42} {value.strip('*')}", highlight=False)
    console.print(f"{stem}.json, .md and .png written in {took / 60:.1f} minutes")


if __name__ == "__main__":
    if "OMP_WAIT_POLICY" not in os.environ:
        # As Wavelane's command line sets it; it is read once, when torch is imported, and that has happened.
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | {"OMP_WAIT_POLICY": "PASSIVE"})
    try:
        main()
    except WavelaneError as error:
        sys.exit(f"error: {error.message}")
