"""One session for hours, faster than real time: step time, memory, lag and times must not change with its age.

    python benchmarks/long_session.py [AUDIO...] [--hours 8] [--vad off] [--engine precision=bf16] [--json OUT]

The same speech comes again and again, in cycles of a whole number of chunks. Without a detector the model hears exactly
the same in every cycle once its context is full, so every cycle must give the same words, later by exactly its length:
a clock that drifts, a position that overflows or a step that is lost shows at once. With torch confidences are the same
bit for bit, too; the native library adds in another order where its cache of keys has slid.
"""

import gc
import os
import statistics
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import click
from inprocess import RECORDINGS, InProcess, configure, load, utterances, write

from wavelane.engine import Slot
from wavelane.errors import WavelaneError
from wavelane.events import CLOCK_RATE, Closed, Event, Failed, Final, Partial, Word
from wavelane.session.options import SessionOptions, parse_options
from wavelane.session.session import Session
from wavelane_client.load.corpus import BYTES_PER_SECOND
from wavelane_client.load.machine import ProcessMonitor, describe_machine

PACKET_SECONDS = 0.1
PAUSE_SECONDS = 1.5
"""Silence after each utterance: long enough to end it."""
PERIOD_SECONDS = 1800.0
"""Of one line of the report."""
SAME = 1.5
"""The last period may take so many times the first's processor time for a step, and no more. The time by the clock is
reported beside it; it says more of the other programs on a machine."""
MEMORY_MB = 16.0
"""Memory that the process may have grown by since the end of the first period: the allocator's own unrest."""


