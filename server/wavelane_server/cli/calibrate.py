"""``wavelane calibrate``: fit the times and confidences of a model's words to recordings."""

import asyncio
import json
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import click
from rich.console import Console
from rich.table import Table

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint.native import read_native_config, write_words
from wavelane.model.embedded import EMBEDDED, embedded_path
from wavelane.spec import WordTuning
from wavelane_client.evaluate.calibrate import fit, half_of
from wavelane_client.evaluate.conditions import Studio
from wavelane_client.evaluate.measures import reliability, word_times
from wavelane_client.evaluate.reliability import plot_reliability
from wavelane_client.evaluate.report import write_text
from wavelane_client.evaluate.row import Row
from wavelane_client.evaluate.run import Evaluation, Settings, evaluate
from wavelane_client.manifest import Entry, read_manifest
from wavelane_client.server_process import ServerProcess

CONFIG = "config.json"
_MANIFEST = click.Path(exists=True, dir_okay=False)


@click.command("calibrate")
@click.argument("model")
@click.argument(
    "manifests", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False), metavar="MANIFEST..."
)
@click.option("--lookahead", "lookaheads", type=int, multiple=True, help="Only these. [default: all of the model]")
@click.option("--sessions", type=click.IntRange(1), default=8, show_default=True, help="Recordings at the same time.")
@click.option(
    "--serve", default="", metavar="FLAGS", help="More flags of `wavelane serve`, for example '--engine-head ctc'."
)
@click.option("--dry-run", is_flag=True, help="Fit and measure, and leave the model as it is.")
@click.option("--png", "png_path", type=click.Path(dir_okay=False), help="Draw the reliability of confidences here.")
@click.option("--json", "json_path", type=click.Path(dir_okay=False), help="Write what was fitted and measured here.")
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> None:
    """Fit the times and confidences of the words of MODEL to MANIFESTs, and write them into its config.json.

    MODEL is the name of an embedded model or a folder in the native format. The manifests need `text`, and `words` with
    their times for the times (benchmarks/words.py makes them by forced alignment). Fitted is to one half of the
    speakers, measured on the other half, both by a server of its own and its socket.
    """
    try:
        report = asyncio.run(_calibrate(flags))
        if flags["json_path"]:
            write_text(json.dumps(report, indent=1) + "\n", flags["json_path"])
        if flags["png_path"]:
            panels = [
                (f"lookahead {each['lookahead']}", each["before"]["confidence"], each["after"]["confidence"])
                for each in report["lookaheads"]
            ]
            plot_reliability(panels, flags["png_path"])
    except WavelaneError as error:
        click.echo(f"wavelane: {error.message}", err=True)
        ctx.exit(1)
    except KeyboardInterrupt:
        ctx.exit(130)
    _print(report)
    click.echo(f"{report['model']} is left as it is" if flags["dry_run"] else f"Written to {report['folder']}")


async def _calibrate(flags: Mapping[str, Any]) -> dict[str, Any]:
    folder = embedded_path(flags["model"]) if flags["model"] in EMBEDDED else Path(flags["model"])
    if not (folder / CONFIG).is_file():
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"{folder} is no folder in the native format: make one with `wavelane models convert`",
        )
    config = read_native_config(folder)
    lookaheads = tuple(flags["lookaheads"]) or config.lookaheads
    if unknown := set(lookaheads) - set(config.lookaheads):
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"{config.name} has no lookahead {min(unknown)}: it has {list(config.lookaheads)}"
        )
    entries = [entry for manifest in flags["manifests"] for entry in read_manifest(manifest) if entry.text]
    with _copy(folder, ()) as plain:
        before = await _hear(plain, entries, lookaheads, flags)
    assert before.model is not None
    head = cast(Literal["ctc", "rnnt"], before.model.head)
    fitted = [
        fit([row for row in before.rows if row.lookahead == at and half_of(row) == 0], head, at) for at in lookaheads
    ]
    kept = [old for old in config.words if old.head != head or old.lookahead not in lookaheads]
    tuned_words = (*kept, *fitted)
    held_out = [row for row in before.rows if half_of(row) == 1]
    others = [entry for entry in entries if half_of(entry) == 1]
    with _copy(folder, tuned_words) as tuned:
        after = await _hear(tuned, others, lookaheads, flags)
    if not flags["dry_run"]:
        write_words(folder, tuned_words)
    return {
        "model": config.name,
        "folder": str(folder),
        "head": head,
        "fitted_to": len(entries) - len(others),
        "measured_on": len(others),
        "lookaheads": [
            {
                "lookahead": tuning.lookahead,
                "fitted": {"start": tuning.start, "end": tuning.end, "confidence": tuning.confidence},
                "before": _measured(held_out, tuning.lookahead),
                "after": _measured(after.rows, tuning.lookahead),
            }
            for tuning in fitted
        ],
    }


@contextmanager
def _copy(folder: Path, words: Sequence[WordTuning]) -> Iterator[Path]:
    """The model with these corrections, as long as the block lasts."""
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / folder.name
        copy.mkdir()
        for file in folder.resolve().iterdir():
            if file.name == CONFIG:
                (copy / CONFIG).write_bytes(file.read_bytes())
            else:
                (copy / file.name).symlink_to(file)
        write_words(copy, words)
        yield copy


async def _hear(
    model: Path, entries: Sequence[Entry], lookaheads: Sequence[int], flags: Mapping[str, Any]
) -> Evaluation:
    if not entries:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "one half of the speakers has no recordings with text: give more")
    arguments = ("--log-level", "warning", "--model", str(model), *shlex.split(flags["serve"]))
    async with ServerProcess(arguments=arguments) as server:
        settings = Settings(
            url=server.url,
            lookaheads=tuple(lookaheads),
            options={"vad": {"kind": "off"}},
            sessions=flags["sessions"],
            normaliser="basic",
        )
        evaluation = await evaluate(settings, entries, Studio())
    for row in evaluation.rows:
        if row.error is not None:
            raise WavelaneError(ErrorCode.INTERNAL, f"{row.name} was not recognised: {row.error}")
    return evaluation


def _measured(rows: Sequence[Row], lookahead: int) -> dict[str, Any]:
    chosen = [row for row in rows if row.lookahead == lookahead]
    confidence = reliability([word for row in chosen for word in row.words])
    if confidence is None:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "no word was recognised in the half that is measured: give more")
    return {"times": word_times(chosen), "confidence": confidence}


def _print(report: Mapping[str, Any]) -> None:
    table = Table(
        title=f"{report['model']}, {report['head']}: fitted to {report['fitted_to']} recordings, measured on "
        f"{report['measured_on']} of other speakers, before → after",
        title_justify="left",
    )
    headings = ("lookahead", "start: median ms", "≤80 ms %", "end: median ms", "≤80 ms %", "ECE", "NCE")
    for heading in headings:
        table.add_column(heading, justify="right")
    for each in report["lookaheads"]:
        pair = (each["before"], each["after"])
        cells = [str(each["lookahead"])]
        for side in ("start", "end"):
            for name, factor in (("median_ms", 1), ("close", 100)):
                values = ["–" if one["times"] is None else f"{factor * one['times'][side][name]:.0f}" for one in pair]
                cells.append(" → ".join(values))
        for name in ("ece", "nce"):
            cells.append(" → ".join(f"{one['confidence'][name]:.3f}" for one in pair))
        table.add_row(*cells)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    console.print(table)
