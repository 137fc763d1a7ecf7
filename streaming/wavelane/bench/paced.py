"""Latency: streams in real time, each with a phase of its own, through the engine's scheduler.

A chunk's latency counts from the moment at which its last sample is there, by the stream's own clock and not by when
the bench got round to it, to the moment at which its result is handed over. A chunk that is never answered counts with
the time that it has been waiting, so that an engine that falls behind does not look quick.
"""

import math
import queue
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from wavelane.bench.machine import Usage
from wavelane.bench.rig import UNLIMITED, Rig, running
from wavelane.bench.workload import Source, sources
from wavelane.engine import Engine, EngineConfig, Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point, percentile, summarise
from wavelane.model.base import LoadedModel
from wavelane.work import Samples, StepResult

FIRST_CHUNK_SECONDS = 120.0
"""For which the engine may take no chunk forward before the streams begin."""

BEHIND_CHUNKS = 3
"""Chunks of a stream that may wait before the engine counts as overrun and the measurement ends."""


@dataclass(slots=True)
class _Lane:
    """One stream on its way. Times are :func:`time.perf_counter` seconds."""

    slot: Slot
    source: Source
    first: float
    """When its first chunk is complete."""
    sent: int = 0
    answered: int = 0
    latencies: list[float] = field(default_factory=list)
    text: list[int] = field(default_factory=list)


def measure_paced(
    model: LoadedModel,
    config: EngineConfig,
    streams: Sequence[Samples],
    *,
    engine_name: str,
    lookahead: int,
    count: int,
    seconds: float,
    settle: float = 1.0,
    seed: int = 0,
) -> Point:
    """Run ``count`` streams in real time.

    Args:
        model: on its device and in its precision.
        config: of the engine; lanes and backlog are set here.
        streams: audio, see :func:`wavelane.bench.workload.long_streams`.
        engine_name: for the report.
        lookahead: of all streams.
        count: of streams.
        seconds: to measure; chunks that become due in this time count.
        settle: seconds before, after one chunk of every stream.
        seed: of the phases.

    Raises:
        WavelaneError: what the engine failed with; INTERNAL when it does not answer at all.
    """
    config = config.model_copy(update={"max_sessions": count, "max_backlog_seconds": 600.0} | UNLIMITED)
    spec = model.spec
    chunk = (lookahead + 1) * spec.frame_samples / spec.features.sample_rate
    phases = random.Random(seed)
    shapes = list(config.batch_shapes)
    if config.torch_device().type == "cpu":  # where a new shape costs next to nothing
        shapes = [size for size in shapes if size in (shapes[0], 8, shapes[-1])]
    with running(model, config, lookahead, shapes) as (engine, rig):
        _use_lanes(engine, rig, sources(spec, lookahead, streams, count))
        begin = time.perf_counter() + 0.05
        lanes = [
            _Lane(engine.open(), source, begin + phases.random() * chunk)
            for source in sources(spec, lookahead, streams, count)
        ]
        measured = begin + chunk + settle
        drive = _Drive(engine, rig, lanes, chunk)
        drive.until(measured)
        before, steps = Usage.now(), len(rig.steps)
        drive.until(measured + seconds)
        # The answers to the last chunks, if they come in time.
        drive.collect(measured + seconds + chunk)
        ended = Usage.now()
        reports = [report for _, report in rig.steps[steps:]]
    # An overrun may come before the measured time; then all there is says how far behind the engine was.
    latencies = drive.latencies(0.0 if drive.overrun else measured, measured + seconds)
    own, foreign = ended.since(before)
    p95 = percentile(latencies, 0.95)
    return Point(
        kind="paced",
        engine=engine_name,
        model=spec.name,
        precision=engine.backend.split()[-1],
        lookahead=lookahead,
        chunk_ms=round(1000 * chunk, 1),
        threads=math.prod(engine.parallelism),
        streams=count,
        latency=summarise(latencies),
        cores=round(own, 3),
        foreign_cores=None if foreign is None else round(foreign, 3),
        carried=p95 is not None and p95 < chunk and not drive.overrun,
        details={
            "seconds": seconds,
            "backend": engine.backend,
            "workers": engine.parallelism[0],
            "overrun": drive.overrun,
            "bench_late_p99_ms": round(1000 * (percentile(drive.lateness, 0.99) or 0.0), 2),
            "rows_per_step": round(sum(report.rows for report in reports) / max(1, len(reports)), 2),
            "wait": summarise([wait for report in reports for wait in report.wait_s]),
            "step": summarise([report.step_s for report in reports]),
        },
    )


