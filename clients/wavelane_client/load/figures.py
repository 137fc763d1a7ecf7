"""The figures of README.md, measured on this machine: ``wavelane figures``.

One server of its own (``wavelane serve`` on free ports), one generator process beside it on the same machine: what the
generator uses of the processor is part of the figures, and reported.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from wavelane_client.client import connect
from wavelane_client.load.machine import ProcessMonitor, describe_machine
from wavelane_client.load.plan import Plan
from wavelane_client.load.report import Result, summary
from wavelane_client.load.run import Run
from wavelane_client.load.search import Found, Stage, find_max, hopeless, judge
from wavelane_client.load.server_metrics import histogram_quantile, scrape
from wavelane_client.server_process import ServerProcess

BOUND_SECONDS = 0.3
"""p95 of end of audio to final up to which a number of streams counts as sustained."""
LANES = 2048
"""Sessions that the measured server admits, so that the search finds what it carries and not what it allows."""
REPOSITORY_MANIFEST = Path("tests/data/speech/manifest.jsonl")
LOOP_DELAY = "wavelane_event_loop_delay_seconds"
LOOKAHEADS = (6, 0)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How long each part is measured."""

    starts: int
    """Times that the server is started."""
    memory_sessions: int
    stage_seconds: float
    """Of one stage of the search."""
    load_seconds: float
    """Of one load point."""
    session_seconds: float
    """Length of a session."""
    first: int
    """Sessions of the first stage."""
    resolution: float


FULL = Extent(
    starts=3, memory_sessions=50, stage_seconds=6.0, load_seconds=25.0, session_seconds=8.0, first=32, resolution=0.15
)
QUICK = Extent(
    starts=1, memory_sessions=10, stage_seconds=4.0, load_seconds=6.0, session_seconds=3.0, first=16, resolution=0.5
)


async def measure_figures(
    extent: Extent,
    manifest: str | None,
    say: Say,
    arguments: tuple[str, ...] = (),
    lookaheads: Sequence[int] = LOOKAHEADS,
    speech_share: float | None = None,
) -> dict[str, Any]:
    """Measure everything.

    Args:
        extent: how long.
        manifest: utterances and their text; None takes the repository's test recordings when run there, or else the
            bundled recording.
        say: told about progress.
        arguments: more flags of ``wavelane serve``.
        lookaheads: that are measured, where the model has them.
        speech_share: of the time, in turns, in sessions that last twice as long; None: speech that goes on.

    Returns:
        Plain values; :func:`to_markdown` makes tables of them.
    """
    manifest = manifest or _repository_manifest()
    arguments = ("--log-level", "warning", "--max-sessions", str(LANES), "--engine-capacity", "off", *arguments)
    figures: dict[str, Any] = {
        "machine": describe_machine(),
        "audio": manifest or "the bundled recording",
        "server_arguments": list(arguments),
        "bound_ms": 1000 * BOUND_SECONDS,
        "speech_share": speech_share or 1.0,
    }
    if speech_share is not None:
        extent = replace(extent, stage_seconds=2 * extent.stage_seconds, session_seconds=2 * extent.session_seconds)
    ready = []
    for _ in range(extent.starts - 1):
        async with ServerProcess(arguments=arguments) as server:
            ready.append(server.seconds_to_ready)
    async with ServerProcess(arguments=arguments) as server:
        ready.append(server.seconds_to_ready)
        figures["seconds_to_ready"] = round(median(ready), 2)
        say(f"ready in {figures['seconds_to_ready']} s (median of {len(ready)})")
        bench = _Bench(server, manifest, extent, say, speech_share)
        async with connect(server.url) as stream:
            model = stream.ready.model
        figures["model"] = {"name": model.name, "head": model.head}
        figures["memory"] = await bench.memory()
        figures["lookaheads"] = [
            await bench.lookahead(lookahead) for lookahead in lookaheads if lookahead in model.lookaheads
        ]
    return figures


