"""Word errors of Wavelane and of others on the same recordings.

    python benchmarks/words.py MANIFEST --peers /path/to/python --out FOLDER [--model MODEL] [--lookaheads 13,6,1,0]

The python of the peers has what is in ``peers/requirements.txt``. Written to FOLDER, and kept there for the next run:
transcripts and reports (``wavelane-eval/1``) of pocketsphinx with its own ``en-us`` model, of sherpa-onnx with the same
weights as ours at each lookahead (fp32; CTC models only), and of a Wavelane server; the manifest with the word times
that pocketsphinx's forced alignment gives (``aligned.jsonl``), which is what ours is measured on; and ``words.md``, the
tables. Files of a model are named after its weights.

Ours is greedy without a language model and without a speech detector, with the little silence around the audio that a
server puts there by itself; pocketsphinx has its own language model, and whole utterances at once; sherpa-onnx gets a
chunk of silence behind the audio.
"""

import asyncio
import hashlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from peer_workers import SCRIPTS, export
from rich.console import Console
from run import PEERS_ENVIRONMENT

from wavelane.bench.export import save_nemo
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint.native import load_native
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane_client.evaluate.compare import compare_runs
from wavelane_client.evaluate.conditions import Studio
from wavelane_client.evaluate.measures import ALL, by_group, word_times
from wavelane_client.evaluate.report import (
    make_report,
    read_report,
    read_transcripts,
    score_transcripts,
    write_report,
    write_text,
)
from wavelane_client.evaluate.row import Row
from wavelane_client.evaluate.run import Settings, evaluate
from wavelane_client.evaluate.score import Counts
from wavelane_client.evaluate.text import NORMALISERS
from wavelane_client.evaluate.view import comparison_table, percent
from wavelane_client.file import duration_of
from wavelane_client.load.points import markdown
from wavelane_client.manifest import read_manifest
from wavelane_client.server_process import ServerProcess

WIDTH = 140
"""Columns of output that is not a terminal."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where everything is, and how it is measured."""

    manifest: Path
    python: Path
    out: Path
    normaliser: str

    def transcripts(self, name: str, script: str, *arguments: str) -> Path:
        """A file that a script of the peers writes for the manifest, made where it is not there yet."""
        path = self.out / f"{name}.jsonl"
        if not path.exists():
            click.echo(f"{name} …", err=True)
            unfinished = path.with_suffix(".part")
            self._call(script, *(str(unfinished) if argument == "OUT" else argument for argument in arguments))
            unfinished.rename(path)
        return path

    def score(self, name: str, transcripts: Path) -> list[Row]:
        """Rows of some transcripts, whose report is written."""
        timed = [(entry, duration_of(str(entry.path)) or 0.0) for entry in read_manifest(self.manifest) if entry.text]
        rows = score_transcripts(timed, read_transcripts(transcripts), "clean", self.normaliser)
        self.report(name, rows)
        return rows

    def report(self, name: str, rows: Sequence[Row]) -> dict[str, Any]:
        """Write the report of some rows."""
        report = make_report(name, rows, self.normaliser, manifests=[str(self.manifest)])
        write_report(report, self.out / f"{name}.json")
        return report

    async def ours(self, model: str, lookaheads: Sequence[int]) -> list[Row]:
        """Through a server's socket."""
        entries = [entry for entry in read_manifest(self.manifest) if entry.text]
        arguments = ("--model", model, "--log-level", "warning")
        async with ServerProcess(arguments=arguments) as server:
            settings = Settings(
                url=server.url,
                lookaheads=tuple(lookaheads),
                options={"vad": {"kind": "off"}},
                normaliser=self.normaliser,
            )
            return (await evaluate(settings, entries, Studio())).rows

    def aligned(self) -> Path:
        """The manifest with word times where pocketsphinx finds them, and without where it does not."""
        alignment = self.transcripts("alignment", "pocketsphinx_peer.py", "align", str(self.manifest), "OUT")
        times = {line["audio_filepath"]: line["words"] for line in _json_lines(alignment)}
        path = self.out / "aligned.jsonl"
        lines = []
        for line in _json_lines(self.manifest):
            name = line["audio_filepath"]
            line |= {"words": times[name]} if name in times else {}
            lines.append(json.dumps(line | {"audio_filepath": str((self.manifest.parent / name).resolve())}))
        write_text("\n".join(lines) + "\n", path)
        return path

    def _call(self, script: str, *arguments: str) -> None:
        command = [str(self.python), str(SCRIPTS / script), *arguments]
        subprocess.run(command, check=True, env=PEERS_ENVIRONMENT)


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def table(systems: Mapping[str, Sequence[Row]]) -> str:
    """WER by set, a column for each system."""
    columns = {
        name: {corpus: Counts.total([row.counts for row in group if row.counts]) for (_, _, corpus), group in groups}
        for name, groups in ((name, by_group(rows).items()) for name, rows in systems.items())
    }
    first = next(iter(columns.values()))
    rows = [
        [
            corpus,
            str(count.length),
            *(percent(column[corpus].errors / column[corpus].length) for column in columns.values()),
        ]
        for corpus, count in first.items()
    ]
    return markdown(("set", "words", *columns), rows)


