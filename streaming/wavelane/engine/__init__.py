"""The engine: schedules the chunks of all sessions, steps the model over batches of them, delivers the results."""

from typing import TYPE_CHECKING, Any

from wavelane.engine.base import Delivery, Outcome, Sink
from wavelane.engine.config import EngineConfig
from wavelane.engine.metrics import EngineObserver, EngineStats, NullObserver, StepReport
from wavelane.engine.slots import Slot

if TYPE_CHECKING:
    from wavelane.engine.engine import Engine

__all__ = [
    "Delivery",
    "Engine",
    "EngineConfig",
    "EngineObserver",
    "EngineStats",
    "NullObserver",
    "Outcome",
    "Sink",
    "Slot",
    "StepReport",
]


def __getattr__(name: str) -> Any:
    """The engine itself, which needs torch, when it is asked for: front ends in processes of their own never do."""
    if name == "Engine":
        from wavelane.engine.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
