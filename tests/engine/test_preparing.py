"""What a stream's search begins with is made beside the steps: only its own lane waits for it."""

import threading
import time
from collections.abc import Iterator

import pytest
from engineharness import Recorder
from handrunner import HandRunner, scheduling
from toymodel import make_chunk

from support.waiting import wait_until
from wavelane.engine.batching import Batch
from wavelane.engine.governor import unlimited
from wavelane.engine.scheduler import Scheduler
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Decoding


class HandPreparation:
    """Makes what the test lets it make; the beam is what is missing."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.made: set[int] = set()
        self.allowed = threading.Semaphore(0)
        self.fault: Exception | None = None

    def missing(self, decoding: Decoding) -> int:
        return 0 if decoding.beam in self.made else decoding.beam

    def prepare(self, decoding: Decoding) -> None:
        self.begun.append(decoding.beam)
        assert self.allowed.acquire(timeout=10)
        if self.fault is not None:
            raise self.fault
        self.made.add(decoding.beam)


@pytest.fixture
def runner() -> HandRunner:
    runner = HandRunner()
    runner.allow(1000)
    return runner


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def slow() -> HandPreparation:
    return HandPreparation()


@pytest.fixture
def scheduler(runner: HandRunner, recorder: Recorder, slow: HandPreparation) -> Iterator[Scheduler]:
    with scheduling(runner, recorder, preparation=slow, max_sessions=4) as scheduler:
        try:
            yield scheduler
        finally:
            slow.allowed.release(1000)


def wanting(size: int) -> Decoding:
    return Decoding(beam=size)


def test_only_the_lane_that_asks_for_much_waits_and_its_chunks_keep_their_order(
    scheduler: Scheduler, recorder: Recorder, slow: HandPreparation
) -> None:
    waits, other = scheduler.open(), scheduler.open()
    scheduler.submit(waits, make_chunk(0, decoding=wanting(5)))
    for sequence in range(1, 4):
        scheduler.submit(waits, make_chunk(sequence))
    wait_until(lambda: slow.begun == [5])
    for sequence in range(3):
        scheduler.submit(other, make_chunk(sequence))
    recorder.wait_for(3)
    assert [delivery.slot for delivery in recorder.deliveries] == [other] * 3
    assert scheduler.stats.queued == 4
    assert scheduler.backlog(waits) > 0
    assert scheduler.healthy
    slow.allowed.release()
    recorder.wait_for(7)
    assert [result.sequence for result in recorder.results(waits)] == [0, 1, 2, 3]
    assert (scheduler.stats.queued, scheduler.backlog(waits)) == (0, 0.0)


def test_a_stream_behind_another_in_its_lane_is_held_when_its_turn_comes(
    scheduler: Scheduler, runner: HandRunner, recorder: Recorder, slow: HandPreparation
) -> None:
    slot = scheduler.open()
    runner.on_launch = lambda batch: time.sleep(0.01)
    scheduler.submit(slot, make_chunk(0))
    scheduler.submit(slot, make_chunk(1, last=True))
    scheduler.submit(slot, make_chunk(2, start=True, decoding=wanting(5)))
    scheduler.submit(slot, make_chunk(3))
    recorder.wait_for(2)
    wait_until(lambda: slow.begun == [5])
    assert (scheduler.stats.queued, scheduler.stats.running) == (2, 0)
    slow.allowed.release()
    recorder.wait_for(4)
    scheduler.submit(slot, make_chunk(4, start=True, decoding=wanting(5)))
    recorder.wait_for(5)
    assert [result.sequence for result in recorder.results(slot)] == [0, 1, 2, 3, 4]
    assert slow.begun == [5], "the next stream begins at once"


def test_the_smallest_comes_first_and_the_same_is_made_once(
    scheduler: Scheduler, recorder: Recorder, slow: HandPreparation
) -> None:
    slots = [scheduler.open() for _ in range(4)]
    for slot, size in zip(slots, (9, 8, 8, 1), strict=True):
        scheduler.submit(slot, make_chunk(0, decoding=wanting(size)))
        wait_until(lambda: bool(slow.begun))
    slow.allowed.release(1000)
    recorder.wait_for(4)
    assert slow.begun[:3] == [9, 1, 8]
    assert slots.index(recorder.deliveries[1].slot) == 3


def test_a_client_that_leaves_while_it_is_held_costs_the_next_tenant_nothing(
    scheduler: Scheduler, recorder: Recorder, slow: HandPreparation
) -> None:
    gone, unwanted = scheduler.open(), scheduler.open()
    scheduler.submit(gone, make_chunk(0, decoding=wanting(5)))
    scheduler.submit(gone, make_chunk(1))
    wait_until(lambda: slow.begun == [5])
    scheduler.submit(unwanted, make_chunk(0, decoding=wanting(6)))
    scheduler.close(unwanted)
    scheduler.close(gone)
    assert recorder.dropped == 3
    assert (scheduler.stats.queued, scheduler.stats.lanes) == (0, 0)
    new = scheduler.open()
    assert (new.index, new.generation) == (gone.index, 1)
    scheduler.submit(new, make_chunk(0, decoding=wanting(7)))
    slow.allowed.release()
    wait_until(lambda: len(slow.begun) == 2)
    assert slow.begun == [5, 7], "nothing is made for whoever has gone"
    assert (scheduler.stats.queued, recorder.deliveries) == (1, [])
    slow.allowed.release()
    recorder.wait_for(1)
    assert recorder.results(new)


def test_what_cannot_be_made_is_the_steps_to_tell(
    scheduler: Scheduler, runner: HandRunner, recorder: Recorder, slow: HandPreparation
) -> None:
    def refuse(batch: Batch) -> None:
        raise ValueError("the step met it too")

    runner.on_launch = refuse
    slow.fault = WavelaneError(ErrorCode.INVALID_CONFIG, "no such thing")
    slot = scheduler.open()
    scheduler.submit(slot, make_chunk(0, decoding=wanting(5)))
    slow.allowed.release()
    recorder.wait_for(1)
    assert [error.code for error in recorder.errors(slot)] == [ErrorCode.INTERNAL]
    assert scheduler.healthy


def test_the_time_that_a_lane_is_held_is_not_the_engines(
    runner: HandRunner, recorder: Recorder, slow: HandPreparation
) -> None:
    governor = unlimited()
    latencies: list[float] = []
    step = governor.step

    def listen(lookahead: int, bucket: int, seconds: float, waited: list[float], now: float) -> None:
        latencies.extend(waited)
        step(lookahead, bucket, seconds, waited, now)

    governor.step = listen  # type: ignore[method-assign, assignment]
    with scheduling(runner, recorder, preparation=slow, governor=governor) as scheduler:
        scheduler.submit(scheduler.open(), make_chunk(0, decoding=wanting(5)))
        scheduler.submit(scheduler.open(), make_chunk(0, decoding=wanting(6)))
        time.sleep(0.1)
        slow.allowed.release(2)
        recorder.wait_for(2)
    assert max(latencies) < 0.09


@pytest.mark.parametrize("workers", [1, 3])
def test_draining_waits_for_what_is_held(
    runner: HandRunner, recorder: Recorder, slow: HandPreparation, workers: int
) -> None:
    with scheduling(runner, recorder, workers, slow) as scheduler:
        slot = scheduler.open()
        for sequence in range(2):
            scheduler.submit(slot, make_chunk(sequence, decoding=wanting(5) if sequence == 0 else None))
        threading.Timer(0.03, slow.allowed.release).start()
        assert scheduler.stop(drain=True, timeout=10)
    assert [result.sequence for result in recorder.results(slot)] == [0, 1]


@pytest.mark.parametrize("workers", [1, 3])
def test_draining_ends_when_the_client_that_is_held_leaves(
    runner: HandRunner, recorder: Recorder, slow: HandPreparation, workers: int
) -> None:
    with scheduling(runner, recorder, workers, slow) as scheduler:
        slot = scheduler.open()
        scheduler.submit(slot, make_chunk(0, decoding=wanting(5)))
        wait_until(lambda: slow.begun == [5])
        stopped = threading.Thread(target=scheduler.stop, args=(True, 10))
        stopped.start()
        time.sleep(0.02)
        scheduler.close(slot)
        wait_until(lambda: not any(worker.is_alive() for worker in scheduler._workers))
        slow.allowed.release()
        stopped.join(5)
        assert not stopped.is_alive()


@pytest.mark.parametrize("drain", [True, False])
def test_stopping_does_not_wait_for_what_takes_too_long(
    runner: HandRunner, recorder: Recorder, slow: HandPreparation, drain: bool
) -> None:
    with scheduling(runner, recorder, preparation=slow) as scheduler:
        slot = scheduler.open()
        scheduler.submit(slot, make_chunk(0, decoding=wanting(5)))
        wait_until(lambda: slow.begun == [5])
        began = time.monotonic()
        assert scheduler.stop(drain, timeout=0.05) is False
        assert time.monotonic() - began < 2
        recorder.wait_for(1)
        slow.allowed.release()
    assert [error.code for error in recorder.errors(slot)] == [ErrorCode.SHUTTING_DOWN]
    assert not runner.batches
