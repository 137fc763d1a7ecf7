"""A sink that tests can wait on, an observer that keeps everything, and an engine that is stopped in the end."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wavelane.engine import Delivery, Engine, EngineConfig, Outcome, Slot, StepReport
from wavelane.engine.metrics import GraphStats
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.work import StepResult


class Recorder:
    """Sink and observer."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.calls: list[int] = []
        self.steps: list[StepReport] = []
        self.graphs: list[GraphStats] = []
        self.refused: list[ErrorCode] = []
        self.dropped = 0
        self.failed = 0
        self.threads: set[str] = set()
        self._changed = threading.Condition()

    def sink(self, deliveries: Sequence[Delivery]) -> None:
        with self._changed:
            self.threads.add(threading.current_thread().name)
            self.calls.append(len(deliveries))
            self.deliveries.extend(deliveries)
            self._changed.notify_all()

    def on_step(self, step: StepReport) -> None:
        with self._changed:
            self.steps.append(step)
            self._changed.notify_all()

    def on_refused(self, code: ErrorCode) -> None:
        self.refused.append(code)

    def on_dropped(self, chunks: int) -> None:
        self.dropped += chunks

    def on_failed(self, lanes: int) -> None:
        self.failed += lanes

    def on_graphs(self, graphs: GraphStats) -> None:
        self.graphs.append(graphs)

    def wait_for(self, count: int, timeout: float = 60.0) -> list[Delivery]:
        """The deliveries, once there are ``count``."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.deliveries) >= count, timeout), (
                f"{len(self.deliveries)} of {count} deliveries came"
            )
            return list(self.deliveries)

    def of(self, slot: Slot) -> list[Outcome]:
        return [delivery.outcome for delivery in self.deliveries if delivery.slot == slot]

    def results(self, slot: Slot) -> list[StepResult]:
        return [outcome for outcome in self.of(slot) if isinstance(outcome, StepResult)]

    def errors(self, slot: Slot) -> list[WavelaneError]:
        return [outcome for outcome in self.of(slot) if isinstance(outcome, WavelaneError)]


@contextmanager
def running(model: LoadedModel, recorder: Recorder, **settings: object) -> Iterator[Engine]:
    config = EngineConfig.model_validate({"device": "cpu", "workers": 1, "threads": 1} | settings)
    engine = Engine(model, config, recorder.sink, recorder)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop(drain=False)
        engine.audit()
