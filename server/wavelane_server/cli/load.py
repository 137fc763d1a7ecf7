"""``wavelane load``: many sessions at once against a running server, measured from the client's side."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
from rich.console import Console
from rich.live import Live

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point
from wavelane_client.client import DEFAULT_GRPC_URL, DEFAULT_URL
from wavelane_client.load.corpus import CONVERSATION
from wavelane_client.load.machine import describe_machine
from wavelane_client.load.plan import Plan
from wavelane_client.load.plot import plot
from wavelane_client.load.points import make_report, print_points, write_report
from wavelane_client.load.report import Result, point_of, summary
from wavelane_client.load.run import Run
from wavelane_client.load.search import Found, Stage, find_max, hopeless, judge
from wavelane_client.load.view import live_view, print_report
from wavelane_server.cli.lookahead import lookahead_of

CONVERSATION_SECONDS = 60.0
"""Length of a session of ``--conversation`` where none is given."""

_LOOKAHEAD = ("lookahead", "lookahead_min", "lookahead_max")


@click.command("load")
@click.argument("audio", nargs=-1, metavar="[AUDIO...]")
@click.option("--manifest", type=click.Path(exists=True, dir_okay=False), help="JSON lines: audio_filepath, text.")
@click.option("--url", help=f"Address of the server. [default: {DEFAULT_URL}; with --grpc: {DEFAULT_GRPC_URL}]")
@click.option("--grpc", "use_grpc", is_flag=True, help="Speak gRPC instead of WebSocket.")
@click.option("--sessions", type=click.IntRange(1), default=8, show_default=True, help="Sessions at the same time.")
@click.option("--duration", type=click.FloatRange(0.1), default=30.0, show_default=True, help="Seconds measured.")
@click.option("--ramp", type=click.FloatRange(0), default=2.0, show_default=True, help="Seconds over which they start.")
@click.option(
    "--settle",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Seconds after the ramp not yet measured.",
)
@click.option(
    "--session-seconds",
    type=click.FloatRange(0.1),
    help=f"Length of a session; left out: one utterance each, or {CONVERSATION_SECONDS:.0f} with --conversation.",
)
@click.option(
    "--conversation",
    is_flag=True,
    help=f"Sessions are one party of a conversation: {CONVERSATION:.0%} speech in turns, low noise between them.",
)
@click.option("--packet-ms", type=click.IntRange(10, 5000), default=100, show_default=True, help="Length of a packet.")
@click.option(
    "--jitter-ms", type=click.IntRange(0, 5000), default=20, show_default=True, help="Largest random delay of a packet."
)
@click.option("--lookahead", type=lookahead_of, help="Of the sessions, or auto; left out: the server's default.")
@click.option("--lookahead-min", type=int, help="With --lookahead auto: the shortest that the server may choose.")
@click.option("--lookahead-max", type=int, help="With --lookahead auto: the longest that the server may choose.")
@click.option(
    "--vad", type=click.Choice(["webrtc", "silero", "off"]), help="Of the sessions; left out: the server's default."
)
@click.option(
    "--processes", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes of the generator."
)
@click.option("--server-pid", type=int, help="Report the processor and memory use of this process and its children.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of utterances, phases and jitter.")
@click.option(
    "--find-max",
    "search",
    is_flag=True,
    help="Search for the most sessions that the server carries, from --sessions on.",
)
@click.option(
    "--bound-ms",
    type=click.FloatRange(1),
    default=300.0,
    show_default=True,
    help="With --find-max: p95 of end of audio to final.",
)
@click.option(
    "--limit", type=click.IntRange(1), default=4096, show_default=True, help="With --find-max: never try more sessions."
)
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write the report here.")
@click.option("--png", "png_path", type=click.Path(dir_okay=False), help="Draw the run here.")
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> None:
    """Send AUDIO files, a manifest or the bundled recording at real-time pace through many sessions.

    Utterances are sent as sessions of their own, or joined to longer ones. Sessions start at random places, so that
    they neither step nor end together. Exits with 1 when a session was refused or broke, 2 when no server answers.
    """
    url = flags["url"] or (DEFAULT_GRPC_URL if flags["use_grpc"] else DEFAULT_URL)
    if flags["use_grpc"] and not url.startswith(("grpc://", "grpcs://")):
        raise click.UsageError("--grpc needs an address like grpc://HOST:PORT; leave --grpc out for others")
    options: dict[str, Any] = {}
    options |= {name: flags[name] for name in _LOOKAHEAD if flags[name] is not None}
    if flags["vad"]:
        options["vad"] = {"kind": flags["vad"]}
    plan = Plan(
        url=url,
        sessions=flags["sessions"],
        duration=flags["duration"],
        ramp=flags["ramp"],
        settle=flags["settle"],
        packet_ms=flags["packet_ms"],
        jitter_ms=flags["jitter_ms"],
        session_seconds=flags["session_seconds"] or (CONVERSATION_SECONDS if flags["conversation"] else None),
        speech_share=CONVERSATION if flags["conversation"] else None,
        options=options,
        manifest=flags["manifest"],
        audio=tuple(flags["audio"]),
        processes=min(flags["processes"], flags["sessions"]),
        seed=flags["seed"],
    )
    try:
        machine = describe_machine()
        if flags["search"]:
            points, found, result = asyncio.run(_search(plan, flags))
            more = {"search": _found(found)}
        else:
            result = asyncio.run(_run(plan, flags["server_pid"]))
            points, more = [point_of(result)], {}
        if result is not None:
            report = make_report(points, machine, **more, **summary(result))
            _outputs(result, report, flags)
    except WavelaneError as error:
        click.echo(f"wavelane: {error.message}", err=True)
        ctx.exit(2 if error.code is ErrorCode.UNAVAILABLE else 1)
    except KeyboardInterrupt:
        ctx.exit(130)
    if result is None or (not flags["search"] and (report["errors"] or report["refused"])):
        ctx.exit(1)


def _outputs(result: Result, report: dict[str, Any], flags: dict[str, Any]) -> None:
    console = Console()
    print_report(console, report)
    if flags["search"]:
        print_points(console, [Point.from_json(point) for point in report["points"]])
    if flags["json_path"]:
        write_report(report, flags["json_path"])
    if flags["png_path"]:
        plot(result, flags["png_path"])


async def _run(plan: Plan, server_pid: int | None, give_up: Callable[[Result], bool] | None = None) -> Result:
    run = Run(plan, server_pid, give_up)
    console = Console()
    if not console.is_terminal:
        return await run.run()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        return await run.run(lambda run: live.update(live_view(run, time.monotonic()), refresh=True))


async def _search(plan: Plan, flags: dict[str, Any]) -> tuple[list[Point], Found, Result | None]:
    best: Result | None = None
    points: list[Point] = []
    bound = flags["bound_ms"] / 1000

    async def measure(sessions: int) -> Stage:
        nonlocal best
        stage_plan = replace(
            plan, sessions=sessions, ramp=max(plan.ramp, sessions / 50), processes=min(plan.processes, sessions)
        )
        result = await _run(stage_plan, flags["server_pid"], hopeless(bound))
        stage = judge(result, bound)
        points.append(replace(point_of(result), carried=stage.carried))
        click.echo(f"{sessions} sessions: {'carried' if stage.carried else 'too many'} ({stage.reason})")
        if stage.carried and (best is None or sessions >= best.plan.sessions):
            best = result
        return stage

    found = await find_max(measure, first=plan.sessions, limit=flags["limit"])
    click.echo(f"The server carries {found.sessions} sessions" + (", the --limit" if found.limited else "") + ".")
    return points, found, best


def _found(found: Found) -> dict[str, Any]:
    return {
        "sessions": found.sessions,
        "limited": found.limited,
        "stages": [
            {
                "sessions": stage.sessions,
                "carried": stage.carried,
                "reason": stage.reason,
                "generator_late": stage.generator_late,
            }
            for stage in found.stages
        ],
    }
