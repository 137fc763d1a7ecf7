"""``wavelane eval``: how well a server recognises recorded speech, through its socket."""

import asyncio
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.client import DEFAULT_GRPC_URL, DEFAULT_URL
from wavelane_client.evaluate.compare import compare_runs
from wavelane_client.evaluate.conditions import Studio, parse_condition, sources
from wavelane_client.evaluate.page import make_page
from wavelane_client.evaluate.report import (
    make_report,
    read_report,
    read_transcripts,
    score_transcripts,
    write_report,
    write_text,
)
from wavelane_client.evaluate.row import Row
from wavelane_client.evaluate.run import Evaluation, Settings, evaluate
from wavelane_client.evaluate.text import NORMALISERS
from wavelane_client.evaluate.view import print_report
from wavelane_client.file import duration_of
from wavelane_client.manifest import Entry, read_manifest
from wavelane_client.server_process import ServerProcess
from wavelane_server.cli.lookahead import lookahead_of

EXIT_FAILED, EXIT_NO_SERVER, EXIT_INTERRUPTED = 1, 2, 130
_EXISTING = click.Path(exists=True)


def option_of(text: str) -> tuple[list[str], Any]:
    """``name=value`` or ``name.part=value``; the value is JSON, or else text; ``@FILE`` is what the file holds."""
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE, for example vad.kind=off or alternatives=5")
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise click.BadParameter(f"cannot read {value[1:]}: {error}") from None
    try:
        return name.split("."), json.loads(value)
    except ValueError:
        return name.split("."), value


@click.command("eval")
@click.argument(
    "manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="MANIFEST..."
)
@click.option("--url", help=f"Address of a running server. [default: {DEFAULT_URL}; with --grpc: {DEFAULT_GRPC_URL}]")
@click.option("--grpc", "use_grpc", is_flag=True, help="Speak gRPC instead of WebSocket.")
@click.option("--serve", metavar="FLAGS", help="Start a server for it, with these flags of `wavelane serve` (or '').")
@click.option(
    "--lookahead", "lookaheads", type=lookahead_of, multiple=True, help="Of the sessions; once more for each given."
)
@click.option(
    "--condition",
    "conditions",
    multiple=True,
    default=["clean"],
    show_default=True,
    help="How it is heard: clean, or of room, snr:DB, gain:DB, mulaw, opus:KBITS those joined by +; several allowed.",
)
@click.option("--noise", multiple=True, type=_EXISTING, help="Folder, manifest or file of noise, for snr.")
@click.option("--room", multiple=True, type=_EXISTING, help="Folder, manifest or file of impulse responses, for room.")
@click.option(
    "--option",
    "options",
    multiple=True,
    type=option_of,
    metavar="NAME=VALUE",
    help="Any option of a session, for example vad.kind=off or grammar=@coffee.jsgf (a file); JSON or text.",
)
@click.option("--corpus", "corpora", multiple=True, help="Only this set of the manifests; several allowed.")
@click.option("--limit", type=click.IntRange(1), help="Only the first recordings of each set.")
@click.option("--sessions", type=click.IntRange(1), default=8, show_default=True, help="Recordings at the same time.")
@click.option("--realtime", is_flag=True, help="Send at the pace of speech, and measure latencies.")
@click.option("--packet-ms", type=click.IntRange(10, 5000), default=100, show_default=True, help="Length of a packet.")
@click.option("--beside", type=click.IntRange(0), default=0, help="Sessions that load the server meanwhile.")
@click.option(
    "--keywords", type=click.Path(exists=True, dir_okay=False), help="Words or phrases to be found, a line each."
)
@click.option(
    "--normalizer", type=click.Choice(list(NORMALISERS)), default="whisper", show_default=True, help="Of all texts."
)
@click.option(
    "--transcripts",
    type=click.Path(exists=True, dir_okay=False),
    help="Score what another recogniser wrote (JSON lines: audio_filepath, text, words) instead of asking a server.",
)
@click.option("--name", help="Of this run, in its report.")
@click.option("--against", type=click.Path(exists=True, dir_okay=False), help="Compare with an earlier --json.")
@click.option("--worst", type=click.IntRange(0), default=5, show_default=True, help="Worst utterances to print.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of noise, rooms and resampling.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write the report here.")
@click.option("--html", "html_path", type=click.Path(dir_okay=False), help="Write the report here as a page.")
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> None:
    """Stream the recordings of MANIFESTs through a server and count the errors of what it hears.

    A manifest has a JSON object a line: audio_filepath and text, optionally corpus, speaker, words (with times), intent
    and slots. Exits with 1 when a recording failed, 2 when no server answers.
    """
    _check(flags)
    console = Console()
    try:
        entries = _entries(flags)
        other = read_report(flags["against"]) if flags["against"] else None
        evaluation, settings = _evaluate(entries, flags)
        report = make_report(
            flags["name"] or _name(evaluation, flags),
            evaluation.rows,
            flags["normalizer"],
            _keywords(flags["keywords"]),
            flags["seed"],
            manifests=list(flags["manifests"]),
            settings=settings,
            model=asdict(evaluation.model) if evaluation.model else None,
            config=dict(evaluation.config),
            beside=evaluation.beside,
        )
        if other is not None:
            report["against"] = compare_runs(evaluation.rows, flags["normalizer"], other, flags["seed"])
        print_report(console, report, evaluation.rows, flags["worst"])
        if flags["json_path"]:
            write_report(report, flags["json_path"])
        if flags["html_path"]:
            write_text(make_page(report, evaluation.rows), flags["html_path"])
    except WavelaneError as error:
        click.echo(f"wavelane: {error.message}", err=True)
        ctx.exit(EXIT_NO_SERVER if error.code is ErrorCode.UNAVAILABLE else EXIT_FAILED)
    except KeyboardInterrupt:
        ctx.exit(EXIT_INTERRUPTED)
    if any(row.error is not None for row in evaluation.rows):
        ctx.exit(EXIT_FAILED)


