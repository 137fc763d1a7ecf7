"""Whether a session's results depend on who else is served: every utterance alone, then among random neighbours.

    python benchmarks/identity.py [AUDIO...] [--engine precision=bf16,identical=true]... [--json OUT]

Pieces, frames and confidences are compared bit for bit, step by step. Exits with 1 when sessions differ in a mode that
promises that they do not.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click
from inprocess import InProcess, configure, load, utterances, write

from wavelane.engine import Engine, Outcome, Slot
from wavelane.errors import WavelaneError
from wavelane.session.options import SessionOptions, parse_options
from wavelane.session.session import Session
from wavelane.work import Chunk, StepResult
from wavelane_client.load.corpus import BYTES_PER_SECOND
from wavelane_client.load.machine import describe_machine

MODES = (
    *(f"backend=native,precision={precision}" for precision in ("fp32", "bf16", "int8")),
    *(
        f"backend=torch,precision={precision}{shape}"
        for precision in ("fp32", "bf16")
        for shape in ("", ",identical=true")
    ),
)
"""Of a CPU; on CUDA there is no native backend."""
LATE = 0.2
"""Probability that a lane's next chunk comes a step later than it could."""

Heard = tuple[StepResult, ...]
"""What the engine answered to the chunks of one session, in order."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Sessions in which two runs differ, by what differs first in this order."""

    text: int = 0
    """Other pieces."""
    times: int = 0
    """The same pieces at other frames."""
    confidences: int = 0
    """The same pieces at the same frames, with other confidences."""

    @property
    def sessions(self) -> int:
        """Sessions that are not the same, bit for bit."""
        return self.text + self.times + self.confidences


class _Lane:
    """A session that has its chunks and hands them out one after the other."""

    def __init__(self, index: int, pcm: bytes, engine: Engine, options: SessionOptions) -> None:
        self.index = index
        self.slot: Slot = engine.open()
        self.heard: list[StepResult] = []
        self._session = Session(options, engine.spec)
        self._session.receive_audio(pcm)
        self._session.receive_end()
        while self._session.more:
            self._session.resume()

    def next_chunk(self) -> Chunk | None:
        return self._session.next_chunk()

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, WavelaneError):
            raise outcome
        self.heard.append(outcome)


def decode(
    serving: InProcess, speech: Sequence[bytes], options: SessionOptions, *, lanes: int, rng: random.Random
) -> list[Heard]:
    """Run every utterance through a session of its own.

    Args:
        serving: the engine.
        speech: mono 16-bit PCM at 16 kHz, each.
        options: of the sessions.
        lanes: sessions at the same time, each with at most one chunk in the engine.
        rng: order of the utterances, and of the chunks of one moment.
    """
    engine = serving.engine
    waiting = rng.sample(range(len(speech)), len(speech))
    heard: list[Heard] = [()] * len(speech)
    open_lanes: dict[Slot, _Lane] = {}
    ready: list[tuple[_Lane, Chunk]] = []
    running = 0

    def offer(lane: _Lane) -> None:
        if (chunk := lane.next_chunk()) is not None:
            ready.append((lane, chunk))
        else:
            heard[lane.index] = tuple(lane.heard)
            engine.close(open_lanes.pop(lane.slot).slot)

    while True:
        while waiting and len(open_lanes) < lanes:
            index = waiting.pop()
            lane = _Lane(index, speech[index], engine, options)
            open_lanes[lane.slot] = lane
            offer(lane)
        rng.shuffle(ready)
        late = [entry for entry in ready[1:] if rng.random() < LATE]
        for lane, chunk in (entry for entry in ready if entry not in late):
            engine.submit(lane.slot, chunk)
            running += 1
        ready = late
        if not running:
            return heard
        for slot, outcome in serving.inbox.get():
            running -= 1
            open_lanes[slot].take(outcome)
            offer(open_lanes[slot])


def compare(alone: Sequence[Heard], together: Sequence[Heard]) -> Difference:
    """Count the sessions that differ."""
    counts: Counter[str] = Counter()
    for one, other in zip(alone, together, strict=True):
        if one == other:
            continue
        ids, frames = (
            tuple(tuple(getattr(token, name) for result in heard for token in result.tokens) for heard in (one, other))
            for name in ("id", "frame")
        )
        counts["text" if ids[0] != ids[1] else "times" if frames[0] != frames[1] else "confidences"] += 1
    return Difference(**counts)


