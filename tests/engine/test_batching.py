from itertools import count

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.engine.batching import Batch, Pending, Policy, bucket_for, hold_until, pick
from wavelane.engine.slots import Slot
from wavelane.work import Chunk

NO_SAMPLES = np.zeros(0, np.float32)
orders = count()


def pending(
    slot: int, due: float = 0.0, lookahead: int = 6, last: bool = False, ready: float = 0.0, order: int | None = None
) -> Pending:
    order = next(orders) if order is None else order
    chunk = Chunk(lane=0, sequence=order, samples=NO_SAMPLES, frames=8, start=False, last=last, lookahead=lookahead)
    return Pending(Slot(slot, 0), chunk, order, ready, ready, due)


waiting_lists = st.lists(
    st.builds(
        pending,
        slot=st.integers(0, 12),
        due=st.floats(0, 10),
        lookahead=st.sampled_from((13, 6, 1, 0)),
        last=st.booleans(),
    ),
    max_size=60,
)
policies = st.lists(st.integers(1, 16), min_size=1, max_size=5, unique=True).map(
    lambda sizes: Policy(tuple(sorted(sizes)))
)


def test_nothing_ready_is_no_batch():
    assert pick([], 0.0, Policy((1,))) is None


def test_earliest_due_first():
    late, early, middle = pending(0, due=3.0), pending(1, due=1.0), pending(2, due=2.0)
    batch = pick([late, early, middle], 0.0, Policy((1, 2)))
    assert batch == Batch(6, (early, middle), 2)


def test_equal_due_times_leave_in_the_order_of_submission():
    first, second = pending(5), pending(2)
    batch = pick([second, first], 0.0, Policy((1,)))
    assert batch is not None
    assert batch.rows == (first,)


def test_one_lookahead_for_each_batch_and_the_earliest_decides():
    a, b, c = pending(0, due=2.0, lookahead=13), pending(1, due=1.0, lookahead=0), pending(2, due=9.0, lookahead=0)
    assert pick([a, b, c], 0.0, Policy((4,))) == Batch(0, (b, c), 4)
    assert pick([a, c], 0.0, Policy((4,))) == Batch(13, (a,), 4)


def test_smallest_bucket_that_fits():
    assert [bucket_for(rows, (1, 2, 4, 8)) for rows in (1, 2, 3, 4, 5, 8)] == [1, 2, 4, 4, 8, 8]


def test_idle_workers_share_what_is_ready():
    ready = [pending(slot, due=slot) for slot in range(5)]
    policy = Policy((1, 2, 4, 8))
    batch = pick(ready, 0.0, policy, workers=2)
    assert batch == Batch(6, tuple(ready[:3]), 4)
    assert pick(ready[:1], 0.0, policy, workers=4) == Batch(6, (ready[0],), 1)


def test_while_it_pays_to_wait_one_worker_takes_all():
    ready = [pending(slot, ready=1.0) for slot in range(5)]
    batch = pick(ready, 2.0, Policy((1, 2, 4, 8), max_wait=0.010), workers=2)
    assert batch is not None
    assert len(batch.rows) == 5


def test_an_idle_engine_may_hold_chunks_back_for_company():
    policy = Policy((1, 2, 4), max_wait=0.010)
    waiting = [pending(0, ready=1.0), pending(1, ready=1.004)]
    assert pick(waiting, 1.005, policy) is None
    assert hold_until(waiting, policy) == 1.010
    assert pick(waiting, 1.010, policy) is not None


def test_a_last_chunk_and_a_full_batch_are_never_held_back():
    policy = Policy((1, 2), max_wait=0.010)
    assert pick([pending(0, ready=1.0), pending(1, ready=1.0, last=True)], 1.0, policy) is not None
    assert pick([pending(0, ready=1.0), pending(1, ready=1.0)], 1.0, policy) is not None
    assert pick([pending(0, ready=1.0)], 1.0, policy) is None


@given(waiting_lists, policies)
def test_every_batch_keeps_the_rules(waiting: list[Pending], policy: Policy):
    batch = pick(waiting, 0.0, policy)
    assert (batch is None) == (not waiting)
    if batch is None:
        return
    rows = batch.rows
    assert rows
    assert {row.chunk.lookahead for row in rows} == {batch.lookahead}
    assert len({row.slot for row in rows}) == len(rows)
    assert batch.bucket in policy.buckets
    assert batch.bucket >= len(rows)
    assert all(bucket < len(rows) for bucket in policy.buckets if bucket < batch.bucket)
    for row in rows:
        assert row.order == min(other.order for other in waiting if other.slot == row.slot)
    heads = [w for w in waiting if w.order == min(o.order for o in waiting if o.slot == w.slot)]
    left = [head for head in heads if head not in rows]
    if len(rows) < policy.buckets[-1]:
        assert all(head.chunk.lookahead != batch.lookahead for head in left)
    same = [head.due for head in left if head.chunk.lookahead == batch.lookahead]
    assert max(row.due for row in rows) <= min(same, default=float("inf"))
    assert min(row.due for row in rows) == min(head.due for head in heads)


@given(waiting_lists, policies)
def test_nothing_is_lost_and_a_slot_keeps_its_order(waiting: list[Pending], policy: Policy):
    left = list(waiting)
    taken: list[Pending] = []
    while left:
        batch = pick(left, 0.0, policy)
        assert batch is not None
        taken += batch.rows
        left = [w for w in left if w not in batch.rows]
    assert sorted(p.order for p in taken) == sorted(p.order for p in waiting)
    for slot in {p.slot for p in waiting}:
        mine = [p.order for p in taken if p.slot == slot]
        assert mine == sorted(mine)


@settings(max_examples=30, deadline=None)
@given(
    patient=st.sampled_from((6, 3)),
    impatient=st.integers(1, 4),
    last=st.booleans(),
    buckets=st.sampled_from(((1,), (1, 2), (1, 2, 4))),
)
def test_no_lookahead_starves(patient: int, impatient: int, last: bool, buckets: tuple[int, ...]):
    """However many chunks of lookahead 0 keep coming, tails among them, one that waits gets its turn once it is due."""
    policy, step, due = Policy(buckets), 0.04, 0.08 * (patient + 1)
    waiting = [pending(99, lookahead=patient, due=due)]
    now, slots = 0.0, count(100)
    while any(w.slot.index == 99 for w in waiting):
        waiting += [
            pending(next(slots), lookahead=0, last=last, ready=now, due=now + (0.0 if last else 0.08))
            for _ in range(impatient * buckets[-1])
        ]
        batch = pick(waiting, now, policy)
        assert batch is not None
        waiting = [w for w in waiting if w not in batch.rows]
        now += step
        # Only what came before it was due is stepped before it.
        assert now <= (due + step) * impatient + 2 * step
