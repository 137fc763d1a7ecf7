"""What lanes ask for, and what steps show."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.engine.capacity import Slowdown
from wavelane.engine.load import AVERAGE_S, DELAY_S, LATE_SECONDS, STEPS_KEPT, STEPS_NEEDED, LoadMeter

SIX = (6, None)
AUTO = (6, (0, 13))


def total(meter: LoadMeter) -> float:
    return math.fsum(expected + sent for expected, sent in meter.audio.values())


def speak(meter: LoadMeter, lane: object, begin: float, end: float, chunk: float = 0.56, pace: float = 1.0) -> None:
    for index in range(int((end - begin) * pace / chunk)):
        meter.submit(lane, SIX, chunk, begin + (index + 1) * chunk / pace)  # type: ignore[arg-type]
    meter.advance(end)


def test_a_lane_that_speaks_counts_as_one_all_the_time() -> None:
    meter = LoadMeter()
    lane = meter.open(SIX, 100.0)
    assert total(meter) == pytest.approx(1.0)
    for second in range(1, 40):
        speak(meter, lane, 99.0 + second, 100.0 + second, chunk=0.5)
        assert total(meter) == pytest.approx(1.0, abs=0.2)
    meter.close(lane, 140.0)
    assert total(meter) == 0
    assert meter.lanes == 0
    assert meter.lookaheads == {}


def test_a_lane_that_is_silent_counts_less_and_less() -> None:
    meter = LoadMeter()
    meter.open(SIX, 0.0)
    meter.advance(AVERAGE_S)
    assert total(meter) == pytest.approx(math.exp(-1))
    meter.advance(10 * AVERAGE_S)
    assert total(meter) < 1e-4


def test_a_file_sent_fast_counts_as_real_time() -> None:
    meter = LoadMeter()
    lane = meter.open(SIX, 0.0)
    speak(meter, lane, 0.0, 60.0, pace=20.0)
    assert total(meter) == pytest.approx(1.0, abs=0.2)


def test_what_the_network_held_back_counts_when_it_comes() -> None:
    meter = LoadMeter()
    lane = meter.open(SIX, 0.0)
    for burst in range(1, 31):
        for _ in range(2):
            meter.submit(lane, SIX, 0.56, burst * 1.12)
    assert total(meter) == pytest.approx(1.0, abs=0.25)


def test_a_lane_that_moves_takes_what_it_asks_for_along() -> None:
    meter = LoadMeter()
    lane = meter.open(SIX, 0.0)
    speak(meter, lane, 0.0, 20.0)
    before = total(meter)
    meter.submit(lane, AUTO, 0.0, 20.0)
    assert meter.audio.keys() == {AUTO}
    assert total(meter) == pytest.approx(before)
    meter.submit(lane, (13, (0, 13)), 0.0, 20.0)
    assert meter.lookaheads == {13: 1}


def test_new_lanes_are_expected_to_speak_as_much_as_the_others() -> None:
    meter = LoadMeter()
    assert meter.duty == 1.0
    lanes = [meter.open(SIX, 0.0) for _ in range(50)]
    for second in range(31):
        meter.advance(float(second))
    assert meter.duty < 0.5
    assert meter.open(SIX, 30.0).expected == meter.duty
    for second in range(30, 301):
        meter.advance(float(second))
    assert meter.duty < 0.01
    for lane in lanes:
        meter.close(lane, 300.0)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["open", "close", "submit"]),
            st.integers(0, 9),
            st.sampled_from([SIX, AUTO, (0, None), (13, (0, 13))]),
            st.floats(0, 3),
        ),
        max_size=60,
    )
)
def test_sums_are_the_sums_of_the_lanes(events: list[tuple[str, int, object, float]]) -> None:
    meter, now, lanes = LoadMeter(), 0.0, []
    for what, which, key, waited in events:
        now += waited
        if what == "open":
            lanes.append(meter.open(key, now))  # type: ignore[arg-type]
        elif lanes and what == "close":
            meter.close(lanes.pop(which % len(lanes)), now)
        elif lanes:
            meter.submit(lanes[which % len(lanes)], key, 0.5, now)  # type: ignore[arg-type]
        meter.advance(now)
        expected = math.fsum((lane.expected + lane.sent) * math.exp(-(now - lane.at) / AVERAGE_S) for lane in lanes)
        assert total(meter) == pytest.approx(expected, abs=1e-9)
        assert meter.lanes == len(lanes) == sum(meter.lookaheads.values())
        assert 0 <= meter.duty <= 1
        assert all(min(audio) >= 0 for audio in meter.audio.values())


def test_one_slow_step_does_not_slow_the_machine_down() -> None:
    meter = LoadMeter()
    for index in range(STEPS_NEEDED - 1):
        meter.step(6, 0.05, 0.005, 1, 0, index * 0.1)
    assert meter.slowdowns(1.5) == (Slowdown(), {}), "too few to know"
    meter = LoadMeter()
    for index in range(40):
        meter.step(6, 5.0 if index == 20 else 0.005, 0.005, 1, 0, index * 0.1)
    assert meter.slowdowns(4.0) == (Slowdown(), {6: Slowdown()})
    for index in range(40, 120):
        meter.step(6, 0.010, 0.005, 1, 0, index * 0.1)
    expected = Slowdown(1.0, pytest.approx(0.005), pytest.approx(2.0))
    assert meter.slowdowns(12.0) == (expected, {6: expected})
    assert meter.slowdowns(100.0) == (Slowdown(), {}), "what was is not what is"


@given(
    st.floats(1, 6),
    st.floats(0, 0.02),
    st.lists(st.floats(0.004, 0.05), min_size=STEPS_NEEDED, max_size=STEPS_KEPT),
)
def test_waiting_is_told_from_rows_that_take_longer(rate: float, wait: float, expected: list[float]) -> None:
    meter = LoadMeter()
    for index, time in enumerate(expected):
        meter.step(6, rate * time + wait, time, 1, 0, index * 0.1)
    found, _ = meter.slowdowns(7.0)
    assert 1 <= found.rate <= found.ratio + 1e-9
    assert found.excess >= 0
    middle = sorted(expected)[len(expected) // 2]
    assert found.rate * middle + found.excess == pytest.approx(rate * middle + wait, rel=0.5)
    thirds = sorted(expected)
    if thirds[-len(thirds) // 3] > 1.5 * thirds[len(thirds) // 3]:
        assert found.rate == pytest.approx(rate, rel=0.05)
        assert found.excess == pytest.approx(wait, abs=1e-3)


def test_a_faster_machine_is_faster_at_every_size() -> None:
    meter = LoadMeter()
    for index in range(40):
        meter.step(6, 0.002, 0.005, 1, 0, index * 0.1)
    assert meter.slowdowns(4.0)[0] == Slowdown(pytest.approx(0.4), 0.0, pytest.approx(0.4))


def test_late_means_late_for_seconds() -> None:
    meter = LoadMeter()
    for second in range(100, 120):
        meter.step(6, 0.1, 0.1, 100, 100 if second in (105, 106, 112) else 0, second + 0.5)
        assert not meter.late
    for second in range(120, 120 + LATE_SECONDS):
        assert not meter.late
        meter.step(6, 0.1, 0.1, 100, 6, second + 0.5)
    assert meter.late
    meter.advance(130.0)
    assert not meter.late
    for second in range(130, 140):
        meter.step(6, 0.1, 0.1, 9, 9, second + 0.5)
        assert not meter.late, "a few rows say nothing"


def test_results_that_wait_elsewhere_are_late_for_another_reason() -> None:
    meter = LoadMeter()
    for second in range(100, 110):
        meter.delayed(DELAY_S, second + 0.5)
        assert not meter.behind
    for second in range(110, 110 + LATE_SECONDS):
        assert not meter.behind
        meter.delayed(1.5 * DELAY_S, second + 0.2)
        meter.delayed(0.0, second + 0.7)
    assert meter.behind
    assert not meter.late, "the engine is in time"
    meter.advance(120.0)
    assert not meter.behind


def test_busy_is_computing_per_second() -> None:
    meter = LoadMeter()
    for index in range(400):
        meter.step(6, 0.15, None, 1, 0, index * 0.1)
    assert meter.busy == pytest.approx(1.5, rel=0.05)
