"""What goes wrong in a step or at the end is told to whom it concerns, and to nobody else."""

import threading
import time

import pytest
from engineharness import Recorder
from handrunner import HandRunner, open_lanes, scheduling
from toymodel import make_chunk

from support.waiting import wait_until
from wavelane.engine import EngineConfig
from wavelane.engine.base import DeviceLostError, Outcome
from wavelane.engine.batching import Batch
from wavelane.engine.scheduler import Scheduler
from wavelane.errors import ErrorCode, WavelaneError


@pytest.fixture
def runner() -> HandRunner:
    return HandRunner()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_a_failing_step_is_halved_until_the_poison_stands_alone(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder, max_sessions=8, buckets=[8]) as scheduler:
        slots = open_lanes(scheduler, 6)

        def poisoned(batch: Batch) -> None:
            if any(row.slot == slots[4] and row.chunk.sequence == 0 for row in batch.rows):
                raise RuntimeError("poison")

        scheduler.submit(slots[0], make_chunk(0))
        runner.launched(1)
        runner.on_launch = poisoned
        for slot in slots[1:]:
            scheduler.submit(slot, make_chunk(0))
        runner.allow(20)
        recorder.wait_for(6)
        assert {batch.bucket for batch in runner.batches} == {8}
        assert len(runner.batches) <= 1 + 1 + 2 * 3
        assert [len(recorder.errors(slot)) for slot in slots] == [0, 0, 0, 0, 1, 0]
        assert [len(recorder.results(slot)) for slot in slots] == [1, 1, 1, 1, 0, 1]


def test_results_that_cannot_be_read_fail_their_step_only(runner: HandRunner, recorder: Recorder):
    collect = runner.collect

    def unreadable(batch: Batch) -> list[Outcome]:
        runner.collect = collect  # type: ignore[method-assign]
        raise ValueError("unreadable")

    runner.collect = unreadable  # type: ignore[method-assign]
    with scheduling(runner, recorder) as scheduler:
        a, b = open_lanes(scheduler, 2)
        runner.allow(2)
        scheduler.submit(a, make_chunk(0))
        recorder.wait_for(1)
        scheduler.submit(b, make_chunk(0))
        recorder.wait_for(2)
        assert scheduler.healthy
    assert [error.code for error in recorder.errors(a)] == [ErrorCode.INTERNAL]
    assert len(recorder.results(b)) == 1


def test_a_lost_device_ends_the_engine_visibly(runner: HandRunner, recorder: Recorder):
    def lost(batch: Batch) -> None:
        raise DeviceLostError("an illegal memory access")

    runner.on_launch = lost
    with scheduling(runner, recorder) as scheduler:
        busy, idle, gone = open_lanes(scheduler, 3)
        scheduler.close(gone)
        assert scheduler.healthy
        scheduler.submit(busy, make_chunk(0))
        recorder.wait_for(2)
        wait_until(lambda: not scheduler.healthy)
        for slot in (busy, idle):
            (error,) = recorder.errors(slot)
            assert error.code is ErrorCode.INTERNAL
            assert "has to be restarted" in error.message
        with pytest.raises(WavelaneError, match="has to be restarted"):
            scheduler.open()
        scheduler.close(busy)
        scheduler.close(idle)
        assert scheduler.stats.lanes == 0


def test_a_step_that_hangs_makes_the_engine_unhealthy(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder, stall_seconds=0.05) as scheduler:
        scheduler.submit(scheduler.open(), make_chunk(0))
        runner.launched(1)
        wait_until(lambda: not scheduler.healthy)
        assert scheduler.stats.running_for > 0.05
        runner.allow()
        recorder.wait_for(1)
        wait_until(lambda: scheduler.healthy)


def test_a_sink_that_raises_does_not_stop_the_engine(runner: HandRunner, recorder: Recorder):
    def broken(deliveries: object) -> None:
        calls.append(deliveries)
        raise RuntimeError("Event loop is closed")

    calls: list[object] = []
    runner.allow(10)
    scheduler = Scheduler(runner, EngineConfig(), 0.01, broken, recorder)
    scheduler.start()
    slot = scheduler.open()
    for sequence in range(3):
        scheduler.submit(slot, make_chunk(sequence))
    assert scheduler.stop(drain=True, timeout=10)
    assert len(calls) == 3


def test_an_observer_that_raises_does_not_stop_the_engine(runner: HandRunner, recorder: Recorder):
    class Broken(Recorder):
        def on_step(self, step: object) -> None:
            raise RuntimeError("observer")

        on_refused = on_dropped = on_failed = on_step  # type: ignore[assignment]

    runner.allow(10)
    recorder = Broken()
    with scheduling(runner, recorder, max_sessions=1) as scheduler:
        slot = scheduler.open()
        with pytest.raises(WavelaneError, match="All 1 lanes"):
            scheduler.open()
        for sequence in range(2):
            scheduler.submit(slot, make_chunk(sequence))
            recorder.wait_for(sequence + 1)
        assert scheduler.healthy


@pytest.mark.parametrize("workers", [1, 3])
def test_draining_ends_when_the_clients_leave_meanwhile(runner: HandRunner, recorder: Recorder, workers: int):
    with scheduling(runner, recorder, workers=workers) as scheduler:
        slot = scheduler.open()
        for sequence in range(3):
            scheduler.submit(slot, make_chunk(sequence))
        runner.launched(1)
        stopped = threading.Thread(target=scheduler.stop, args=(True, 10))
        stopped.start()
        time.sleep(0.02)
        scheduler.close(slot)
        runner.allow()
        stopped.join(2)
        assert not stopped.is_alive()


def test_stop_gives_up_draining_after_its_timeout(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder) as scheduler:
        slot = scheduler.open()
        for sequence in range(3):
            scheduler.submit(slot, make_chunk(sequence))
        runner.launched(1)
        began = time.monotonic()
        assert scheduler.stop(drain=True, timeout=0.05) is False
        assert time.monotonic() - began < 2
        runner.allow(3)
        recorder.wait_for(2)
    assert len(runner.batches) == 1
    assert [outcome.code for outcome in recorder.errors(slot)] == [ErrorCode.SHUTTING_DOWN]
    assert len(recorder.results(slot)) == 1
