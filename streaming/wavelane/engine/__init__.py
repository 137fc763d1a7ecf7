"""The engine: schedules the chunks of all sessions, steps the model over batches of them, delivers the results."""

from wavelane.engine.base import Delivery, Outcome, Sink
from wavelane.engine.config import EngineConfig
from wavelane.engine.engine import Engine
from wavelane.engine.metrics import EngineObserver, EngineStats, NullObserver, StepReport
from wavelane.engine.slots import Slot

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
