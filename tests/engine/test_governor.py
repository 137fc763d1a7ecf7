"""Admission and lookaheads over a virtual clock: sessions come, speak and go, the machine gets slower and faster."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation import Simulation

from wavelane.engine.capacity import StepTime
from wavelane.engine.dial import NOTCHES
from wavelane.engine.governor import (
    BUSY_ENOUGH,
    LEAST_LIMIT,
    MOST_DOWN,
    PATIENCE_S,
    REOPEN,
    Correction,
    Gate,
    Seen,
    admit,
    correct,
    unlimited,
)

QUICK = {
    0: StepTime(0.002, 0.0006),
    1: StepTime(0.002, 0.0008),
    6: StepTime(0.003, 0.0016),
    13: StepTime(0.004, 0.0028),
}
"""A small model on two cores: 595 streams at lookahead 6."""
SLOW = {lookahead: StepTime(time.fixed * 5, time.row * 5) for lookahead, time in QUICK.items()}
"""A larger one: 117."""

shares = st.floats(0, 3)
gates = st.builds(Gate, st.booleans())


@given(gates, shares, st.floats(0, 1), st.floats(LEAST_LIMIT, 1), st.integers(1, 1000))
def test_a_session_gets_in_if_it_fits(gate: Gate, load: float, added: float, limit: float, lanes: int) -> None:
    admitted, after = admit(gate, load, added, limit, lanes)
    assert after.closed == (not admitted)
    assert admitted <= (load + added / 2 <= limit), "never more than is carried"
    assert admitted >= (load + added / 2 <= limit * REOPEN), "never less than leaves room"
    if gate.closed and admitted:
        assert load + added / 2 <= limit * REOPEN, "it does not flap"
    less, _ = admit(gate, load / 2, added, limit, lanes)
    assert less >= admitted, "a smaller load never refuses more"


@given(gates, shares, shares)
def test_the_first_session_always_gets_in(gate: Gate, load: float, added: float) -> None:
    assert admit(gate, load, added, LEAST_LIMIT, 0) == (True, Gate(closed=False))


corrections = st.builds(Correction, st.floats(0.5, 5), st.floats(LEAST_LIMIT, 1), st.sampled_from([0.0, 3.0]))


@given(corrections, shares, st.floats(0.5, 5), st.booleans(), st.floats(0, 1.2), st.floats(0, 10))
def test_only_results_that_were_late_under_load_lower_the_limit(
    before: Correction, load: float, slowdown: float, late: bool, busy: float, elapsed: float
) -> None:
    after = correct(before, Seen(load, slowdown, late, busy), elapsed)
    assert LEAST_LIMIT <= after.limit <= 1
    assert after.slowdown == slowdown
    if after.limit < before.limit:
        assert late
        assert busy >= BUSY_ENOUGH
        assert load <= before.limit, "a load beyond the limit explains it"
        assert elapsed >= before.patience
        assert after.limit >= MOST_DOWN * before.limit
        assert after.patience == PATIENCE_S
    if not late:
        assert after.limit >= before.limit


def test_the_machine_is_filled_and_no_more() -> None:
    run = Simulation(SLOW)
    run.knocks(10, 60)
    run.run(60)
    streams = run.governor.costs.streams(6)
    assert 0.85 * streams <= run.live <= 1.02 * streams
    assert run.refused == 600 - run.admitted
    assert run.late(10) < 0.05, "95 % within half of their chunk"


def test_a_thousand_at_once_are_counted_before_they_speak() -> None:
    run = Simulation(QUICK)
    run.knocks(1000, 1)
    run.run(1)
    assert run.live == pytest.approx(run.governor.costs.streams(6), rel=0.05)
    run.run(15)
    assert run.late(2) < 0.05


def test_conversations_count_by_what_is_said() -> None:
    """40 % speech: about two and a half times as many, and in time."""
    run = Simulation(QUICK)
    run.knocks(60, 60, talk=0.4)
    run.run(80)
    assert run.live > 1.8 * run.governor.costs.streams(6)
    assert run.refused
    assert run.late(40) < 0.06


def test_one_stall_on_an_idle_machine_refuses_nobody() -> None:
    run = Simulation(SLOW, foreign=lambda now: 60.0 if 20 <= now < 20.05 else 1.0)
    run.knocks(1, 60, stays=30)
    run.run(90)
    assert run.refused == 0
    assert run.governor.condition(90).limit == 1.0


@settings(max_examples=15, deadline=None)
@given(st.floats(5, 20), st.floats(1, 400), st.integers(0, 100))
def test_no_single_slow_step_refuses_anybody(when: float, factor: float, seed: int) -> None:
    run = Simulation(SLOW, seed=seed)
    spent = iter([factor])
    run.foreign = lambda now: next(spent, 1.0) if now >= when else 1.0
    run.knocks(1, 25)
    run.run(25)
    assert run.refused == 0


def test_foreign_load_comes_and_goes() -> None:
    run = Simulation(SLOW, foreign=lambda now: 2.0 if 60 <= now < 150 else 1.0)
    run.knocks(6, 240, stays=20)
    quiet = run.run(59).live
    run.run(100)
    run.run(149)
    squeezed = run.live
    assert quiet > 0.8 * run.governor.costs.streams(6)
    assert 0.25 * quiet < squeezed < 0.65 * quiet, "the machine carries half"
    assert run.late(125) < 0.05, "those who are in are served in time"
    run.run(239)
    assert run.live > 0.85 * quiet, "and all of it again"
    assert run.late(220) < 0.05


def test_a_wrong_measurement_is_corrected() -> None:
    for measured in (0.5, 1.6):
        run = Simulation(SLOW, measured=measured)
        run.knocks(8, 120, stays=20)
        run.run(120)
        right = Simulation(SLOW).governor.costs.streams(6)
        assert run.live == pytest.approx(right, rel=0.15)
        assert run.late(60) < 0.05


def test_what_steps_do_not_show_is_learnt_from_late_results() -> None:
    """Results reach the host late whatever the steps take: the event loop starves, say."""
    run = Simulation(SLOW)
    step = run.governor.step
    crowd = 70

    def delayed(lookahead: int, bucket: int, seconds: float, latencies: list[float], now: float) -> None:
        extra = 0.4 if run.live > crowd else 0.0
        step(lookahead, bucket, seconds, [latency + extra for latency in latencies], now)

    run.governor.step = delayed  # type: ignore[method-assign, assignment]
    run.knocks(6, 300, stays=20)
    over = []
    for second in range(60, 300):
        run.run(second)
        over.append(run.live)
    assert min(over) > 0.6 * crowd, "no more is refused than needed"
    assert sum(over) / len(over) < 1.1 * crowd


def test_refusing_does_not_flap() -> None:
    run = Simulation(SLOW)
    run.knocks(10, 120)
    changes, before = 0, False
    for tick in range(4 * 120):
        run.run(tick / 4)
        refusing = run.governor.condition(run.now).refusing
        changes += refusing != before
        before = refusing
    assert before
    assert changes <= 9, "a few while the load settles, in two minutes"


def test_auto_sessions_make_room_for_others() -> None:
    """At lookahead 0 the machine carries 24; 111 that may be moved are all let in, moved, and moved back."""
    run = Simulation(SLOW)
    assert run.governor.costs.streams(0) == pytest.approx(24, abs=1)
    run.knocks(5, 1, bounds=(0, 13))
    run.run(3)
    assert run.lookaheads() == {0: 5}
    run.knocks(4, 29, bounds=(0, 13), stays=60)
    run.run(60)
    assert run.live > 100
    assert run.refused == 0
    assert run.late(45) < 0.05
    assert sum(lookahead * count for lookahead, count in run.lookaheads().items()) > 6 * run.live
    run.run(120)
    assert run.lookaheads() == {0: 5}


def test_who_fixed_a_lookahead_is_not_moved_and_the_others_make_room() -> None:
    run = Simulation(SLOW)
    run.knocks(2, 15, lookahead=6)
    run.knocks(4, 20, bounds=(1, 13))
    run.run(60)
    assert run.refused == 0
    assert run.lookaheads()[6] >= 30
    assert run.lookaheads()[13] > 40
    assert run.late(40) < 0.1, "long steps keep short chunks waiting, so some are late"


def test_the_dial_rests() -> None:
    run = Simulation(SLOW)
    run.knocks(4, 20, bounds=(0, 13))
    run.run(50)
    dials = {run.run(50 + tick).governor.condition(run.now).dial for tick in range(60)}
    assert len(dials) <= 2


def test_a_pinned_capacity_is_kept_whatever_steps_take() -> None:
    run = Simulation(QUICK, pinned=(6, 30), foreign=lambda now: 3.0)
    run.knocks(4, 60)
    run.run(60)
    assert run.live == pytest.approx(30, abs=2)
    assert run.governor.condition(60).capacity == 30


def test_nothing_measured_and_nothing_enforced_refuse_nobody() -> None:
    for run in (Simulation(SLOW, known=False), Simulation(SLOW, enforce=False)):
        run.knocks(50, 4, bounds=(0, 13))
        run.run(6)
        assert run.refused == 0
        assert run.live == 200
        assert run.governor.condition(6).dial == 0
    assert unlimited().admit(None, 0.0)


@settings(max_examples=5, deadline=None)
@given(
    st.integers(1, 2),
    st.floats(0.5, 2),
    st.sampled_from([0.3, 0.6, 1.0]),
    st.sampled_from([None, (0, 13), (1, 6)]),
    st.integers(0, 100),
)
def test_whatever_comes_is_served_in_time(
    workers: int, pressure: float, talk: float, bounds: tuple[int, int] | None, seed: int
) -> None:
    """Overload or not, of whatever kind of sessions: those who are in get their results in time."""
    run = Simulation(SLOW, workers=workers, seed=seed)
    rate = pressure * run.governor.costs.streams(6) / talk / 20
    run.knocks(rate, 45, talk=talk, bounds=bounds, stays=20)
    run.run(45)
    assert run.late(25) < 0.1
    if pressure < 0.7 and talk == 1.0:
        assert run.refused == 0


def test_auto_sessions_wait_longer_where_something_else_than_the_model_is_the_bottleneck() -> None:
    """A loop with too many results to hand out is told every second; the steps themselves are in time."""
    run = Simulation(QUICK)
    run.knocks(40, 2, bounds=(0, 13), stays=600)
    run.run(20)
    assert run.governor.condition(run.now).dial == 0
    for second in range(21, 40):
        run.run(second)
        late = run.governor.condition(run.now).dial < NOTCHES
        run.governor.delayed(0.5 if late else 0.01, run.now)
    condition = run.governor.condition(run.now)
    assert condition.dial >= NOTCHES
    assert condition.limit == 1.0, "the model's capacity is what it was"
    assert not condition.refusing
