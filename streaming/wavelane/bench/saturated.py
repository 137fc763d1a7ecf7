"""Throughput: no waiting between steps, every stream has its next chunk ready when a step ends.

Audio comes from memory; cutting it, features, encoder, greedy decoding and reading every result are inside the measured
time. What comes out is audio seconds recognised in a second of the clock: the real-time streams that this machine
carries with batches of that size. How long a step takes is then added to the latency of every chunk.
"""

import queue
import time
from collections.abc import Sequence

from wavelane.bench.machine import Usage
from wavelane.bench.rig import UNLIMITED, running, tokens
from wavelane.bench.steps import StepTimes, timer_for
from wavelane.bench.workload import sources
from wavelane.engine import EngineConfig, StepReport
from wavelane.engine.backend import choose_backend
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point, summarise
from wavelane.model.base import LoadedModel
from wavelane.work import Samples

DEPTH = 2
"""Chunks that each lane has at the engine: one in a step or ready, the next one behind it."""
PATIENCE_SECONDS = 120.0
"""How long a step may take before the measurement is given up."""


def measure_saturated(
    model: LoadedModel,
    config: EngineConfig,
    streams: Sequence[Samples],
    *,
    engine_name: str,
    lookahead: int,
    batch: int,
    seconds: float,
    warm_up: float = 1.0,
) -> Point:
    """Keep an engine busy with steps of ``batch`` rows.

    Each worker steps a batch of its own while one more batch waits, as it does in a server under load: with ``W``
    workers there are ``(W + 1) * batch`` lanes.

    Args:
        model: on its device and in its precision.
        config: of the engine; limits are set here.
        streams: audio, see :func:`wavelane.bench.workload.long_streams`.
        engine_name: for the report.
        lookahead: of all lanes.
        batch: rows of a step.
        seconds: to measure, counted from the first step after ``warm_up`` to the end of one.
        warm_up: seconds not yet measured.

    Raises:
        WavelaneError: what the engine failed with; INTERNAL when it does not answer.
    """
    backend = choose_backend(model, config)
    workers, threads = config.parallelism(model.spec.parameters, native=backend == "native")
    count = (workers + 1) * batch
    limits = {"max_sessions": count, "max_batch": batch, "buckets": (batch,), "max_backlog_seconds": 60.0}
    config = config.model_copy(update=limits | UNLIMITED)
    lanes = sources(model.spec, lookahead, streams, count)
    texts: list[list[int]] = [[] for _ in lanes]
    chunk_seconds = (lookahead + 1) * model.spec.frame_samples / model.spec.features.sample_rate
    timer = timer_for(backend, config)
    with running(timer.around(model) if timer else model, config, lookahead, (batch,)) as (engine, rig):
        slots = [engine.open() for _ in lanes]
        index = {slot: number for number, slot in enumerate(slots)}
        for _ in range(DEPTH):
            for slot, source in zip(slots, lanes, strict=True):
                engine.submit(slot, source.next())
        # Measured from one delivery to another, so that no part of a step is cut off.
        warm = time.perf_counter() + warm_up
        began: Usage | None = None
        before = StepTimes.of(engine, timer)
        rows = 0
        while True:
            try:
                at, deliveries = rig.results.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                raise WavelaneError(
                    ErrorCode.INTERNAL,
                    f"The engine gave no result for {PATIENCE_SECONDS:.0f} s; measure smaller steps.",
                ) from None
            for lane in tokens(deliveries, index, texts):
                engine.submit(slots[lane], lanes[lane].next())
            if began is None:
                if at >= warm:
                    began, before = Usage.now(), StepTimes.of(engine, timer)
                continue
            rows += len(deliveries)
            if at >= began.at + seconds:
                break
        ended, after = Usage.now(), StepTimes.of(engine, timer)
        reports = [report for done, report in rig.steps if began.at <= done <= ended.at]
    wall = ended.at - began.at
    own, foreign = ended.since(began)
    return Point(
        kind="saturated",
        engine=engine_name,
        model=model.spec.name,
        precision=engine.backend.split()[-1],
        lookahead=lookahead,
        chunk_ms=round(1000 * chunk_seconds, 1),
        batch=batch,
        threads=workers * threads,
        streams=round(rows * chunk_seconds / wall, 2),
        latency=summarise([report.step_s for report in reports]),
        cores=round(own, 3),
        foreign_cores=None if foreign is None else round(foreign, 3),
        details={
            "backend": engine.backend,
            "held": count,
            "seconds": round(wall, 2),
            "workers": workers,
            "rows_per_step": round(_mean_rows(reports), 2),
            "breakdown": after.breakdown(before, reports, wall * workers),
            "pieces": sum(map(len, texts)),
        },
    )


def _mean_rows(reports: Sequence[StepReport]) -> float:
    return sum(report.rows for report in reports) / max(1, len(reports))
