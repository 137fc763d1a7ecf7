"""What passes between the parts of the engine: the runner's interface, and what is delivered to the sink."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from wavelane.engine.batching import Batch
from wavelane.engine.slots import Slot
from wavelane.errors import WavelaneError
from wavelane.work import Decoding, StepResult

Outcome = StepResult | WavelaneError
"""What a step gave for one row."""


class Timing(NamedTuple):
    """When a chunk went through the engine (s, :func:`time.monotonic`, which all processes of a machine share)."""

    submitted: float
    formed: float
    """Its batch was formed: it waited until then, for a step of its own lane too."""
    done: float
    """The results of the step were on the host."""


@dataclass(slots=True)
class Delivery:
    """One row's outcome. An error ends the lane: nothing more comes for it, and it wants to be closed.

    Unpacks to slot and outcome.
    """

    slot: Slot
    outcome: Outcome
    timing: Timing | None = field(default=None, compare=False)
    """None for an error that no step gave."""

    def __iter__(self) -> Iterator[Any]:
        yield self.slot
        yield self.outcome


Sink = Callable[[Sequence[Delivery]], None]
"""Takes the deliveries of one step, all in one call, on the engine's results thread; must be quick and must not raise.

Asyncio is woken once for each step, not once for each row:
``Engine(model, config, lambda deliveries: loop.call_soon_threadsafe(dispatch, deliveries))``.
Deliveries of a slot come in the order of its chunks. One that was on its way when the slot was closed still arrives:
the receiver looks the slot up (index and generation) and drops what it does not know.
"""


class DeviceLostError(Exception):
    """The accelerator is in a state in which no later step can succeed."""


class StepRunner(Protocol):
    """Steps batches on a device. Several threads launch, batches without a common slot; another one collects."""

    def launch(self, batch: Batch) -> Any:
        """Begin a step, on a CPU compute it; returns a handle for :meth:`collect`.

        Raises:
            DeviceLostError: no step can succeed any more.
            Exception: this step failed and no lane's state was changed by it, but for a reset that a retry repeats.
        """

    def collect(self, handle: Any) -> list[Outcome]:
        """Wait for a step; one outcome for each row of its batch, in order."""


class Preparation(Protocol):
    """Makes what the search of a stream begins with, where that takes long. Several threads may call it."""

    def missing(self, decoding: Decoding) -> int:
        """About how much there is to make before a stream can begin; 0: nothing. Quick."""

    def prepare(self, decoding: Decoding) -> None:
        """Make it, and keep it for a while: a step makes what is missing. Raises what the step would raise."""


class NoPreparation:
    """Nothing takes long."""

    def missing(self, decoding: Decoding) -> int:
        """Nothing."""
        return 0

    def prepare(self, decoding: Decoding) -> None:
        """Do nothing."""
