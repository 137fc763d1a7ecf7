"""An engine under measurement: one model at one lookahead, and what it delivered and when."""

import gc
import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from wavelane.engine import Delivery, Engine, EngineConfig, Slot, StepReport
from wavelane.engine.metrics import NullObserver
from wavelane.errors import WavelaneError
from wavelane.model.base import LoadedModel

UNLIMITED = {"capacity": "off"}
"""Settings: what is measured here is the capacity, and measuring it beside would disturb that."""


@dataclass(slots=True)
class Rig(NullObserver):
    """The sink and the observer of an engine. Times are :func:`time.perf_counter` seconds."""

    results: "queue.Queue[tuple[float, Sequence[Delivery]]]" = field(default_factory=queue.Queue)
    """What was delivered, with the time of it. Not a SimpleQueue: CPython 3.11's may wait for ever when a short timeout
    has passed before it looks."""
    steps: list[tuple[float, StepReport]] = field(default_factory=list)

    def sink(self, deliveries: Sequence[Delivery]) -> None:
        """Take the results of a step."""
        self.results.put((time.perf_counter(), deliveries))

    def on_step(self, step: StepReport) -> None:
        """Keep a step's report."""
        self.steps.append((time.perf_counter(), step))


@contextmanager
def running(
    model: LoadedModel, config: EngineConfig, lookahead: int, buckets: Sequence[int]
) -> Iterator[tuple[Engine, Rig]]:
    """An engine that is warm for these batch shapes of one lookahead, and is stopped in the end."""
    # A model that knows one lookahead: the engine prepares no others beside the measurement.
    narrow = replace(model, spec=replace(model.spec, lookaheads=(lookahead,), default_lookahead=lookahead))
    rig = Rig()
    # The engine before this one is part of reference cycles; a GPU may not have room for the lanes of both.
    gc.collect()
    engine = Engine(narrow, config, rig.sink, rig)
    engine.start()
    try:
        engine.warm_up(buckets, (lookahead,))
        yield engine, rig
    finally:
        engine.stop(drain=False)


def tokens(deliveries: Sequence[Delivery], lanes: dict[Slot, int], texts: list[list[int]]) -> Iterator[int]:
    """Read every result of a step: pieces go to the lane's text, lanes are given in turn.

    Raises:
        WavelaneError: what a lane failed with.
    """
    for slot, outcome in deliveries:
        if isinstance(outcome, WavelaneError):
            raise outcome
        lane = lanes[slot]
        texts[lane].extend(token.id for token in outcome.tokens)
        yield lane