def measure(
    serving: InProcess, speech: Sequence[bytes], options: SessionOptions, *, batch: int, rounds: int, seed: int
) -> dict[str, Any]:
    """Decode alone, then ``rounds`` times among neighbours, and compare."""
    alone = decode(serving, speech, options, lanes=1, rng=random.Random(seed))
    report: dict[str, Any] = {
        "sessions": len(speech),
        "pieces": sum(len(result.tokens) for heard in alone for result in heard),
        "alone": _steps(serving),
        "rounds": [],
    }
    for number in range(1, rounds + 1):
        # As many as fit run while as many wait, and some are late: most steps are full.
        together = decode(serving, speech, options, lanes=3 * batch, rng=random.Random(seed + number))
        found = compare(alone, together)
        report["rounds"].append(
            {
                "differing_sessions": found.sessions,
                "by_text": found.text,
                "by_times_only": found.times,
                "by_confidences_only": found.confidences,
                "together": _steps(serving),
            }
        )
    report["differing_sessions"] = max(entry["differing_sessions"] for entry in report["rounds"])
    return report


def _steps(serving: InProcess) -> dict[str, Any]:
    steps, serving.steps = serving.steps, []
    rows = Counter(step.rows for step in steps)
    return {
        "steps": len(steps),
        "mean_rows": round(sum(step.rows for step in steps) / max(1, len(steps)), 2),
        "rows": dict(sorted(rows.items())),
        "shapes": dict(sorted(Counter(step.bucket for step in steps).items())),
    }


@click.command()
@click.argument("audio", nargs=-1, metavar="[AUDIO...]")
@click.option(
    "--engine",
    "modes",
    multiple=True,
    metavar="NAME=VALUE,...",
    help=f"Engine settings of a mode; may be given more than once. [default: {'; '.join(MODES)}]",
)
@click.option("--model", default="embedded", show_default=True, help="A model as wavelane serve --model takes it.")
@click.option("--lookahead", type=int, help="Of the sessions; left out: the model's default.")
@click.option("--vad", type=click.Choice(["off", "webrtc"]), default="off", show_default=True, help="Of the sessions.")
@click.option("--utterances", "count", type=click.IntRange(1), default=512, show_default=True, help="At most so many.")
@click.option("--batch", type=click.IntRange(2), default=32, show_default=True, help="Rows of the largest step.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True, help="Runs with other neighbours.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random choice.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Write the report here, not to the terminal.")
@click.pass_context
def main(ctx: click.Context, /, modes: tuple[str, ...], **flags: Any) -> None:
    """Decode AUDIO (manifests, folders, files) alone and in batches, and compare bit for bit.

    Without AUDIO, utterances that overlap are cut from the recordings of the repository.
    """
    speech = utterances(flags["audio"], flags["count"], flags["seed"])
    options = {"vad": {"kind": flags["vad"]}, "lookahead": flags["lookahead"]}
    report: dict[str, Any] = {
        "machine": describe_machine(),
        "model": flags["model"],
        "audio": list(flags["audio"]) or "cut from the repository's recordings",
        "audio_seconds": round(sum(map(len, speech)) / BYTES_PER_SECOND, 1),
        "session": options,
        "seed": flags["seed"],
        "modes": [],
    }
    broken = False
    for mode in modes or MODES:
        # One worker: several share what is ready, and no step would be full.
        config, model = load(configure(flags["model"], f"max_batch={flags['batch']},workers=1,{mode}"))
        with InProcess(config, model) as serving:
            promised = serving.engine.identical
            measured = measure(
                serving,
                speech,
                parse_options(options),
                batch=flags["batch"],
                rounds=flags["rounds"],
                seed=flags["seed"],
            )
        report["modes"].append({"engine": mode, "promised": promised} | measured)
        broken |= promised and bool(measured["differing_sessions"])
        click.echo(
            f"{mode}: {measured['differing_sessions']} of {len(speech)} sessions differ"
            + ("" if promised else " (not promised)"),
            err=True,
        )
    write(report, flags["path"])
    ctx.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