@dataclass(slots=True)
class Transcript:
    """Follows the events of a session whose audio repeats every ``cycle`` samples."""

    cycle: int
    settle: int = 2
    """Cycles at the start that are not compared: the model's context fills."""
    words: int = 0
    finals: int = 0
    lag_ms: int = 0
    """Largest lag of an event since it was read last."""
    clock: int = 0
    """Sample clock of the newest event."""
    faults: list[str] = field(default_factory=list)
    """What is wrong with the events, in words."""
    cycles: int = 0
    """Cycles compared."""
    different: int = 0
    """Cycles with other words or times than the first one compared."""
    worst_confidence: float = 0.0
    """Largest distance of a word's confidence from that in the first cycle, where the words are the same."""
    worst_shift: int = 0
    """Largest distance (samples) of a word from its place in the first cycle, where the words are the same."""
    _open: dict[int, list[Word]] = field(default_factory=dict)
    _first: list[Word] | None = None

    def take(self, events: Sequence[Event]) -> None:
        """Check events and keep what is needed to compare cycles."""
        for event in events:
            if isinstance(event, (Partial, Final)):
                if event.processed < self.clock:
                    self.faults.append(f"processed went back from {self.clock} to {event.processed}")
                self.clock = event.processed
                self.lag_ms = max(self.lag_ms, event.lag_ms)
            if isinstance(event, Final):
                if event.utterance != self.finals:
                    self.faults.append(f"utterance {event.utterance} came as number {self.finals}")
                self.finals += 1
                for word in event.words:
                    self.words += 1
                    self._open.setdefault(word.start // self.cycle, []).append(word)
                self._compare(event.end)
            elif isinstance(event, Failed):
                self.faults.append(event.message)

    def _compare(self, end: int) -> None:
        """Compare the cycles that lie a whole cycle before ``end``: no word of them is to come."""
        for number in [number for number in self._open if (number + 2) * self.cycle <= end]:
            words = self._open.pop(number)
            if number < self.settle:
                continue
            moved = [_moved(word, -number * self.cycle) for word in words]
            if self._first is None:
                self._first = moved
                continue
            self.cycles += 1
            self.different += [_place(word) for word in moved] != [_place(word) for word in self._first]
            if [word.text for word in moved] == [word.text for word in self._first]:
                for one, first in zip(moved, self._first, strict=True):
                    self.worst_shift = max(self.worst_shift, abs(one.start - first.start))
                    self.worst_confidence = max(self.worst_confidence, abs(one.confidence - first.confidence))


def _place(word: Word) -> tuple[str, int, int]:
    return word.text, word.start, word.end


def _moved(word: Word, by: int) -> Word:
    return Word(text=word.text, start=word.start + by, end=word.end + by, confidence=word.confidence)


class LongSession:
    """One session and its lane, stepped as its audio comes.

    Args:
        serving: the engine.
        options: of the session; one lane, 16-bit PCM at 16 kHz.
    """

    def __init__(self, serving: InProcess, options: SessionOptions) -> None:
        self.session = Session(options, serving.engine.spec)
        self._serving = serving
        self._slot: Slot = serving.engine.open()

    def send(self, packet: bytes) -> list[Event]:
        """Give audio and wait for the results of the chunks that it completes."""
        self.session.receive_audio(packet)
        return self._settle()

    def end(self) -> list[Event]:
        """End the session and give the lane back."""
        self.session.receive_end()
        events = self._settle()
        self._serving.engine.close(self._slot)
        return events

    def _settle(self) -> list[Event]:
        while (chunk := self.session.next_chunk()) is not None:
            self._serving.engine.submit(self._slot, chunk)
            for _, outcome in self._serving.inbox.get():
                if isinstance(outcome, WavelaneError):
                    raise outcome
                self.session.receive_result(outcome)
        return self.session.events()


def cycle(speech: Sequence[bytes], multiple: int) -> bytes:
    """Utterances with pauses after them, and silence up to a multiple of ``multiple`` samples: 16-bit PCM."""
    pause = bytes(2 * round(PAUSE_SECONDS * CLOCK_RATE))
    audio = b"".join(part for utterance in speech for part in (utterance, pause))
    return audio + bytes(-len(audio) % (2 * multiple))


def packets(audio: bytes, total: int) -> Iterator[bytes]:
    """``audio`` over and over, ``total`` bytes of it, in packets."""
    size = 2 * round(PACKET_SECONDS * CLOCK_RATE)
    sent = at = 0
    while sent < total:
        packet = audio[at : at + min(size, total - sent)]
        at = (at + len(packet)) % len(audio)
        sent += len(packet)
        yield packet


def measure(
    serving: InProcess, options: SessionOptions, audio: bytes, hours: float, period: float = PERIOD_SECONDS
) -> dict[str, Any]:
    """Run the session; one line for each ``period`` (s) of its audio."""
    session = LongSession(serving, options)
    transcript = Transcript(len(audio) // 2)
    monitor = ProcessMonitor(os.getpid())
    periods: list[dict[str, Any]] = []
    total = 2 * round(hours * 3600 * CLOCK_RATE)
    bounds = deque(range(0, total, round(period * BYTES_PER_SECOND)))
    bounds.append(total)
    bounds.popleft()
    sent = 0
    used = time.process_time()
    for packet in packets(audio, total):
        sent += len(packet)
        transcript.take(session.send(packet))
        if sent >= bounds[0]:
            bounds.popleft()
            before, used = used, time.process_time()
            periods.append(_line(serving, transcript, sent // 2, monitor, used - before))
    events = session.end()
    transcript.take(events)
    closed = [event for event in events if isinstance(event, Closed)]
    if [event.received for event in closed] != [sent // 2]:
        transcript.faults.append(f"{sent // 2} samples were sent, and closed says {closed}")
    return {
        "hours": hours,
        "cycle_seconds": len(audio) / BYTES_PER_SECOND,
        "words": transcript.words,
        "finals": transcript.finals,
        "cycles_compared": transcript.cycles,
        "cycles_different": transcript.different,
        "worst_shift_samples": transcript.worst_shift,
        "worst_confidence_change": round(transcript.worst_confidence, 4),
        "faults": transcript.faults[:20],
        "periods": periods,
        "flat": _flat(periods),
    }


def _line(
    serving: InProcess, transcript: Transcript, samples: int, monitor: ProcessMonitor, cpu_seconds: float
) -> dict[str, Any]:
    steps, serving.steps = serving.steps, []
    times = [1000 * step.step_s for step in steps]
    lag, transcript.lag_ms = transcript.lag_ms, 0
    return {
        "audio_hours": round(samples / CLOCK_RATE / 3600, 4),
        "steps": len(steps),
        "step_ms_median": round(statistics.median(times), 3) if times else None,
        "cpu_ms_per_step": round(1000 * cpu_seconds / max(1, len(times)), 3),
        "rss_mb": round(monitor.resident_bytes() / 1e6, 1),
        "objects": len(gc.get_objects()),
        "largest_lag_ms": lag,
        "behind_samples": samples - transcript.clock,
    }


def _flat(periods: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """Whether the last period is like the first, but for the noise of a machine."""
    first, last = periods[0], periods[-1]
    return {
        "step_time": last["cpu_ms_per_step"] <= SAME * first["cpu_ms_per_step"],
        "memory": last["rss_mb"] <= first["rss_mb"] + MEMORY_MB,
        "lag": last["largest_lag_ms"] <= first["largest_lag_ms"],
    }


@click.command()
@click.argument("audio", nargs=-1, metavar="[AUDIO...]")
@click.option("--hours", type=click.FloatRange(0.01), default=8.0, show_default=True, help="Length of the session.")
@click.option("--engine", "settings", default="threads=1", show_default=True, metavar="NAME=VALUE,...")
@click.option("--model", default="embedded", show_default=True, help="A model as wavelane serve --model takes it.")
@click.option("--lookahead", type=int, help="Of the session; left out: the model's default.")
@click.option("--vad", type=click.Choice(["off", "webrtc"]), default="off", show_default=True, help="Of the session.")
@click.option("--period", type=click.FloatRange(1), default=PERIOD_SECONDS, show_default=True, help="Of a line (s).")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Write the report here, not to the terminal.")
@click.pass_context
def main(ctx: click.Context, /, audio: tuple[str, ...], **flags: Any) -> None:
    """Stream AUDIO (manifests, folders, files; the repository's recordings by default) in cycles through one session.

    Exits with 1 when something grew, or, without a detector, when a cycle came out differently.
    """
    config, model = load(configure(flags["model"], f"workers=1,{flags['settings']}"))
    lookahead = model.spec.default_lookahead if flags["lookahead"] is None else flags["lookahead"]
    speech = utterances(audio or (str(RECORDINGS),), 1000, 0)
    # Gain and offset follow what was heard before, so that a cycle could differ from the next for their sake.
    audio_options = {"gain": "off", "remove_dc": False, "lead_ms": 0}
    options = {"vad": {"kind": flags["vad"]}, "lookahead": lookahead, "audio": audio_options}
    with InProcess(config, model) as serving:
        measured = measure(
            serving,
            parse_options(options),
            cycle(speech, model.spec.frame_samples * (lookahead + 1)),
            flags["hours"],
            flags["period"],
        )
    report = {"machine": describe_machine(), "model": flags["model"], "engine": flags["settings"], "session": options}
    write(report | measured, flags["path"])
    exact = flags["vad"] != "off" or not measured["cycles_different"]
    ctx.exit(0 if exact and all(measured["flat"].values()) and not measured["faults"] else 1)


if __name__ == "__main__":
    main()
