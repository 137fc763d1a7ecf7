"""Steps on their way through the engine."""

from dataclasses import dataclass
from typing import Any

from wavelane.engine.batching import Batch
from wavelane.errors import WavelaneError


@dataclass(slots=True)
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