class _Bench:
    """Measurements of one running server."""

    def __init__(
        self, server: ServerProcess, manifest: str | None, extent: Extent, say: Say, speech_share: float | None
    ) -> None:
        self._server = server
        self._extent = extent
        self._say = say
        self._plan = Plan(
            url=server.url,
            manifest=manifest,
            session_seconds=extent.session_seconds,
            settle=1.0,
            duration=extent.load_seconds,
            speech_share=speech_share,
        )

    async def memory(self) -> dict[str, float]:
        """Resident memory of the server, and what a session adds to it."""
        count = self._extent.memory_sessions
        monitor = ProcessMonitor(self._server.pid)
        plan = replace(self._plan, sessions=count, duration=self._extent.stage_seconds)
        await Run(plan).run()  # what the first sessions allocate once for all
        await asyncio.sleep(1.0)
        before = monitor.resident_bytes()
        async with AsyncExitStack() as stack:
            for _ in range(count):
                await stack.enter_async_context(connect(self._server.url))
            await asyncio.sleep(1.0)
            idle = monitor.resident_bytes()
        active = (await Run(plan, self._server.pid).run()).server_rss_bytes or 0
        figures = {
            "server_mb": round(before / 1e6, 1),
            "idle_session_kb": round(max(0, idle - before) / count / 1e3, 1),
            "active_session_kb": round(max(0, active - before) / count / 1e3, 1),
            "sessions": count,
        }
        self._say(f"memory: {figures}")
        return figures

    async def lookahead(self, lookahead: int) -> dict[str, Any]:
        """The search for the most streams, and the latencies at parts of them."""
        plan = replace(self._plan, options={"lookahead": lookahead})

        async def stage(sessions: int) -> Stage:
            result, _ = await self._run(replace(plan, duration=self._extent.stage_seconds), sessions, bounded=True)
            judged = judge(result, BOUND_SECONDS)
            self._say(f"lookahead {lookahead}, {sessions} streams: {judged.reason}")
            return judged

        found = await find_max(
            stage, first=self._extent.first, limit=LANES - LANES // 16, resolution=self._extent.resolution
        )
        sustained = await self._confirm(plan, found.sessions)
        self._say(f"lookahead {lookahead}: {sustained} streams sustained")
        points = []
        for sessions in sorted({1, max(1, sustained // 2), max(1, sustained * 4 // 5)}):
            # One stream alone gives few finals: its sessions are single utterances.
            one = replace(plan, session_seconds=None if sessions == 1 else plan.session_seconds)
            result, loop_delay = await self._run(one, sessions)
            report = summary(result)
            report["loop_delay_p99_ms"] = None if loop_delay is None else round(1000 * loop_delay, 2)
            points.append(report)
            self._say(f"lookahead {lookahead}, {sessions} streams: final {report['final']}")
        return {"lookahead": lookahead, "streams": sustained, "search": _stages(found), "loads": points}

    async def _confirm(self, plan: Plan, sessions: int) -> int:
        """As many streams as are carried for the whole length of a load point: queues grow slowly near the limit."""
        while sessions > 1:
            result, _ = await self._run(plan, sessions, bounded=True)
            judged = judge(result, BOUND_SECONDS)
            self._say(f"{sessions} streams for {plan.duration:.0f} s: {judged.reason}")
            if judged.carried:
                break
            sessions = sessions * 9 // 10
        return sessions

    async def _run(self, plan: Plan, sessions: int, bounded: bool = False) -> tuple[Result, float | None]:
        """A run and the loop's delay in it; ``bounded``: only whether it meets the bound is of interest."""
        metrics = f"{self._server.http_url}/metrics"
        before = await scrape(metrics)
        run = replace(plan, sessions=sessions, ramp=max(2.0, sessions / 50))
        result = await Run(run, self._server.pid, hopeless(BOUND_SECONDS) if bounded else None).run()
        after = await scrape(metrics)
        if before is None or after is None:
            return result, None
        earlier = before.buckets(LOOP_DELAY)
        buckets = {le: count - earlier.get(le, 0.0) for le, count in after.buckets(LOOP_DELAY).items()}
        return result, histogram_quantile(buckets, 0.99)


def to_markdown(figures: dict[str, Any]) -> str:
    """The figures as Markdown, for README.md."""
    machine, memory = figures["machine"], figures["memory"]
    speech = "" if figures["speech_share"] == 1 else f", {figures['speech_share']:.0%} of it speech"
    lines = [
        f"Measured with `wavelane figures` on {machine['date'][:10]}: {machine['processor']}, {machine['cores']} "
        f"cores, {machine['memory_gb']:.0f} GB, {machine['system']}, Python {machine['python']}; model "
        f"{figures['model']['name']} ({figures['model']['head']}), audio {figures['audio']}{speech}; server and load "
        "generator on the same machine, through WebSockets.",
        "",
        "| | |",
        "| --- | ---: |",
        *(
            f"| real-time streams sustained, lookahead {entry['lookahead']} "
            f"(p95 end of audio to final < {figures['bound_ms']:.0f} ms) | {entry['streams']} |"
            for entry in figures["lookaheads"]
        ),
        f"| start to ready | {figures['seconds_to_ready']} s |",
        f"| memory of the server | {memory['server_mb']} MB |",
        f"| more for each idle session | {memory['idle_session_kb']} kB |",
        f"| more for each active session | {memory['active_session_kb']} kB |",
        "",
        "| lookahead | streams | partial lag p50 / p95 / p99 (ms) | end of audio to final p50 / p95 / p99 (ms) "
        "| finals | event-loop delay p99 (ms) | word error rate | server, generator (cores) |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for entry in figures["lookaheads"]:
        for load in entry["loads"]:
            accuracy = load["accuracy"]
            lines.append(
                f"| {entry['lookahead']} | {load['sessions']} | {_latency(load['partial_lag'])} "
                f"| {_latency(load['final'])} | {load['final']['count']} | {_shown(load['loop_delay_p99_ms'])} "
                f"| {'–' if accuracy is None else format(100 * accuracy['wer'], '.1f') + ' %'} "
                f"| {load['server']['cores']:.2f}, {load['generator']['cores']:.2f} |"
            )
    return "\n".join(lines) + "\n"


def _repository_manifest() -> str | None:
    return str(REPOSITORY_MANIFEST) if REPOSITORY_MANIFEST.is_file() else None


def _stages(found: Found) -> list[dict[str, Any]]:
    return [{"streams": s.sessions, "carried": s.carried, "reason": s.reason} for s in found.stages]


def _latency(row: dict[str, Any]) -> str:
    return " / ".join(_shown(row[f"{q}_ms"]) for q in ("p50", "p95", "p99"))


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if value < 10 else f"{value:.0f}"
