"""What a session has for the engine: chunks that wait, and chunks that the engine has."""

from collections import deque
from collections.abc import Sequence

from wavelane.engine.slots import Slot
from wavelane.work import Chunk
from wavelane_server.engines import EngineClient

SPARE_CHUNKS = 32
"""Chunks of a lane that may wait beyond twice what limits.backpressure_ms of audio has: a client that flushes behind
every few samples has a whole window for each, and next to no audio."""


class Submissions:
    """Chunks of a session's lanes, in order, from the session core to the engine's answer.

    Args:
        engine: takes them.
        slots: one for each lane.
        backpressure_ms: of audio that may wait before a client has to.
        max_backlog_s: of audio of a lane that the engine takes.
    """

    __slots__ = ("_engine", "_frame_s", "_in_flight", "_max_backlog_s", "_most", "_slots", "_waiting", "count")

    def __init__(self, engine: EngineClient, slots: Sequence[Slot], backpressure_ms: int, max_backlog_s: float) -> None:
        self._engine = engine
        self._slots = slots
        self._max_backlog_s = max_backlog_s
        self._frame_s = engine.spec.features.hop / engine.spec.features.sample_rate
        self._waiting: list[deque[Chunk]] = [deque() for _ in slots]
        self._in_flight = [0] * len(slots)
        honest = backpressure_ms * engine.spec.features.sample_rate // (1000 * engine.spec.frame_samples)
        self.count = 0
        """Chunks that wait or are with the engine."""
        self._most = len(slots) * (SPARE_CHUNKS + 2 * honest)

    @property
    def crowded(self) -> bool:
        """More than a client may have before it has to wait."""
        return self.count > self._most

    @property
    def with_engine(self) -> bool:
        """An answer of the engine will come."""
        return any(self._in_flight)

    def add(self, chunk: Chunk) -> None:
        """One more to be given to the engine."""
        self._waiting[chunk.lane].append(chunk)
        self.count += 1

    def submit(self) -> None:
        """Give the engine what it takes now: always the only chunk of a lane. Raises WavelaneError."""
        for lane, waiting in enumerate(self._waiting):
            while waiting and self._fits(lane, waiting[0]):
                self._engine.submit(self._slots[lane], waiting[0])
                waiting.popleft()
                self._in_flight[lane] += 1

    def answered(self, lane: int) -> None:
        """The engine is done with the oldest chunk of a lane."""
        self._in_flight[lane] -= 1
        self.count -= 1

    def clear(self) -> None:
        """Nothing that waits is given to the engine any more."""
        for waiting in self._waiting:
            waiting.clear()

    def _fits(self, lane: int, chunk: Chunk) -> bool:
        return (
            self._in_flight[lane] == 0
            or self._engine.backlog(self._slots[lane]) + chunk.frames * self._frame_s <= self._max_backlog_s
        )