def _check(flags: dict[str, Any]) -> None:
    if flags["use_grpc"] and flags["url"] and not flags["url"].startswith(("grpc://", "grpcs://")):
        raise click.UsageError("--grpc needs an address like grpc://HOST:PORT; leave --grpc out for others")
    if flags["serve"] is not None and flags["url"]:
        raise click.UsageError("either --url of a running server, or --serve to start one")
    if flags["transcripts"]:
        unused = ("url", "use_grpc", "serve", "lookaheads", "noise", "room", "options", "realtime", "beside")
        given = [name for name in unused if flags[name]]
        if given or len(flags["conditions"]) > 1:
            raise click.UsageError("--transcripts asks no server: leave out what is for one, and name one --condition")


def _entries(flags: dict[str, Any]) -> list[Entry]:
    entries = [entry for manifest in flags["manifests"] for entry in read_manifest(manifest)]
    sets = {entry.corpus for entry in entries}
    if unknown := set(flags["corpora"]) - sets:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"no recording is of the set {min(unknown)!r}; there are {', '.join(sorted(sets))}",
        )
    seen: Counter[str] = Counter()
    chosen = []
    for entry in entries:
        if flags["corpora"] and entry.corpus not in flags["corpora"]:
            continue
        seen[entry.corpus] += 1
        if flags["limit"] is None or seen[entry.corpus] <= flags["limit"]:
            chosen.append(entry)
    if not chosen:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "the manifests are empty: there is nothing to recognise")
    return chosen


def _evaluate(entries: Sequence[Entry], flags: dict[str, Any]) -> tuple[Evaluation, dict[str, Any]]:
    if flags["transcripts"]:
        timed = [(entry, duration_of(str(entry.path)) or 0.0) for entry in entries]
        heard = read_transcripts(flags["transcripts"])
        rows = score_transcripts(timed, heard, flags["conditions"][0], flags["normalizer"])
        return Evaluation(rows=rows), {"transcripts": flags["transcripts"]}
    settings = Settings(
        url=flags["url"] or (DEFAULT_GRPC_URL if flags["use_grpc"] else DEFAULT_URL),
        lookaheads=tuple(flags["lookaheads"]) or (None,),
        conditions=tuple(map(parse_condition, dict.fromkeys(flags["conditions"]))),
        options=_options(flags["options"]),
        sessions=flags["sessions"],
        realtime=flags["realtime"],
        packet_ms=flags["packet_ms"],
        normaliser=flags["normalizer"],
        beside=flags["beside"],
        beside_manifest=flags["manifests"][0] if flags["beside"] else None,
    )
    studio = Studio(sources(flags["noise"]), sources(flags["room"]), flags["seed"])
    evaluation = asyncio.run(_serve_and_run(settings, entries, studio, flags))
    return evaluation, asdict(settings) | {"serve": flags["serve"]}


async def _serve_and_run(
    settings: Settings, entries: Sequence[Entry], studio: Studio, flags: dict[str, Any]
) -> Evaluation:
    if flags["serve"] is None:
        return await _run(settings, entries, studio)
    arguments = ("--log-level", "warning", *shlex.split(flags["serve"]))
    async with ServerProcess(arguments=arguments) as server:
        url = server.grpc_url if flags["use_grpc"] else server.url
        return await _run(replace(settings, url=url), entries, studio)


async def _run(settings: Settings, entries: Sequence[Entry], studio: Studio) -> Evaluation:
    total = len(entries) * len(settings.conditions) * len(settings.lookaheads)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("recordings", total=total)

        def done(_row: Row) -> None:
            progress.advance(task)

        return await evaluate(settings, entries, studio, done)


def _options(given: Sequence[tuple[list[str], Any]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for path, value in given:
        inner = options
        for part in path[:-1]:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise click.UsageError(f"--option {'.'.join(path)} stands beside a value of {part}")
        inner[path[-1]] = value
    if "lookahead" in options:
        raise click.UsageError("give the lookahead as --lookahead, so that the report knows it")
    return options


def _keywords(path: str | None) -> list[str]:
    return (
        [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()] if path else []
    )


def _name(evaluation: Evaluation, flags: dict[str, Any]) -> str:
    if evaluation.model is not None:
        return evaluation.model.name
    return Path(flags["transcripts"]).stem if flags["transcripts"] else "unknown"
