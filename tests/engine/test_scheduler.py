"""The scheduler alone, over a runner that the test holds in its hand: who steps with whom, and when."""

import threading
import time

import pytest
from engineharness import Recorder
from handrunner import HandRunner, open_lanes, scheduling
from toymodel import make_chunk

from support.waiting import wait_until
from wavelane.engine import EngineConfig
from wavelane.engine.batching import Batch
from wavelane.engine.scheduler import Scheduler
from wavelane.errors import ErrorCode, WavelaneError


@pytest.fixture
def runner() -> HandRunner:
    return HandRunner()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def test_chunks_that_come_while_a_step_runs_share_the_next_one(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder) as scheduler:
        a, b, c = open_lanes(scheduler, 3)
        scheduler.submit(a, make_chunk(0))
        runner.launched(1)
        scheduler.submit(b, make_chunk(0))
        scheduler.submit(c, make_chunk(0))
        runner.allow()
        assert HandRunner.names(runner.launched(2)[1]) == [(b.index, 0), (c.index, 0)]


def test_tails_come_first_then_short_lookaheads(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder, max_batch=1) as scheduler:
        slots = open_lanes(scheduler, 4)
        scheduler.submit(slots[0], make_chunk(0))
        runner.launched(1)
        scheduler.submit(slots[1], make_chunk(0, lookahead=3))
        scheduler.submit(slots[2], make_chunk(0, lookahead=0))
        scheduler.submit(slots[3], make_chunk(0, lookahead=3, last=True))
        runner.allow(4)
        recorder.wait_for(4)
    assert [delivery.slot for delivery in recorder.deliveries] == [slots[0], slots[3], slots[2], slots[1]]


def test_a_lane_that_sends_ahead_takes_turns_with_the_others(runner: HandRunner, recorder: Recorder):
    """What waits behind a chunk is not due before that chunk was answered."""
    with scheduling(runner, recorder, max_batch=1) as scheduler:
        greedy, modest = open_lanes(scheduler, 2)
        for sequence in range(10):
            scheduler.submit(greedy, make_chunk(sequence))
        runner.launched(1)
        scheduler.submit(modest, make_chunk(0))
        runner.allow(3)
        recorder.wait_for(3)
        runner.launched(4)
    assert modest in [delivery.slot for delivery in recorder.deliveries[:3]]


def test_entries_of_a_client_that_has_gone_are_in_no_batch(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder) as scheduler:
        a, gone, b = open_lanes(scheduler, 3)
        scheduler.submit(a, make_chunk(0))
        runner.launched(1)
        for sequence in range(3):
            scheduler.submit(gone, make_chunk(sequence))
        scheduler.submit(b, make_chunk(0))
        scheduler.close(gone)
        assert scheduler.stats.queued == 1
        runner.allow(2)
        recorder.wait_for(2)
    assert [HandRunner.names(batch) for batch in runner.batches] == [[(a.index, 0)], [(b.index, 0)]]
    assert recorder.dropped == 3


def test_a_slot_comes_back_when_its_running_step_is_done_and_the_late_result_is_dropped(
    runner: HandRunner, recorder: Recorder
):
    with scheduling(runner, recorder, max_sessions=1) as scheduler:
        old = scheduler.open()
        scheduler.submit(old, make_chunk(0))
        runner.launched(1)
        scheduler.close(old)
        with pytest.raises(WavelaneError) as refusal:
            scheduler.open()
        assert refusal.value.code is ErrorCode.OVERLOADED
        runner.allow()
        wait_until(lambda: scheduler.stats.lanes == 0)
        new = scheduler.open()
        scheduler.submit(new, make_chunk(0))
        runner.allow()
        recorder.wait_for(1)
        assert (new.index, new.generation) == (old.index, old.generation + 1)
    assert [delivery.slot for delivery in recorder.deliveries] == [new]
    assert recorder.dropped == 1


def test_on_an_accelerator_the_next_batch_is_formed_and_launched_while_one_runs(recorder: Recorder):
    runner = HandRunner(gpu=True)
    with scheduling(runner, recorder, max_batch=1) as scheduler:
        a, b, c = open_lanes(scheduler, 3)
        for slot in (a, b, c):
            scheduler.submit(slot, make_chunk(0))
        runner.launched(2)
        assert [verb for verb, _ in runner.log] == ["launch", "launch"], "two in flight, no result waited for"
        assert scheduler.stats.running == 2
        runner.allow()
        recorder.wait_for(1)
        runner.launched(3)
        assert [verb for verb, _ in runner.log] == ["launch", "launch", "collect", "launch"]
        runner.allow(2)
        recorder.wait_for(3)
    assert recorder.threads == {"wavelane-results"}
    assert [delivery.slot for delivery in recorder.deliveries] == [a, b, c]


