import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.engine.config import EngineConfig
from wavelane.engine.patience import MOST_WAIT, Patience


def busy(patience: Patience, share: float, seconds: float, begin: float = 0.0, step: float = 0.01) -> float:
    """Let one worker compute for a share of the time; returns when it ends."""
    now, end = begin, begin + seconds
    while now < end:
        patience.begin(now)
        patience.end(now + share * step)
        now += step
    return now


def test_nobody_waits_while_workers_are_mostly_idle():
    patience = Patience(1, None)
    assert patience.wait(0.0) == 0
    assert patience.wait(busy(patience, 0.08, 5.0)) == 0


def test_the_busier_the_longer_up_to_a_limit():
    waits = []
    for share in (0.05, 0.2, 0.3, 0.5, 1.0):
        patience = Patience(1, None)
        waits.append(patience.wait(busy(patience, share, 5.0)))
    assert waits == sorted(waits)
    assert 0 == waits[0] < waits[1] < waits[2] < waits[3] == waits[4] == MOST_WAIT


def test_the_share_is_that_of_all_workers():
    patience = Patience(8, None)
    assert patience.wait(busy(patience, 0.6, 5.0)) == 0


def test_it_forgets_within_seconds():
    patience = Patience(1, None)
    end = busy(patience, 1.0, 5.0)
    assert patience.wait(end) == MOST_WAIT
    assert patience.wait(end + 2.0) == 0


def test_a_step_on_its_way_counts():
    patience = Patience(1, None)
    patience.begin(0.0)
    assert patience.wait(2.0) == MOST_WAIT


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 3)), max_size=40), st.integers(1, 4))
def test_it_is_always_within_bounds(steps: list[tuple[float, float]], workers: int):
    patience, now = Patience(workers, None), 0.0
    for pause, length in steps:
        now += pause
        patience.begin(now)
        assert 0 <= patience.wait(now + length / 2) <= MOST_WAIT
        now += length
        patience.end(now)
        assert 0 <= patience.wait(now) <= MOST_WAIT


@pytest.mark.parametrize(("setting", "wait"), [(0, 0.0), (200, 0.2)])
def test_a_fixed_wait_is_the_same_at_any_load(setting: float, wait: float):
    patience = Patience.of(EngineConfig(device="cpu", max_wait_ms=setting), 1)
    assert patience.wait(0.0) == wait
    assert patience.wait(busy(patience, 1.0, 5.0)) == wait


def test_auto_follows_the_load_of_a_cpu():
    patience = Patience.of(EngineConfig(device="cpu"), 1)
    assert patience.wait(busy(patience, 1.0, 5.0)) == MOST_WAIT
