"""What the engine tells about itself: events for an observer, and a snapshot."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wavelane.engine.governor import Condition
from wavelane.errors import ErrorCode


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One step, after its results were delivered. Times in seconds."""

    rows: int
    """Lanes that moved."""
    bucket: int
    """Rows of the step, padding included."""
    lookahead: int
    wait_s: tuple[float, ...]
    """From submission to the forming of the batch, for each row."""
    step_s: float
    """From the forming of the batch to its results on the host."""
    deliver_s: float
    """Time spent in the sink."""
    queued: int
    """Chunks that were waiting when the batch was formed, its own rows not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphStats:
    """CUDA graphs of an engine; all 0 on a CPU."""

    captured: int = 0
    """Batch shapes (bucket and lookahead) that run as one graph."""
    fallen_back: int = 0
    """Shapes whose graph could not be captured or differed from the eager step, and that run eagerly."""
    seconds: float = 0.0
    """Time spent capturing and checking."""
    bytes: int = 0
    """Device memory that the graphs take."""


class EngineObserver(Protocol):
    """Told what happens, for metrics. Called on the thread where it happens: must be quick and thread-safe."""

    def on_step(self, step: StepReport) -> None:
        """A step is done and its results are delivered."""

    def on_refused(self, code: ErrorCode) -> None:
        """A session (OVERLOADED, SHUTTING_DOWN) or a chunk (BACKLOG_EXCEEDED) was turned away."""

    def on_dropped(self, chunks: int) -> None:
        """Chunks, waiting or stepped, whose client had gone."""

    def on_failed(self, lanes: int) -> None:
        """Lanes that a fault of the engine or of the model ended."""

    def on_graphs(self, graphs: GraphStats) -> None:
        """A CUDA graph was captured, or its capture failed."""


class NullObserver:
    """Observes nothing."""

    def on_step(self, step: StepReport) -> None:
        """Ignore."""

    def on_refused(self, code: ErrorCode) -> None:
        """Ignore."""

    def on_dropped(self, chunks: int) -> None:
        """Ignore."""

    def on_failed(self, lanes: int) -> None:
        """Ignore."""

    def on_graphs(self, graphs: GraphStats) -> None:
        """Ignore."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """A snapshot of the engine."""

    lanes: int
    """Lanes in use, those included whose tenant left while its step runs."""
    max_lanes: int
    queued: int
    """Chunks that wait for a step."""
    running: int
    """Chunks in a step."""
    steps: int
    """Steps done since the start; so are the following counts."""
    rows: int
    padding: int
    """Padding rows stepped."""
    refused: int
    dropped: int
    failed: int
    wakeups: int
    """Times that a thread of the engine woke up: an idle engine adds none."""
    last_step_age: float | None
    """Seconds since a step was done; None before the first."""
    running_for: float
    """Seconds that the step in progress has been running; 0 when idle."""
    lookaheads: Mapping[int, int] = field(default_factory=dict)
    """Lanes in use by lookahead: of their last chunk, before the first the longest that they allow."""
    condition: Condition = field(default_factory=Condition)
    """Load and capacity."""