def test_on_an_accelerator_a_chunk_that_comes_while_a_step_runs_is_launched_at_once(recorder: Recorder):
    runner = HandRunner(gpu=True)
    with scheduling(runner, recorder) as scheduler:
        a, b = open_lanes(scheduler, 2)
        scheduler.submit(a, make_chunk(0))
        runner.launched(1)
        time.sleep(0.02)
        scheduler.submit(b, make_chunk(0))
        runner.launched(2)
        assert not recorder.deliveries


def test_on_a_cpu_the_next_step_begins_while_results_are_delivered(runner: HandRunner, recorder: Recorder):
    delivering, release = threading.Event(), threading.Event()

    def slow(deliveries: object) -> None:
        delivering.set()
        assert release.wait(10)

    scheduler = Scheduler(runner, EngineConfig(max_batch=1), 0.01, slow, recorder)
    scheduler.start()
    for slot in open_lanes(scheduler, 3):
        scheduler.submit(slot, make_chunk(0))
    runner.allow()
    assert delivering.wait(10)
    runner.launched(2)
    runner.allow(2)
    release.set()
    assert scheduler.stop(drain=True, timeout=10)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_lane_is_in_one_step_at_a_time(recorder: Recorder, workers: int):
    runner = HandRunner(gpu=True)
    with scheduling(runner, recorder, workers=workers) as scheduler:
        slot = scheduler.open()
        for sequence in range(4):
            scheduler.submit(slot, make_chunk(sequence))
        runner.launched(1)
        time.sleep(0.02)
        assert [verb for verb, _ in runner.log] == ["launch"]
        runner.allow(4)
        recorder.wait_for(4)
    assert [verb for verb, _ in runner.log] == ["launch", "collect"] * 4
    assert [result.sequence for result in recorder.results(slot)] == [0, 1, 2, 3]


def test_workers_step_at_the_same_time_and_share_what_is_ready(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder, workers=2) as scheduler:
        slots = open_lanes(scheduler, 6)
        scheduler.submit(slots[0], make_chunk(0))
        scheduler.submit(slots[1], make_chunk(0))
        runner.launched(2)
        for slot in slots[2:]:
            scheduler.submit(slot, make_chunk(0))
        assert scheduler.stats.running == 2
        runner.allow(10)
        recorder.wait_for(6)
    assert sorted(slot.index for slot in slots) == sorted(
        index for verb, rows in runner.log if verb == "launch" for index, _ in rows
    )


def test_a_step_that_is_done_earlier_is_delivered_earlier(recorder: Recorder):
    """Workers finish in any order; the results of one never wait for another."""
    runner, hold = HandRunner(), threading.Event()

    def slow_first(batch: Batch) -> None:
        if batch.rows[0].slot.index == 0:
            assert hold.wait(10)

    runner.on_launch = slow_first
    runner.allow(2)
    with scheduling(runner, recorder, workers=2) as scheduler:
        slow, quick = open_lanes(scheduler, 2)
        scheduler.submit(slow, make_chunk(0))
        runner.launched(1)
        scheduler.submit(quick, make_chunk(0))
        assert [delivery.slot for delivery in recorder.wait_for(1)] == [quick]
        hold.set()
        recorder.wait_for(2)


def test_on_an_accelerator_a_result_is_not_held_back_for_a_next_batch(recorder: Recorder):
    runner = HandRunner(gpu=True)
    with scheduling(runner, recorder) as scheduler:
        scheduler.submit(scheduler.open(), make_chunk(0))
        runner.allow()
        recorder.wait_for(1)


def test_the_report_of_a_step(runner: HandRunner, recorder: Recorder):
    with scheduling(runner, recorder, max_batch=2) as scheduler:
        slots = open_lanes(scheduler, 4)
        scheduler.submit(slots[0], make_chunk(0))
        runner.launched(1)
        for slot in slots[1:]:
            scheduler.submit(slot, make_chunk(0))
        time.sleep(0.02)
        runner.allow(3)
        wait_until(lambda: len(recorder.steps) == 3)
        first, second, third = recorder.steps
        assert [(step.rows, step.bucket, step.lookahead, step.queued) for step in recorder.steps] == [
            (1, 1, 1, 0),
            (2, 2, 1, 1),
            (1, 1, 1, 0),
        ]
        assert first.step_s >= 0.02
        assert min(second.wait_s) >= 0.02
        assert len(second.wait_s) == 2
        assert third.deliver_s >= 0
        stats = scheduler.stats
        assert (stats.steps, stats.rows, stats.padding, stats.queued, stats.running) == (3, 4, 0, 0, 0)
