"""Timing steps: which shapes, in what time, and what is made of them."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest
from engineharness import Recorder, running
from toymodel import SPEC, make_chunk, toy_model

from support.waiting import wait_until
from wavelane.engine.base import Outcome
from wavelane.engine.batching import Batch
from wavelane.engine.calibration import REPEATS, sizes, time_steps
from wavelane.engine.capacity import StepTime
from wavelane.errors import ErrorCode, WavelaneError


class Clockwork:
    """A runner whose steps take exactly as long as a formula says, and its clock."""

    def __init__(self, time: StepTime) -> None:
        self.time, self.now = time, 0.0
        self.wait = self.waited = 0.0
        """Seconds that every step waits for a processor, and have waited so far."""
        self.batches: list[Batch] = []
        self.collected = 0

    def launch(self, batch: Batch) -> Batch:
        self.batches.append(batch)
        return batch

    def collect(self, batch: Batch) -> list[Outcome]:
        self.collected += 1
        # The first step of a shape is always slower.
        first = sum(before.bucket == batch.bucket for before in self.batches) == 1
        self.now += self.time.of(batch.bucket) * (5 if first else 1) + self.wait
        self.waited += self.wait
        return []

    def call(self, function: Callable[[], None]) -> "Future[None]":
        future: Future[None] = Future()
        function()
        future.set_result(None)
        return future

    def measure(self, shapes: tuple[int, ...], budget: float = 10.0) -> StepTime:
        return time_steps(self, self.call, 6, shapes, 1, budget, lambda: self.now, lambda: self.now - self.waited)


def test_which_shapes_are_timed() -> None:
    assert sizes((1, 2, 4, 8, 12, 16, 24, 32)) == [1, 4, 16, 32]
    assert sizes((1, 8)) == [1, 8]
    assert sizes((32,)) == [32]


def test_the_formula_is_found() -> None:
    runner = Clockwork(StepTime(0.004, 0.001))
    time = runner.measure((1, 2, 4, 8, 16, 32))
    assert (time.fixed, time.row) == (pytest.approx(0.004), pytest.approx(0.001))
    assert runner.collected == len(runner.batches) == 4 * REPEATS
    assert runner.now < 10.0
    assert {(batch.lookahead, batch.rows) for batch in runner.batches} == {(6, ())}


def test_what_else_runs_meanwhile_does_not_count() -> None:
    runner = Clockwork(StepTime(0.004, 0.001))
    runner.wait = 0.05
    time = runner.measure((1, 2, 4, 8, 16, 32))
    assert (time.fixed, time.row) == (pytest.approx(0.004), pytest.approx(0.001))


def test_a_slow_machine_is_not_kept_busy_with_large_steps() -> None:
    runner = Clockwork(StepTime(0.1, 0.1))
    time = runner.measure((1, 8, 16, 32), budget=2.5)
    assert {batch.bucket for batch in runner.batches} == {1}
    assert time.of(1) == pytest.approx(0.2)
    runner = Clockwork(StepTime(1.0, 1.0))
    runner.measure((1, 8, 16, 32), budget=0.5)
    assert len(runner.batches) == 1, "one step is always timed, and no more than the budget allows"


def test_with_one_shape_a_step_costs_the_same_whatever_its_rows() -> None:
    assert Clockwork(StepTime(0.004, 0.001)).measure((32,)) == StepTime(pytest.approx(0.036), 0.0)


def test_an_engine_measures_itself_after_the_start() -> None:
    recorder = Recorder()
    with running(toy_model(), recorder, workers=2, max_sessions=4) as engine:
        assert engine.stats.condition.capacity == 0
        engine.warm_up()
        wait_until(lambda: engine.stats.condition.capacity > 0)
        slot = engine.open()
        engine.submit(slot, make_chunk(0))
        recorder.wait_for(1)
        assert engine.stats.lookaheads == {SPEC.default_lookahead: 1}
        assert len(recorder.results(slot)) == 1, "what was measured was nobody's"
        engine.close(slot)


def test_off_measures_nothing() -> None:
    with running(toy_model(), Recorder(), capacity="off") as engine:
        engine.warm_up()
        preparing: Any = engine._preparing
        preparing.join()
        assert engine.stats.condition.capacity == 0


def test_an_engine_refuses_what_it_does_not_carry() -> None:
    recorder = Recorder()
    with running(toy_model(), recorder, capacity=2, max_sessions=100) as engine:
        slots = [engine.open(), engine.open()]
        with pytest.raises(WavelaneError) as refusal:
            engine.open()
        assert refusal.value.code is ErrorCode.OVERLOADED
        assert "carries 2 streams" in refusal.value.message
        assert "engine.capacity" in refusal.value.message
        assert recorder.refused == [ErrorCode.OVERLOADED]
        stats = engine.stats
        assert stats.condition.refusing
        assert stats.condition.load == pytest.approx(1.0, abs=0.01)
        engine.close(slots[0])
        assert not engine.stats.condition.refusing
        engine.open()


def test_the_lanes_are_the_hard_limit() -> None:
    with running(toy_model(), Recorder(), capacity=100, max_sessions=1) as engine:
        engine.open()
        with pytest.raises(WavelaneError, match=r"engine\.max_sessions = 1"):
            engine.open()
