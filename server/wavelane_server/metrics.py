"""Prometheus metrics: one registry for each service, so that several can live in a process. Units are in the names."""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from wavelane.engine.metrics import EngineStats, StepReport
from wavelane.errors import ErrorCode
from wavelane_server.loop_metrics import LoopCounter, LoopHistogram

if TYPE_CHECKING:
    from wavelane.engine.base import Timing
    from wavelane.engine.metrics import GraphStats

_LATENCY = (0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0, 30.0)
_STEP = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
_DELAY = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_ROWS = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)

_SHARE = (
    *(0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.008, 0.01, 0.0125, 0.015, 0.0175, 0.02),
    *(0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0, 10.0),
)

SHARES = ("edge", "wait", "step", "delivery")
"""In their order; see :meth:`Metrics.share`."""

DELAY_SAMPLE_S = 0.05
"""Time between two samples of the event loop's delay (s)."""

RECENT_DELAYS = 40
"""Samples (2 s) by which a process judges whether its event loop keeps up."""

Family = dict[str, Any]
"""A metric with all its samples, as plain values; see :func:`families`."""


class EngineMetrics:
    """What an engine does; see :class:`wavelane.engine.metrics.EngineObserver`. Called on the engine's threads.

    Args:
        registry: where they are kept.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.lanes = Gauge("wavelane_lanes", "Lanes of the engine in use", registry=registry)
        self.max_lanes = Gauge("wavelane_lanes_limit", "Lanes of the engine", registry=registry)
        self.queued = Gauge("wavelane_queued_chunks", "Chunks that wait for a step", registry=registry)
        self.capacity = Gauge(
            "wavelane_capacity_streams",
            "Streams of continuous speech at the default lookahead that are carried in time; 0 before it was measured",
            registry=registry,
        )
        self.load = Gauge("wavelane_load_ratio", "Share of the capacity that is in use", registry=registry)
        self.slowdown = Gauge(
            "wavelane_step_slowdown_ratio", "Time of a step by the one measured at the start", registry=registry
        )
        self.limit = Gauge(
            "wavelane_capacity_limit_ratio", "What late results have left of the measured capacity", registry=registry
        )
        self.dial = Gauge(
            "wavelane_lookahead_dial", "Quarters of a lookahead by which auto sessions are moved", registry=registry
        )
        self.lookaheads = Gauge(
            "wavelane_lookahead_lanes", "Lanes in use, by lookahead", ["lookahead"], registry=registry
        )
        self.rows = Histogram("wavelane_batch_rows", "Lanes that moved in a step", buckets=_ROWS, registry=registry)
        self.step = Histogram("wavelane_step_seconds", "Time of a step", buckets=_STEP, registry=registry)
        self.wait = Histogram(
            "wavelane_wait_seconds", "Time of a chunk from submission to its step", buckets=_STEP, registry=registry
        )
        self.graphs = Gauge(
            "wavelane_cuda_graphs", "Batch shapes that run as one CUDA graph; 0 on a CPU", registry=registry
        )
        self.graphs_fallen_back = Gauge(
            "wavelane_cuda_graphs_fallen_back",
            "Batch shapes whose CUDA graph could not be captured, or gave other results than the eager step",
            registry=registry,
        )
        self.graphs_seconds = Gauge(
            "wavelane_cuda_graphs_capture_seconds",
            "Time spent on capturing and checking CUDA graphs",
            registry=registry,
        )
        self.graphs_bytes = Gauge(
            "wavelane_cuda_graphs_bytes", "Device memory that CUDA graphs take", registry=registry
        )
        self.dropped = Counter(
            "wavelane_dropped_chunks", "Chunks whose client had gone before their result", registry=registry
        )

    def on_step(self, step: StepReport) -> None:
        """A step is done."""
        self.rows.observe(step.rows)
        self.step.observe(step.step_s)
        for wait in step.wait_s:
            self.wait.observe(wait)

    def on_refused(self, code: ErrorCode) -> None:
        """The bridge counts refusals where clients see them."""

    def on_dropped(self, chunks: int) -> None:
        """Clients had gone."""
        self.dropped.inc(chunks)

    def on_failed(self, lanes: int) -> None:
        """The bridge counts failures by their code."""

    def on_graphs(self, graphs: "GraphStats") -> None:
        """A CUDA graph was captured, or its capture failed."""
        self.graphs.set(graphs.captured)
        self.graphs_fallen_back.set(graphs.fallen_back)
        self.graphs_seconds.set(graphs.seconds)
        self.graphs_bytes.set(graphs.bytes)

    def look(self, stats: EngineStats) -> None:
        """Take what is true now."""
        self.lanes.set(stats.lanes)
        self.max_lanes.set(stats.max_lanes)
        self.queued.set(stats.queued)
        condition = stats.condition
        self.capacity.set(condition.capacity)
        self.load.set(condition.load)
        self.slowdown.set(condition.slowdown)
        self.limit.set(condition.limit)
        self.dial.set(condition.dial)
        self.lookaheads.clear()
        for lookahead, lanes in stats.lookaheads.items():
            self.lookaheads.labels(str(lookahead)).set(lanes)


class Metrics:
    """All metrics of a service.

    Args:
        engine: its engine is in this process, and is measured too.
    """

    def __init__(self, engine: bool = True) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.engine = EngineMetrics(registry) if engine else None
        self.sessions = Gauge("wavelane_sessions", "Sessions in progress", registry=registry)
        self.sessions_total = Counter("wavelane_sessions_opened", "Sessions opened", registry=registry)
        self.lag = LoopHistogram(
            "wavelane_lag_seconds",
            "Audio received but not recognised, at each result",
            buckets=_LATENCY,
            registry=registry,
        )
        self.partial_latency = LoopHistogram(
            "wavelane_partial_latency_seconds",
            "From the receipt of a partial's newest audio to its hand-over to the socket",
            buckets=_LATENCY,
            registry=registry,
        )
        self.final_latency = Histogram(
            "wavelane_final_latency_seconds",
            "From the receipt of the audio, flush or end that closed an utterance to the hand-over of its final",
            buckets=_LATENCY,
            registry=registry,
        )
        self.final_shares = Histogram(
            "wavelane_final_share_seconds",
            "Shares of the time from the receipt of a flush or end to the hand-over of its final: edge (until the last "
            "chunk is with the engine), wait (for a step), step, delivery (until the socket has the final)",
            ["share"],
            buckets=_SHARE,
            registry=registry,
        )
        self.audio = LoopCounter("wavelane_audio_received_seconds", "Audio received", registry=registry)
        self.refusals = Counter("wavelane_refusals", "Sessions refused, by error code", ["code"], registry=registry)
        self.failures = Counter(
            "wavelane_session_failures", "Sessions ended by an error, by error code", ["code"], registry=registry
        )
        self._waited = 0.0
        self._delays: deque[float] = deque(maxlen=RECENT_DELAYS)
        self.loop_delay = Histogram(
            "wavelane_event_loop_delay_seconds",
            "How late the event loop runs what is due",
            buckets=_DELAY,
            registry=registry,
        )

    def share(self, asked: float, timing: "Timing | None", sent: float) -> None:
        """Count the shares of a final that was asked for; they add up to ``sent - asked``.

        Args:
            asked: when the flush or end was received (s, :func:`time.monotonic`, as all times here).
            timing: of the chunk whose result made the final. None: its last result was there before.
            sent: when the final was handed to the socket.
        """
        at = asked
        for name, until in zip(SHARES, (*(timing or (asked,) * 3), sent), strict=True):
            # What was done before it was asked for took none of the time.
            self.final_shares.labels(name).observe(max(0.0, until - at))
            at = max(at, until)

    async def sample_loop_delay(self) -> None:
        """Run for ever: sleep, and observe how much later than asked the loop came back."""
        while True:
            due = time.perf_counter() + DELAY_SAMPLE_S
            await asyncio.sleep(DELAY_SAMPLE_S)
            delay = max(0.0, time.perf_counter() - due)
            self.loop_delay.observe(delay)
            self._delays.append(max(delay, self._waited))
            self._waited = 0.0

    def waited(self, seconds: float) -> None:
        """A result has waited so long for its turn on the event loop."""
        self._waited = max(self._waited, seconds)

    @property
    def recent_delay(self) -> float:
        """Median of how late the event loop, or a result on it, was lately (s); 0 until there are enough samples to
        tell."""
        return statistics.median(self._delays) if len(self._delays) == self._delays.maxlen else 0.0

    def forget_loop_delay(self) -> None:
        """Judge the event loop anew: what it did before, it will not do again."""
        self._delays.clear()

    def look(self, stats: EngineStats | None) -> None:
        """Take what is true of the engine now."""
        if self.engine is not None and stats is not None:
            self.engine.look(stats)


def families(registry: CollectorRegistry) -> list[Family]:
    """All metrics of a registry as plain values, which another process can :func:`join`."""
    return [
        {
            "name": metric.name,
            "help": metric.documentation,
            "type": metric.type,
            "samples": [[sample.name, sample.labels, sample.value] for sample in metric.samples],
        }
        for metric in registry.collect()
    ]


def join(processes: Mapping[str, Iterable[Family]]) -> bytes:
    """Prometheus text of several processes' metrics; each sample has its process's name as the label ``process``."""
    metrics: dict[str, Metric] = {}
    for process, its in processes.items():
        for family in its:
            metric = metrics.setdefault(family["name"], Metric(family["name"], family["help"], family["type"]))
            for name, labels, value in family["samples"]:
                metric.add_sample(name, {**labels, "process": process}, value)
    return render(_Given(list(metrics.values())))


def render(metrics: Collector) -> bytes:
    """Prometheus text, of the type :data:`CONTENT_TYPE`."""
    return generate_latest(metrics)


CONTENT_TYPE = CONTENT_TYPE_LATEST
"""Of :func:`render`."""


class _Given(Collector):
    """Collects what it was given."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics
