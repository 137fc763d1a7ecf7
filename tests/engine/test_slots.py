import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.engine.slots import Slot, SlotPool


def test_a_full_pool_gives_nothing():
    pool = SlotPool(2)
    assert {pool.allocate(), pool.allocate()} == {Slot(0, 0), Slot(1, 0)}
    assert pool.allocate() is None
    assert pool.live == 2


def test_an_index_comes_back_with_another_generation():
    pool = SlotPool(1)
    first = pool.allocate()
    pool.free(first)
    second = pool.allocate()
    assert (second.index, second.generation) == (0, 1)
    assert pool.alive(second)
    assert not pool.alive(first)


def test_freeing_twice_is_an_error():
    pool = SlotPool(1)
    slot = pool.allocate()
    pool.free(slot)
    with pytest.raises(ValueError, match="not in use"):
        pool.free(slot)
    pool.allocate()
    with pytest.raises(ValueError, match="not in use"):
        pool.free(slot)


@given(st.lists(st.integers(0, 7), max_size=200))
def test_slots_always_add_up(choices: list[int]):
    pool = SlotPool(4)
    live: list[Slot] = []
    seen: set[Slot] = set()
    for choice in choices:
        if choice < len(live):
            pool.free(live.pop(choice))
        else:
            slot = pool.allocate()
            assert (slot is None) == (len(live) == 4)
            if slot is not None:
                assert slot not in seen
                seen.add(slot)
                live.append(slot)
        assert pool.live == len(live)
        assert len({slot.index for slot in live}) == len(live)
        assert all(pool.alive(slot) == (slot in live) for slot in seen)
        pool.audit()


def test_the_audit_sees_a_slot_that_was_lost():
    pool = SlotPool(2)
    pool.allocate()
    pool._free.pop()
    with pytest.raises(RuntimeError, match="do not add up"):
        pool.audit()
