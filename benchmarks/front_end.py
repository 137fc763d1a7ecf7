"""Word errors over the options of the front end: where streams begin and end, levels, noise, rooms and codecs.

    python benchmarks/front_end.py MANIFEST --noise FOLDER --room FOLDER [--model MODEL] [--suite edges] [--out FILE]

Sessions are fed without sockets and stepped in batches by the native library (int8), so that an hour of audio takes
some seconds for each row. Greedy search without a language model. Suites:

    edges       silence before and behind streams, pre-roll, with the webrtc detector and without
    levels      quiet, loud and clipped speech, offsets, with the automatic gain and without
    robustness  noise at 20 to 0 dB, rooms, codecs and far field, with noise suppression and without

``del first`` and ``del last`` are how often the first or the last word of a reference was left out. Choose options on a
development set; the evaluation set is to be looked at once.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from wavelane.engine.batching import Batch, Pending
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.slots import Slot
from wavelane.errors import WavelaneError
from wavelane.events import Final
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane.session.options import parse_options
from wavelane.session.session import Session
from wavelane_client.evaluate.conditions import Sent, Studio, parse_condition, sources
from wavelane_client.evaluate.score import Counts, align, count_words
from wavelane_client.evaluate.text import normaliser
from wavelane_client.load.corpus import decode
from wavelane_client.load.points import markdown
from wavelane_client.manifest import read_manifest

SLOTS = 32
"""Sessions at a time, and rows of the largest step."""
ALL = "all"


@dataclass(frozen=True, slots=True)
class Trial:
    """One row of a table."""

    condition: str = "clean"
    """As ``wavelane eval`` writes it."""
    options: Mapping[str, Any] = field(default_factory=dict)
    offset: float = 0.0
    """Added to audio half as loud, so that nothing is clipped; share of full scale."""

    @property
    def name(self) -> str:
        """What is measured."""
        condition = f"offset {self.offset:g}" if self.offset else self.condition
        return ", ".join((condition, *_flat(self.options)))


@dataclass(frozen=True, slots=True)
class Recording:
    """An utterance and what is said in it."""

    name: str
    corpus: str
    text: str
    pcm: bytes


@dataclass(slots=True)
class Errors:
    """Of a group of utterances."""

    counts: Counts = field(default_factory=Counts)
    first: int = 0
    last: int = 0


def _audio(**values: object) -> dict[str, Any]:
    return {"audio": values}


OFF: dict[str, Any] = {"vad": {"kind": "off"}}
EDGES = [
    *(Trial(options={**OFF, **_audio(lead_ms=lead, tail_ms=tail)}) for lead, tail in ((0, 0), (0, 80), (0, 160))),
    *(Trial(options={**OFF, **_audio(lead_ms=lead, tail_ms=160)}) for lead in (80, 160, 320)),
    Trial(options={"vad": {"pre_roll_ms": 300}, **_audio(lead_ms=0, tail_ms=0)}),
    *(Trial(options={"vad": {"pre_roll_ms": ms}}) for ms in (100, 300, 500, 800, 1_200)),
    *(Trial(options={"vad": {"mode": mode}}) for mode in (1, 3)),
    *(Trial(options={"endpoint": {"silence_ms": ms}}) for ms in (400, 1_000)),
]
LEVELS = [
    Trial(condition, _audio(gain=gain))
    for condition in ("clean", "gain:-20", "gain:-30", "gain:-40", "gain:10", "gain:20", "gain:30")
    for gain in ("off", "auto")
] + [Trial("clean", _audio(remove_dc=remove), offset) for offset in (0.02, 0.1, 0.3) for remove in (False, True)]
CONDITIONS = (
    "clean",
    "snr:20",
    "snr:10",
    "snr:5",
    "snr:0",
    "room",
    "room+snr:10",
    "mulaw",
    "opus:16",
    "gain:-20+room+snr:20",
)
ROBUSTNESS = [
    Trial(condition, _audio(noise_suppression=level)) for condition in CONDITIONS for level in ("off", "high")
]
SUITES = {"edges": EDGES, "levels": LEVELS, "robustness": ROBUSTNESS}


class Bench:
    """A model that many sessions share.

    Args:
        model: in float32.
        studio: of the conditions.
    """

    def __init__(self, model: LoadedModel, studio: Studio) -> None:
        self._spec = model.spec
        self._studio = studio
        self._runner = NativeRunner(model, model.spec.heads[0], SLOTS, "int8", 1, SLOTS)

    def hear(self, recordings: Sequence[Recording], trial: Trial) -> list[str]:
        """The text of each recording."""
        texts = [""] * len(recordings)
        # The longest first, so that the last step is not a long one's alone.
        waiting = sorted(range(len(recordings)), key=lambda index: len(recordings[index].pcm))
        free = list(range(SLOTS))
        sessions: dict[int, tuple[int, Session]] = {}
        while waiting or sessions:
            while free and waiting:
                index = waiting.pop()
                sessions[free.pop()] = index, self._open(recordings[index], trial)
            rows = []
            for slot, (index, session) in list(sessions.items()):
                chunk = session.next_chunk()
                if chunk is not None:
                    rows.append(Pending(Slot(slot, 0), chunk, 0, 0.0, 0.0, 0.0))
                elif session.more:
                    session.resume()
                else:
                    texts[index] = " ".join(event.text for event in session.events() if isinstance(event, Final))
                    del sessions[slot]
                    free.append(slot)
            if rows:
                batch = Batch(rows[0].chunk.lookahead, tuple(rows), SLOTS)
                for row, result in zip(rows, self._runner.collect(self._runner.launch(batch)), strict=True):
                    if isinstance(result, WavelaneError):
                        raise result
                    sessions[row.slot.index][1].receive_result(result)
        return texts

    def _open(self, recording: Recording, trial: Trial) -> Session:
        sent = self._sent(recording, trial)
        values = {"partials": False, "words": False, **trial.options, **sent.options}
        session = Session(parse_options(values), self._spec)
        session.receive_audio(sent.data)
        session.receive_end()
        return session

    def _sent(self, recording: Recording, trial: Trial) -> Sent:
        pcm = recording.pcm
        if trial.offset:
            samples = np.frombuffer(pcm, "<i2") / 2 + trial.offset * 32_768
            pcm = samples.clip(-32_768, 32_767).round().astype("<i2").tobytes()
        return self._studio.record(recording.name, pcm, parse_condition(trial.condition))


def read(manifest: Path, limit: int | None) -> Iterator[Recording]:
    """Recordings with a text, no more than ``limit`` of each corpus."""
    seen: dict[str, int] = defaultdict(int)
    for entry in read_manifest(manifest):
        if entry.text and (limit is None or seen[entry.corpus] < limit):
            seen[entry.corpus] += 1
            yield Recording(entry.name, entry.corpus, entry.text, decode(str(entry.path)))


def count(recordings: Sequence[Recording], texts: Sequence[str]) -> dict[str, Errors]:
    """Errors by corpus, and of all."""
    normalise = normaliser("whisper")
    groups: dict[str, Errors] = defaultdict(Errors)
    for recording, text in zip(recordings, texts, strict=True):
        reference, heard = normalise(recording.text), normalise(text)
        missed = {step.reference for step in align(reference.split(), heard.split()) if step.hypothesis is None}
        for key in (ALL, recording.corpus):
            group = groups[key]
            group.counts = group.counts.plus(count_words(reference, heard))
            group.first += 0 in missed
            group.last += len(reference.split()) - 1 in missed
    return {ALL: groups.pop(ALL), **dict(sorted(groups.items()))}


def table(rows: Sequence[tuple[Trial, Mapping[str, Errors]]]) -> str:
    """Markdown: a line for each trial, word error rates (%) by corpus."""
    corpora = list(rows[0][1])
    heads = ["condition and options", *corpora, "sub", "del", "ins", "del first", "del last"]
    lines = []
    for trial, errors in rows:
        total = errors[ALL]
        rates = [f"{100 * errors[name].counts.errors / max(errors[name].counts.length, 1):.1f}" for name in corpora]
        counts = (total.counts.substitutions, total.counts.deletions, total.counts.insertions, total.first, total.last)
        lines.append([trial.name, *rates, *map(str, counts)])
    return markdown(heads, lines)


def _flat(options: Mapping[str, Any], path: str = "") -> Iterator[str]:
    for name, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}={str(value).lower()}"


@click.command()
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--model", default=DEFAULT, show_default=True, help="Embedded model, .nemo archive or model folder.")
@click.option("--suite", "suites", type=click.Choice(list(SUITES)), multiple=True, default=list(SUITES))
@click.option("--noise", multiple=True, help="Folder, manifest or file of noise.")
@click.option("--room", multiple=True, help="Folder, manifest or file of impulse responses.")
@click.option("--limit", type=int, help="Only the first recordings of each corpus.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the tables here too (Markdown).")
def main(
    manifest: Path,
    model: str,
    suites: tuple[str, ...],
    noise: tuple[str, ...],
    room: tuple[str, ...],
    limit: int | None,
    out: Path | None,
) -> None:
    """Print tables of word error rates of MANIFEST."""
    studio = Studio(sources(noise), sources(room))
    for suite in suites:
        for trial in SUITES[suite]:
            studio.check(parse_condition(trial.condition))
    bench = Bench(load_model(embedded_path(model) if model in EMBEDDED else model), studio)
    recordings = list(read(manifest, limit))
    tables = []
    for suite in suites:
        rows = []
        for trial in SUITES[suite]:
            rows.append((trial, count(recordings, bench.hear(recordings, trial))))
            click.echo(table(rows[-1:]).splitlines()[-1], err=True)
        tables.append(f"## {suite}\n\n{table(rows)}\n")
        click.echo(tables[-1])
        if out is not None:
            out.write_text("\n".join(tables), encoding="utf-8")


if __name__ == "__main__":
    main()
