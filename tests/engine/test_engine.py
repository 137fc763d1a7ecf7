import threading
import time

import numpy as np
import pytest
from engineharness import Recorder, running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from toymodel import POISON, make_chunk, toy_model

from support.waiting import wait_until
from wavelane.engine import Engine, EngineConfig, Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import StepResult


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def expected(seed: int, count: int, bucket: int = 1) -> list[StepResult]:
    """What a stream gives on an engine of its own."""
    recorder = Recorder()
    with running(toy_model(), recorder, max_sessions=bucket, buckets=[bucket]) as engine:
        slot = engine.open()
        for sequence in range(count):
            engine.submit(slot, make_chunk(sequence, seed))
        recorder.wait_for(count)
    return recorder.results(slot)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_streams_from_many_threads_give_what_each_gives_alone(recorder: Recorder, workers: int):
    streams, chunks = 24, 6
    slots: dict[int, Slot] = {}
    with running(toy_model(), recorder, workers=workers, max_sessions=32, max_batch=8, buckets=[8]) as engine:

        def stream(seed: int) -> None:
            slot = slots[seed] = engine.open()
            for sequence in range(chunks):
                engine.submit(slot, make_chunk(sequence, seed, last=sequence == chunks - 1))
                time.sleep(0.001 * (seed % 3))

        threads = [threading.Thread(target=stream, args=(seed,)) for seed in range(streams)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        recorder.wait_for(streams * chunks)
        assert engine.stats.rows == streams * chunks
    for seed, slot in slots.items():
        results = recorder.results(slot)
        assert [result.sequence for result in results] == list(range(chunks))
        assert [result.last for result in results] == [False] * (chunks - 1) + [True]
        assert [result.tokens for result in results] == [result.tokens for result in expected(seed, chunks, 8)]
    assert max(step.rows for step in recorder.steps) > 1
    assert recorder.threads == {"wavelane-results"}


def test_a_step_delivers_all_its_rows_in_one_call(recorder: Recorder):
    with running(toy_model(), recorder, max_wait_ms=1000, max_sessions=4, max_batch=3) as engine:
        for seed in range(3):
            engine.submit(engine.open(), make_chunk(0, seed))
        recorder.wait_for(3)
        assert recorder.calls == [3]
        assert recorder.steps[0].rows == 3


def test_an_idle_engine_never_wakes_up(recorder: Recorder):
    with running(toy_model(), recorder) as engine:
        slot = engine.open()
        engine.submit(slot, make_chunk(0))
        recorder.wait_for(1)
        wait_until(lambda: engine.stats.last_step_age is not None and engine.stats.last_step_age > 0.05)
        before = engine.stats.wakeups
        time.sleep(0.3)
        assert engine.stats.wakeups == before
        engine.submit(slot, make_chunk(1))
        recorder.wait_for(2)
        wait_until(lambda: engine.stats.steps == 2)
        assert engine.stats.wakeups <= before + 2


def test_past_the_last_lane_sessions_are_refused(recorder: Recorder):
    with running(toy_model(), recorder, max_sessions=2) as engine:
        first = engine.open()
        engine.open()
        with pytest.raises(WavelaneError) as refusal:
            engine.open()
        assert refusal.value.code is ErrorCode.OVERLOADED
        assert refusal.value.message == (
            "All 2 lanes of this server are in use (setting engine.max_sessions = 2); try again later or on another "
            "server."
        )
        engine.close(first)
        assert engine.open() == Slot(first.index, first.generation + 1)
        assert recorder.refused == [ErrorCode.OVERLOADED]
        assert engine.stats.refused == 1


def test_past_the_backlog_a_chunk_is_refused_and_the_lane_goes_on(recorder: Recorder):
    with running(toy_model(), recorder, max_backlog_seconds=0.4, max_wait_ms=200) as engine:
        slot = engine.open()
        engine.submit(slot, make_chunk(0))
        engine.submit(slot, make_chunk(1))
        assert engine.backlog(slot) == pytest.approx(0.25)
        with pytest.raises(WavelaneError) as refusal:
            engine.submit(slot, make_chunk(2))
        assert refusal.value.code is ErrorCode.BACKLOG_EXCEEDED
        assert refusal.value.message.startswith(
            "0.41 s of this stream's audio wait to be recognised, and the limit is 0.4 s (setting "
            "engine.max_backlog_seconds)"
        )
        recorder.wait_for(2)
        assert engine.backlog(slot) == 0
        engine.submit(slot, make_chunk(2))
        recorder.wait_for(3)
    assert recorder.results(slot) == expected(0, 3)


def test_a_single_chunk_longer_than_the_backlog_is_taken(recorder: Recorder):
    with running(toy_model(), recorder, max_backlog_seconds=0.01) as engine:
        engine.submit(engine.open(), make_chunk(0))
        recorder.wait_for(1)


def test_a_poison_row_fails_alone(recorder: Recorder):
    with running(toy_model(), recorder, max_sessions=8, max_wait_ms=200, buckets=[8]) as engine:
        slots = [engine.open() for _ in range(7)]
        for seed, slot in enumerate(slots):
            engine.submit(slot, make_chunk(0, seed))
        recorder.wait_for(7)
        for seed, slot in enumerate(slots):
            chunk = make_chunk(1, seed)
            if seed == 3:
                chunk.samples[0] = POISON
            engine.submit(slot, chunk)
        recorder.wait_for(14)
        (error,) = recorder.errors(slots[3])
        assert error.code is ErrorCode.INTERNAL
        assert "RuntimeError" in error.message
        assert "poison" not in error.message, "details belong in the log"
        with pytest.raises(WavelaneError, match="failed before"):
            engine.submit(slots[3], make_chunk(2, 3))
        assert engine.healthy
        wait_until(lambda: recorder.failed == 1)
        for seed, slot in enumerate(slots):
            if seed != 3:
                engine.submit(slot, make_chunk(2, seed))
        recorder.wait_for(20)
        for slot in slots:
            engine.close(slot)
    for seed, slot in enumerate(slots):
        if seed != 3:
            assert recorder.results(slot) == expected(seed, 3, 8)


def test_a_row_that_is_not_a_number_fails_alone(recorder: Recorder):
    with running(toy_model(), recorder, max_sessions=2, max_wait_ms=200) as engine:
        bad, good = engine.open(), engine.open()
        engine.submit(bad, make_chunk(0, samples=np.full_like(make_chunk(0).samples, np.nan)))
        engine.submit(bad, make_chunk(1))
        engine.submit(good, make_chunk(0, 1))
        recorder.wait_for(2)
        engine.submit(good, make_chunk(1, 1))
        recorder.wait_for(3)
        assert len(recorder.errors(bad)) == 1
        assert not recorder.results(bad), "what was queued behind the failure is dropped"
    assert recorder.results(good) == expected(1, 2, 2)


def misuse(**values: object):  # type: ignore[no-untyped-def]
    return make_chunk(0, **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("chunk", "code", "text"),
    [
        (make_chunk(1), ErrorCode.INTERNAL, "does not start a stream"),
        (misuse(lookahead=2), ErrorCode.INVALID_CONFIG, "no lookahead 2; choose one of 0, 1, 3"),
        (misuse(prompt=7), ErrorCode.INVALID_CONFIG, "no language prompt 7"),
        (misuse(samples=np.zeros(5, np.float32)), ErrorCode.INTERNAL, r"\(5,\) samples"),
        (misuse(frames=0), ErrorCode.INTERNAL, "0 frames, wanted"),
        (misuse(frames=10), ErrorCode.INTERNAL, "10 frames, wanted .* 1 to 9"),
    ],
)
def test_a_chunk_that_breaks_the_contract_is_refused_at_once(
    recorder: Recorder,
    chunk,
    code: ErrorCode,
    text: str,  # type: ignore[no-untyped-def]
):
    with running(toy_model(), recorder) as engine:
        slot = engine.open()
        with pytest.raises(WavelaneError, match=text) as refusal:
            engine.submit(slot, chunk)
        assert refusal.value.code is code
        engine.submit(slot, make_chunk(0))
        recorder.wait_for(1)


def test_a_closed_slot_takes_nothing(recorder: Recorder):
    with running(toy_model(), recorder, max_sessions=1) as engine:
        old = engine.open()
        engine.close(old)
        engine.close(old)
        with pytest.raises(WavelaneError, match="is closed"):
            engine.submit(old, make_chunk(0))
        new = engine.open()
        engine.close(old)
        with pytest.raises(WavelaneError, match="is closed"):
            engine.submit(old, make_chunk(0))
        engine.submit(new, make_chunk(0))
        recorder.wait_for(1)
    assert [delivery.slot for delivery in recorder.deliveries] == [new]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_a_thousand_sessions_come_and_go_and_every_slot_comes_back(seed: int):
    """Random opens, submits and closes from three threads; nobody hears anything of another stream."""
    recorder = Recorder()
    opened: dict[Slot, int] = {}
    lock = threading.Lock()
    with running(toy_model(), recorder, workers=2, max_sessions=6, max_batch=4) as engine:

        def client(number: int) -> None:
            random = np.random.default_rng((seed, number))
            for session in range(70):
                # Three clients close what they opened, and a slot comes back at the latest after the step in flight.
                while engine.stats.lanes >= 4:
                    time.sleep(0.001)
                slot = engine.open()
                name = number * 1000 + session
                with lock:
                    assert slot not in opened
                    opened[slot] = name
                for sequence in range(int(random.integers(0, 4))):
                    engine.submit(slot, make_chunk(sequence, name))
                if random.random() < 0.3:
                    time.sleep(0.001)
                engine.close(slot)

        threads = [threading.Thread(target=client, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: engine.stats.lanes == 0)
        engine.audit()
        stats = engine.stats
        assert (stats.queued, stats.running, stats.failed) == (0, 0, 0)
        assert stats.dropped == recorder.dropped
    for slot, name in opened.items():
        results = recorder.results(slot)
        assert [result.sequence for result in results] == list(range(len(results)))
        assert {result.lane for result in results} <= {name}


def test_stop_answers_what_was_submitted(recorder: Recorder):
    engine = Engine(toy_model(), EngineConfig(device="cpu", max_wait_ms=1000), recorder.sink)
    engine.start()
    slot = engine.open()
    for sequence in range(20):
        engine.submit(slot, make_chunk(sequence))
    assert engine.stop() is True
    assert len(recorder.results(slot)) == 20
    assert not engine.healthy
    for refused in (engine.open, lambda: engine.submit(slot, make_chunk(20))):
        with pytest.raises(WavelaneError) as refusal:
            refused()
        assert refusal.value.code is ErrorCode.SHUTTING_DOWN
    engine.close(slot)
    engine.audit()


def test_stop_without_draining_tells_the_lanes_that_lose_audio(recorder: Recorder):
    engine = Engine(toy_model(), EngineConfig(device="cpu", max_wait_ms=1000), recorder.sink)
    engine.start()
    idle, busy = engine.open(), engine.open()
    engine.submit(busy, make_chunk(0))
    assert engine.stop(drain=False) is False
    assert [error.code for error in recorder.errors(busy)] == [ErrorCode.SHUTTING_DOWN]
    assert not recorder.of(idle)


def test_an_engine_that_was_never_started_can_be_stopped(recorder: Recorder):
    engine = Engine(toy_model(), EngineConfig(device="cpu"), recorder.sink)
    assert not engine.healthy
    with pytest.raises(RuntimeError, match="not started"):
        engine.warm_up()
    assert engine.stop() is True


def test_warm_up_is_done_before_the_first_chunk_and_hurts_no_lane(recorder: Recorder):
    with running(toy_model(), recorder) as engine:
        engine.warm_up()
        slot = engine.open()
        engine.submit(slot, make_chunk(0))
        engine.warm_up((1, 2), (0,))
        engine.submit(slot, make_chunk(1))
        recorder.wait_for(2)
    assert recorder.results(slot) == expected(0, 2)


def test_warm_up_hands_its_error_to_the_caller(recorder: Recorder):
    model = toy_model()
    model.encoder.inputs.fill_(float("nan"))  # type: ignore[attr-defined]
    with running(model, recorder) as engine:
        with pytest.raises(WavelaneError, match="not finite"):
            engine.warm_up()
        assert engine.healthy
