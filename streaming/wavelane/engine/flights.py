"""Steps on their way through the engine."""

from dataclasses import dataclass
from typing import Any

from wavelane.engine.batching import Batch
from wavelane.engine.metrics import StepReport
from wavelane.errors import WavelaneError


@dataclass(slots=True, eq=False)
class Flight:
    """A step that was begun and not yet completed."""

    batch: Batch
    formed: float
    queued: int
    handle: Any = None
    failure: WavelaneError | None = None
    """The step failed at its launch; there is no handle."""
    launched: bool = False

    def halves(self) -> "tuple[Flight, Flight]":
        """The same step in two. The bucket stays: what rows get does not depend on their neighbours' failure."""
        batch = self.batch
        middle = len(batch.rows) // 2
        first, second = (
            Flight(Batch(batch.lookahead, rows, batch.bucket), self.formed, self.queued)
            for rows in (batch.rows[:middle], batch.rows[middle:])
        )
        return first, second

    def report(self, done: float, delivered: float) -> StepReport:
        """What the observer is told; when the results were on the host and when the sink had them."""
        batch = self.batch
        return StepReport(
            rows=len(batch.rows),
            bucket=batch.bucket,
            lookahead=batch.lookahead,
            wait_s=tuple(self.formed - pending.submitted for pending in batch.rows),
            step_s=done - self.formed,
            deliver_s=delivered - done,
            queued=self.queued,
        )
