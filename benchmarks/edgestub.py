"""An engine that answers at once, in the place of the engine process: what is left is the cost of the edge."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from wavelane.engine.base import Delivery
from wavelane.engine.metrics import EngineStats
from wavelane.engine.slots import Slot, SlotPool
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, StepResult, Token

WORDS_PER_SECOND = 2.5
"""How fast people speak."""


class StubEngine:
    """Has the interface of :class:`wavelane.engine.Engine` and no model: words come at the pace of speech.

    Args:
        spec: of a real model.
        lanes: streams that may be open at once.
        sink: takes the results, all of one turn of the event loop in one call.
    """

    head = "ctc"
    healthy = True

    def __init__(self, spec: ModelSpec, lanes: int, sink: Callable[[Sequence[Delivery]], None]) -> None:
        self.spec = spec
        self.chunks = 0
        """Chunks answered."""
        self._pool = SlotPool(lanes)
        self._frames: dict[Slot, int] = {}
        self._sink = sink
        self._ready: list[Delivery] = []
        self._words = [number for number, piece in enumerate(spec.vocabulary) if piece.startswith("\u2581")]
        self._every = round(1 / WORDS_PER_SECOND / (spec.frame_samples / spec.features.sample_rate))

    @property
    def stats(self) -> EngineStats:
        """Lanes, and nothing else."""
        counts: dict[str, Any] = dict.fromkeys(
            ("queued", "running", "steps", "rows", "padding", "refused", "dropped", "failed", "wakeups"), 0
        )
        return EngineStats(
            lanes=self._pool.live, max_lanes=self._pool.size, last_step_age=None, running_for=0.0, **counts
        )

    def open(self, lookahead: int | None = None) -> Slot:
        """A lane."""
        slot = self._pool.allocate()
        assert slot is not None, "more sessions than lanes"
        return slot

    def close(self, slot: Slot) -> None:
        """Give it back."""
        if self._pool.alive(slot):
            self._pool.free(slot)
            self._frames.pop(slot, None)

    def delayed(self, seconds: float) -> None:
        """It has no dial to turn."""

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Answer in this turn of the event loop."""
        first = 0 if chunk.start else self._frames.get(slot, 0)
        count = -(-(chunk.frames + (self.spec.lead if chunk.start else 0)) // self.spec.subsampling)
        tokens = tuple(
            Token(id=self._words[frame * 7 % len(self._words)], frame=frame, confidence=0.9)
            for frame in range(first, first + count)
            if frame % self._every == 0
        )
        self._frames[slot] = first + count
        result = StepResult(lane=chunk.lane, sequence=chunk.sequence, tokens=tokens, frames=count, last=chunk.last)
        if not self._ready:
            asyncio.get_running_loop().call_soon(self._answer)
        self._ready.append(Delivery(slot, result))
        self.chunks += 1

    def _answer(self) -> None:
        ready, self._ready = self._ready, []
        self._sink(ready)

    def audit(self) -> None:
        """Slots add up."""
        self._pool.audit()
