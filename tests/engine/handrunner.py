"""A runner that the test holds in its hand, and a scheduler over it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engineharness import Recorder

from support.waiting import wait_until
from wavelane.engine import EngineConfig, Slot
from wavelane.engine.base import Outcome, Preparation
from wavelane.engine.batching import Batch
from wavelane.engine.governor import Governor
from wavelane.engine.scheduler import Scheduler
from wavelane.work import StepResult


class HandRunner:
    """Answers each step when the test lets it: on a CPU ``launch`` takes long, on a GPU ``collect`` does."""

    def __init__(self, gpu: bool = False) -> None:
        self.gpu = gpu
        self.log: list[tuple[str, list[tuple[int, int]]]] = []
        """("launch" or "collect", [(slot index, sequence), ...])"""
        self.batches: list[Batch] = []
        self.allowed = threading.Semaphore(0)
        self.on_launch: Callable[[Batch], None] = lambda batch: None

    def launch(self, batch: Batch) -> Batch:
        self.batches.append(batch)
        self.log.append(("launch", self.names(batch)))
        self.on_launch(batch)
        if not self.gpu:
            assert self.allowed.acquire(timeout=10)
        return batch

    def collect(self, batch: Batch) -> list[Outcome]:
        if self.gpu:
            assert self.allowed.acquire(timeout=10)
        self.log.append(("collect", self.names(batch)))
        return [
            StepResult(lane=0, sequence=row.chunk.sequence, tokens=(), frames=1, last=row.chunk.last)
            for row in batch.rows
        ]

    @staticmethod
    def names(batch: Batch) -> list[tuple[int, int]]:
        return [(row.slot.index, row.chunk.sequence) for row in batch.rows]

    def launched(self, count: int) -> list[Batch]:
        wait_until(lambda: len(self.batches) >= count)
        assert len(self.batches) == count
        return self.batches

    def allow(self, steps: int = 1) -> None:
        self.allowed.release(steps)


@contextmanager
def scheduling(
    runner: HandRunner,
    recorder: Recorder,
    workers: int = 1,
    preparation: Preparation | None = None,
    governor: Governor | None = None,
    **settings: object,
) -> Iterator[Scheduler]:
    config = EngineConfig.model_validate(settings)
    scheduler = Scheduler(
        runner, config, 0.01, recorder.sink, recorder, workers, governor=governor, preparation=preparation
    )
    scheduler.start()
    try:
        yield scheduler
    finally:
        runner.allow(1000)
        scheduler.stop(drain=False, timeout=10)
        scheduler.audit()


def open_lanes(scheduler: Scheduler, count: int) -> list[Slot]:
    return [scheduler.open() for _ in range(count)]
