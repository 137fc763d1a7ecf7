"""What a machine carries, from the times of its steps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.engine.capacity import CostModel, Slowdown, StepTime, fit

seconds = st.floats(1e-5, 1.0)
times = st.builds(StepTime, st.floats(0, 0.05), st.floats(1e-5, 0.05))
models = st.builds(
    CostModel,
    frame_seconds=st.just(0.08),
    workers=st.integers(1, 8),
    largest=st.integers(1, 256),
    latency=st.floats(0.1, 2),
    headroom=st.floats(0, 0.5),
    times=st.dictionaries(st.sampled_from([0, 1, 6, 13]), times, min_size=1),
)


def model(**values: object) -> CostModel:
    fields: dict[str, object] = {"frame_seconds": 0.08, "workers": 2, "largest": 32, "latency": 0.5, "headroom": 0.0}
    return CostModel(**(fields | values))  # type: ignore[arg-type]


@given(times, st.lists(st.integers(1, 256), min_size=2, unique=True))
def test_a_straight_line_is_found_again(time: StepTime, rows: list[int]) -> None:
    found = fit([(count, time.of(count)) for count in rows])
    assert all(found.of(count) == pytest.approx(time.of(count), rel=1e-3) for count in rows)


@given(st.lists(st.tuples(st.integers(1, 256), seconds), min_size=1, max_size=8))
def test_no_measurement_gives_a_time_below_zero(measured: list[tuple[int, float]]) -> None:
    time = fit(measured)
    assert time.fixed >= 0
    assert time.row >= 0
    assert time.of(1) > 0


def test_of_one_shape_every_row_costs_as_much() -> None:
    assert fit([(4, 0.02), (4, 0.02)]) == StepTime(0.0, pytest.approx(0.005))


def test_capacity_by_hand() -> None:
    """Lookahead 6 is 0.56 s; half of it is 0.28 s for a wait and a step of 0.14 s each: 27.2 rows in a step."""
    costs = model(times={6: StepTime(0.004, 0.005)})
    assert costs.rows(6) == pytest.approx(27.2)
    assert costs.deadline(6) == pytest.approx(0.28)
    per_second = 2 * 27.2 / 0.14
    assert costs.streams(6) == pytest.approx(per_second * 0.56)
    assert model(times=costs.times, headroom=0.25).streams(6) == pytest.approx(0.75 * per_second * 0.56)


def test_the_largest_step_bounds_the_rows() -> None:
    assert model(largest=8, times={6: StepTime(0.004, 0.005)}).rows(6) == 8
    assert model(times={6: StepTime(0.01, 0.0)}).rows(6) == 32


def test_a_machine_too_slow_for_the_latency_wanted_is_judged_by_what_it_can() -> None:
    costs = model(workers=1, times={6: StepTime(0.1, 0.3)})
    assert costs.rows(6) == 1
    assert costs.deadline(6) == pytest.approx(0.8)
    assert costs.streams(6) == pytest.approx(0.56 / 0.4)


def test_what_was_not_measured_is_bounded_from_above() -> None:
    costs = model(times={6: StepTime(0.004, 0.005)})
    assert costs.time(0) == costs.times[6]
    assert costs.time(13) == StepTime(0.008, 0.01)
    assert model().time(6) is None


def test_a_measurement_that_was_disturbed_is_bounded_by_the_others() -> None:
    honest = StepTime(0.004, 0.005)
    assert model(times={6: StepTime(0.1, 0.2), 13: honest}).time(6) == honest
    assert model(times={6: honest, 13: StepTime(0.1, 0.2)}).time(13) == StepTime(0.008, 0.01)
    assert model(times={6: honest, 13: StepTime(0.007, 0.009)}).time(13) == StepTime(0.007, 0.009)


def test_without_any_measurement_the_machine_is_unknown() -> None:
    assert not model().known
    assert model().streams(6) == math.inf


def test_a_slower_machine_carries_less() -> None:
    costs = model(times={0: StepTime(0.002, 0.003), 6: StepTime(0.004, 0.005)})
    slowed = costs.slowed(Slowdown(1.0, 0.01), {0: Slowdown(0.5)})
    assert slowed.streams(0) == pytest.approx(costs.streams(0) * (0.02 - 0.001) / (0.02 - 0.002) * 2)
    assert slowed.streams(6) == pytest.approx(costs.streams(6) * (0.14 - 0.014) / (0.14 - 0.004))


def test_a_pinned_capacity_counts_and_what_was_measured_only_compares() -> None:
    costs = model(pinned=(6, 50))
    assert costs.known
    assert costs.streams(6) == costs.streams(0) == 50
    measured = model(times={0: StepTime(0.002, 0.003), 6: StepTime(0.004, 0.005)})
    pinned = model(pinned=(6, 50), times=measured.times)
    assert pinned.streams(6) == pytest.approx(50)
    assert pinned.streams(0) == pytest.approx(50 * measured.streams(0) / measured.streams(6))


@given(models, st.sampled_from([0, 1, 6, 13]))
def test_at_capacity_the_workers_are_busy_and_results_in_time(costs: CostModel, lookahead: int) -> None:
    time, rows = costs.time(lookahead), costs.rows(lookahead)
    assert time is not None
    assert 1 <= rows <= costs.largest
    chunks = costs.streams(lookahead) / costs.chunk_seconds(lookahead)
    computing = chunks / rows * time.of(rows) / costs.workers
    assert computing == pytest.approx(1 - costs.headroom)
    assert 2 * time.of(rows) <= costs.deadline(lookahead) * (1 + 1e-9)