def _use_lanes(engine: Engine, rig: Rig, first: Sequence[Source]) -> None:
    """Have every lane hold a stream once, for one chunk.

    Memory of a lane is committed when it is used first, which takes longer than a step. No server gets all its streams
    within one chunk, as the bench does.
    """
    slots = [engine.open() for _ in first]
    for slot, source in zip(slots, first, strict=True):
        engine.submit(slot, source.next())
    answered = 0
    while answered < len(slots):
        try:
            _, deliveries = rig.results.get(timeout=FIRST_CHUNK_SECONDS)
        except queue.Empty:
            raise WavelaneError(
                ErrorCode.INTERNAL, f"the engine answered nothing for {FIRST_CHUNK_SECONDS:.0f} s"
            ) from None
        for _, outcome in deliveries:
            if not isinstance(outcome, StepResult):
                raise outcome
        answered += len(deliveries)
    for slot in slots:
        engine.close(slot)


class _Drive:
    """Submits every chunk when its audio is complete, and reads results in between."""

    def __init__(self, engine: Engine, rig: Rig, lanes: Sequence[_Lane], chunk: float) -> None:
        self._engine = engine
        self._rig = rig
        self._lanes = {lane.slot: lane for lane in lanes}
        self._chunk = chunk
        # All streams have the same period, so that the order of their phases is the order of every round.
        self._rounds = sorted(lanes, key=lambda lane: lane.first)
        self._next = 0
        self.lateness: list[float] = []
        self.overrun = False

    def until(self, end: float) -> None:
        """Drive the streams until ``end``, or until the engine is overrun."""
        while not self.overrun:
            lane = self._rounds[self._next % len(self._rounds)]
            due = lane.first + lane.sent * self._chunk
            self.collect(min(due, end))
            if due >= end:
                return
            self.lateness.append(time.perf_counter() - due)
            self._engine.submit(lane.slot, lane.source.next())
            lane.sent += 1
            self._next += 1
            self.overrun = lane.sent - lane.answered > BEHIND_CHUNKS

    def collect(self, until: float) -> None:
        """Read results until a time, or until there are none to wait for."""
        while True:
            wait = until - time.perf_counter()
            try:
                at, deliveries = self._rig.results.get(timeout=wait) if wait > 0 else self._rig.results.get_nowait()
            except queue.Empty:
                return
            for slot, outcome in deliveries:
                if not isinstance(outcome, StepResult):
                    raise outcome
                self._answer(self._lanes[slot], outcome, at)

    def _answer(self, lane: _Lane, result: StepResult, at: float) -> None:
        if result.sequence != lane.answered:
            raise WavelaneError(ErrorCode.INTERNAL, f"{lane.slot} got result {result.sequence}, not {lane.answered}.")
        lane.answered += 1
        lane.latencies.append(at - (lane.first + result.sequence * self._chunk))
        lane.text.extend(token.id for token in result.tokens)

    def latencies(self, begin: float, end: float) -> list[float]:
        """Of the chunks that became due between two times; those without an answer count with their age."""
        now = time.perf_counter()
        found = []
        for lane in self._lanes.values():
            for sequence in range(lane.sent):
                due = lane.first + sequence * self._chunk
                if begin <= due < end:
                    found.append(lane.latencies[sequence] if sequence < lane.answered else now - due)
        return found
