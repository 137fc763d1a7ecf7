"""An idle engine looks at its weights while streams are live: seldom, and never in silence."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from engineharness import Recorder, running
from handrunner import HandRunner
from hypothesis import given
from hypothesis import strategies as st
from toymodel import make_chunk

from support.waiting import wait_until
from wavelane.bench.workload import sources
from wavelane.engine import EngineConfig, warmth
from wavelane.engine.scheduler import Scheduler
from wavelane.engine.warmth import ACTIVE_S, AGAIN_S, MOST_SHARE, Warmth
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.native.library import missing


def test_it_is_due_after_a_rest_and_only_while_a_stream_is_live() -> None:
    warm = Warmth(0.1)
    assert warm.due() is None
    warm.chunk(10.0)
    warm.stepped(10.01)
    assert warm.due() == pytest.approx(10.11)
    warm.stepped(10.05)  # a step is as good
    assert warm.due() == pytest.approx(10.15)
    warm.looked(10.15, 10.151)
    assert warm.due() == pytest.approx(10.251)
    while (due := warm.due()) is not None:
        last = due
        warm.looked(due, due + 0.001)
    assert 10.0 + ACTIVE_S - 0.2 < last <= 10.0 + ACTIVE_S


def test_one_looks_at_a_time() -> None:
    warm = Warmth(0.1)
    warm.chunk(10.0)
    warm.begun()
    assert warm.due() is None
    warm.stepped(10.2)  # another worker's
    assert warm.due() is None
    warm.looked(10.0, 10.001)
    assert warm.due() == pytest.approx(10.101)


def test_weights_that_fit_no_cache_are_left_alone() -> None:
    warm = Warmth(0.1)
    warm.chunk(10.0)
    warm.looked(10.0, 10.1)  # a pass of 100 ms may be taken every 2.5 s only
    warm.stepped(10.2)
    warm.chunk(10.0 + AGAIN_S)
    assert warm.due() == pytest.approx(10.1 + AGAIN_S), "it may have been the machine"


def test_it_can_be_off() -> None:
    warm = Warmth(0.0)
    warm.chunk(0.0)
    warm.stepped(0.1)
    assert warm.due() is None


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 0.5), st.floats(0, 0.3)), max_size=60))
def test_it_takes_no_more_of_a_core_than_its_share(events: list[tuple[bool, float, float]]) -> None:
    warm, now, spent, begun = Warmth(0.05), 0.0, 0.0, None
    longest = 0.0
    for step, pause, length in events:
        now += pause
        warm.chunk(now)
        if step:
            warm.stepped(now)
        elif (due := warm.due()) is not None and due <= now:
            begun = now if begun is None else begun
            warm.looked(now, now + length)
            now += length
            spent += length
            longest = max(longest, length)
    if begun is not None:
        # All but the last look was followed by the rest that it owes.
        assert spent - longest <= MOST_SHARE * (now - begun) + 1e-6


@contextmanager
def looking(look: Callable[[], None]) -> Iterator[tuple[HandRunner, Recorder, Scheduler]]:
    """Two workers, of which an idle one looks every 10 ms."""
    runner, recorder = HandRunner(), Recorder()
    config = EngineConfig.model_validate({"keep_warm_ms": 10})
    scheduler = Scheduler(runner, config, 0.01, recorder.sink, recorder, 2, look=look)
    scheduler.start()
    try:
        yield runner, recorder, scheduler
    finally:
        scheduler.stop(drain=False, timeout=10)


def test_an_idle_worker_looks_and_serves_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmth, "ACTIVE_S", 0.3)
    looks: list[float] = []
    names = set()

    def look() -> None:
        looks.append(time.monotonic())
        names.add(threading.current_thread().name)

    with looking(look) as (runner, recorder, scheduler):
        slot = scheduler.open()
        time.sleep(0.05)
        assert not looks  # nobody has spoken
        runner.allow(2)
        scheduler.submit(slot, make_chunk(0))
        wait_until(lambda: len(looks) >= 3)
        scheduler.submit(slot, make_chunk(1))
        recorder.wait_for(2)
        assert all(name.startswith("wavelane-model") for name in names)
        wait_until(lambda: time.monotonic() - looks[-1] > 0.15)
        before = len(looks), scheduler.stats.wakeups
        time.sleep(0.1)
        assert (len(looks), scheduler.stats.wakeups) == before  # silence: asleep again
        assert scheduler.stats.steps == 2  # looks are none


def test_a_look_that_fails_is_told_once_and_streams_go_on(caplog: pytest.LogCaptureFixture) -> None:
    looks = []

    def look() -> None:
        looks.append(1)
        raise MemoryError("no room")

    with looking(look) as (runner, recorder, scheduler):
        slot = scheduler.open()
        runner.allow(2)
        scheduler.submit(slot, make_chunk(0))
        wait_until(lambda: "not kept warm any more" in caplog.text)
        scheduler.submit(slot, make_chunk(1))
        recorder.wait_for(2)
        time.sleep(0.1)
        assert len(looks) == 1


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_look_leaves_streams_alone() -> None:
    model = load_model(embedded_path())
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    answers = []
    for keep_warm_ms in (0, 1):
        recorder = Recorder()
        config = {"backend": "native", "keep_warm_ms": keep_warm_ms, "capacity": "off"}
        with running(model, recorder, **config) as engine:
            slot, (source,) = engine.open(), sources(model.spec, 1, [noise], 1)
            for count in range(1, 6):
                engine.submit(slot, source.next())
                recorder.wait_for(count)
                spent = sum(engine.shares.values())
                if keep_warm_ms:
                    wait_until(lambda before=spent: sum(engine.shares.values()) > before)  # type: ignore[misc]
            answers.append([(result.tokens, result.frames) for result in recorder.results(slot)])
    assert answers[0] == answers[1]
