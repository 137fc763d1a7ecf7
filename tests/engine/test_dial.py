"""Which lookahead a session gets, and when that changes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from wavelane.engine.dial import (
    AIM,
    DOWN_DWELL_S,
    HIGH,
    LATE_DWELL_S,
    LATE_HOLD_S,
    LOW,
    MOST_HOLD_S,
    NOTCHES,
    UP_DWELL_S,
    Dial,
    assigned,
    last_position,
    turn,
)

LOOKAHEADS = (0, 1, 6, 13)
LAST = last_position(LOOKAHEADS)
bounds = st.tuples(st.sampled_from(LOOKAHEADS), st.sampled_from(LOOKAHEADS)).map(lambda pair: (min(pair), max(pair)))
positions = st.integers(0, LAST)
falling = st.lists(st.floats(0.01, 1), min_size=LAST + 1, max_size=LAST + 1).map(lambda loads: sorted(loads)[::-1])


@given(bounds, st.integers(0, 1000), positions)
def test_a_session_stays_within_its_bounds(limits: tuple[int, int], rank: int, position: int) -> None:
    lookahead = assigned(LOOKAHEADS, limits, rank, position)
    assert lookahead in LOOKAHEADS
    assert limits[0] <= lookahead <= limits[1]
    assert lookahead <= assigned(LOOKAHEADS, limits, rank, position + 1)


@given(bounds, st.integers(0, 1000))
def test_the_ends_of_the_dial_are_the_bounds(limits: tuple[int, int], rank: int) -> None:
    assert assigned(LOOKAHEADS, limits, rank, 0) == limits[0]
    assert assigned(LOOKAHEADS, limits, rank, LAST) == limits[1]


@given(st.integers(0, LAST - 1))
def test_a_notch_moves_a_quarter_of_the_sessions_by_one_lookahead(position: int) -> None:
    before, after = (
        [LOOKAHEADS.index(assigned(LOOKAHEADS, (0, 13), rank, at)) for rank in range(NOTCHES)]
        for at in (position, position + 1)
    )
    assert sum(after) - sum(before) == 1


def test_bounds_without_a_lookahead_of_the_model_give_the_shortest() -> None:
    assert assigned(LOOKAHEADS, (2, 5), 3, 9) == 2


@given(falling, st.floats(0, 3), positions, st.floats(0, 10))
def test_one_turn(shape: list[float], scale: float, position: int, waited: float) -> None:
    loads = [scale * part for part in shape]
    before = Dial(position, 100.0)
    after = turn(before, loads.__getitem__, LAST, 100.0 + waited)
    if after == before:
        # Nothing to do, nothing that helps, or too soon.
        quiet = loads[position] <= HIGH and (position == 0 or loads[position - 1] >= LOW)
        helpless = loads[position] > HIGH and min(loads[position:]) >= loads[position]
        assert quiet or helpless or waited < DOWN_DWELL_S
        assert waited < UP_DWELL_S or loads[position] <= HIGH or helpless
        return
    assert after.turned == 100.0 + waited
    if after.position > position:
        assert waited >= UP_DWELL_S
        assert loads[position] > HIGH
        assert loads[after.position] <= AIM or loads[after.position] == min(loads[position:])
        assert all(load > AIM for load in loads[position : after.position]), "no more are moved than needed"
    else:
        assert waited >= DOWN_DWELL_S
        assert position - after.position <= NOTCHES
        assert loads[after.position] < LOW


def test_late_results_turn_it_up_whatever_the_load_and_it_stays_for_a_while() -> None:
    dial = turn(Dial(), lambda position: 0.1, LAST, 100.0, late=True)
    assert dial == Dial(NOTCHES, 100.0, 100.0 + LATE_HOLD_S, LATE_HOLD_S)
    assert turn(dial, lambda position: 0.1, LAST, 100.0 + LATE_DWELL_S / 2, late=True) == dial
    further = turn(dial, lambda position: 0.1, LAST, 100.0 + LATE_DWELL_S, late=True)
    assert further.position == 2 * NOTCHES
    end = Dial(LAST, 0.0)
    assert turn(end, lambda position: 0.1, LAST, 100.0, late=True) == end
    for waited in (DOWN_DWELL_S, LATE_HOLD_S - 0.1):
        assert turn(dial, lambda position: 0.1, LAST, 100.0 + waited) == dial
    assert turn(dial, lambda position: 0.1, LAST, 100.0 + LATE_HOLD_S).position == 0


def test_going_back_too_early_is_tried_more_and_more_seldom() -> None:
    """What makes results late is none of what the load counts: only going back tells."""
    dial, now, ups = Dial(), 0.0, []
    while now < 3600:
        now += 0.25
        # Late at 0 and nowhere else, as soon as a turn shows.
        late = dial.position == 0 and now - dial.turned > LATE_DWELL_S
        following = turn(dial, lambda _: 0.1, LAST, now, late)
        if following.position > dial.position:
            ups.append(now)
        dial = following
    waits = [after - before for before, after in itertools.pairwise(ups)]
    assert all(after >= before for before, after in itertools.pairwise(waits))
    assert waits[0] < 2 * LATE_HOLD_S
    assert MOST_HOLD_S < waits[-1] < MOST_HOLD_S + 10
    # After a long time without any it is forgotten.
    assert turn(dial, lambda _: 0.1, LAST, now + 3 * MOST_HOLD_S, late=True).hold == LATE_HOLD_S


def test_a_load_that_is_larger_than_it_seemed_from_further_up_is_believed() -> None:
    """The load at 0 is 0.9, and is taken for 0.6 from anywhere else."""
    dial, now, turns = Dial(), 0.0, 0
    while now < 3600:
        now += 0.25
        here = dial.position

        def load(position: int, here: int = here) -> float:
            return 0.9 if position == here == 0 else 0.6

        following = turn(dial, load, LAST, now)
        turns += following.position > dial.position
        dial = following
    assert turns < 15, "not every five seconds"


@given(falling, st.floats(0, 3), positions)
def test_under_a_constant_load_the_dial_comes_to_rest(shape: list[float], scale: float, position: int) -> None:
    loads = [scale * part for part in shape]
    dial, now, turns = Dial(position), 0.0, []
    for _ in range(400):
        now += 0.25
        following = turn(dial, loads.__getitem__, LAST, now)
        if following != dial:
            turns.append(following.position - dial.position)
        dial = following
    assert turn(dial, loads.__getitem__, LAST, now + 1000) == dial
    ups = sum(step > 0 for step in turns)
    assert ups <= 1
    assert not ups or all(step > 0 for step in turns), "up and down again is flapping"