def times_markdown(rows: Sequence[Row]) -> str:
    """Errors of our word times by lookahead (ms)."""
    lines = []
    for (_, lookahead, corpus), group in by_group(rows).items():
        times = word_times(group)
        if corpus == ALL and times is not None:
            sides = [
                f"{times[side][name]:.0f}" for side in ("start", "end") for name in ("bias_ms", "median_ms", "p90_ms")
            ]
            lines.append([str(lookahead), str(times["words"]), *sides])
    headings = ("lookahead", "words", "start: bias", "median", "p90", "end: bias", "median", "p90")
    return markdown(headings, lines, 0)


def exported(model: str, python: Path, out: Path, lookahead: int) -> Path:
    """The model for sherpa-onnx at a lookahead, exported where that was not done before."""
    folder = embedded_path(model) if model in EMBEDDED else Path(model)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:8]
    nemo = out / f"{digest}.nemo"
    if not nemo.exists():
        save_nemo(*load_native(folder), nemo)
    target = out / f"{digest}-{lookahead}"
    export(python, nemo, target, lookahead, PEERS_ENVIRONMENT, out / "export.log")
    return target


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--peers", required=True, type=click.Path(exists=True, path_type=Path), help="Python of the peers.")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@click.option("--model", default=DEFAULT, show_default=True, help="Embedded model, or native model folder.")
@click.option("--lookaheads", default="13,6,1,0", show_default=True, help="Of ours and of sherpa-onnx.")
@click.option("--normalizer", type=click.Choice(list(NORMALISERS)), default="whisper", show_default=True)
def main(manifest: Path, peers: Path, out: Path, model: str, lookaheads: str, normalizer: str) -> None:
    """Recognise MANIFEST with everybody, and print the word error rates by set."""
    out.mkdir(parents=True, exist_ok=True)
    comparison = Comparison(manifest, peers, out.resolve(), normalizer)
    chosen = [int(text) for text in lookaheads.split(",")]
    try:
        aligned = replace(comparison, manifest=comparison.aligned())
        source = str(aligned.manifest)
        transcripts = aligned.transcripts("pocketsphinx", "pocketsphinx_peer.py", "transcribe", source, "OUT")
        systems = {"pocketsphinx": aligned.score("pocketsphinx", transcripts)}
        for lookahead in chosen:
            try:
                folder = exported(model, peers, aligned.out, lookahead)
            except WavelaneError as error:
                if error.code is not ErrorCode.MODEL_UNSUPPORTED:
                    raise
                click.echo(f"sherpa-onnx is left out: {error.message}", err=True)
                break
            name = f"sherpa-onnx {folder.name}"
            systems[f"sherpa-onnx, {lookahead}"] = aligned.score(
                name, aligned.transcripts(name, "sherpa_words.py", str(folder), source, "OUT")
            )
        rows = asyncio.run(aligned.ours(model, chosen))
        report = aligned.report(f"wavelane {model.replace('/', '_')}", rows)
        for lookahead in chosen:
            systems[f"Wavelane, {lookahead}"] = [row for row in rows if row.lookahead == lookahead]
        compared = compare_runs(rows, normalizer, read_report(aligned.out / "pocketsphinx.json"))
        text = f"Texts are normalised: {report['normaliser_is']}.\n\n{table(systems)}\n{times_markdown(rows)}"
        write_text(text, aligned.out / "words.md")
    except (WavelaneError, subprocess.CalledProcessError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(text)
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, WIDTH)
    shown = comparison_table({"name": model, "against": compared})
    if shown is not None:
        console.print(shown)


if __name__ == "__main__":
    main()
