"""Which chunks make the next step: a pure function of what is ready, the time and the policy.

Earliest due time first (Liu and Layland 1973). A chunk is due one chunk's length after it became ready, which is when
its successor arrives from a client that speaks in real time, so that short lookaheads come before long ones; the last
chunk of a stream is due at once, since somebody waits for that final. Due times are finite and fixed, so every chunk
becomes the earliest in the end: nothing starves, whatever else arrives.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wavelane.engine.slots import Slot
from wavelane.work import Chunk


@dataclass(frozen=True, slots=True)
class Pending:
    """A chunk that waits for its step. Times are seconds on the engine's monotonic clock."""

    slot: Slot
    chunk: Chunk
    order: int
    """Counts submissions of the engine."""
    submitted: float
    """When the chunk came."""
    ready: float
    """When it came, or when the chunk before it in its lane was taken, if that is later."""
    due: float
    """When its step should be done."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a batch may look like."""

    buckets: tuple[int, ...]
    """Batch shapes, ascending; the last one is the largest batch."""
    max_wait: float = 0.0
    """How long (s) a chunk may be held back for company by an idle worker."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The rows of one step."""

    lookahead: int
    """Of every row: there is one window shape for each lookahead."""
    rows: tuple[Pending, ...]
    """At most one for each slot, the earliest due first."""
    bucket: int
    """Rows of the step, padding included; ``>= len(rows)``."""


def bucket_for(rows: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that fits ``rows`` (``1 <= rows <= buckets[-1]``)."""
    return next(bucket for bucket in buckets if bucket >= rows)


def pick(ready: Sequence[Pending], now: float, policy: Policy, workers: int = 1) -> Batch | None:
    """The next batch, or None when there is nothing to step or it pays to wait until :func:`hold_until`.

    The lookahead of the chunk that is due first decides; chunks of the same lookahead join it, earliest due first.
    Rows at the start, in the middle and at the tail of a stream share a batch. Chunks of a slot leave in the order in
    which they were submitted, one for each batch. ``workers`` idle workers, the caller included, share what is ready,
    unless it pays to wait: then one step for all is what costs least.
    """
    if not ready:
        return None
    heads: dict[Slot, Pending] = {}
    for pending in ready:
        head = heads.get(pending.slot)
        if head is None or pending.order < head.order:
            heads[pending.slot] = pending
    waiting = sorted(heads.values(), key=_urgency)
    lookahead = waiting[0].chunk.lookahead
    rows = [pending for pending in waiting if pending.chunk.lookahead == lookahead]
    if len(rows) < policy.buckets[-1] and now < hold_until(ready, policy):
        return None
    share = len(rows) if policy.max_wait else math.ceil(len(rows) / workers)
    rows = rows[: min(policy.buckets[-1], share)]
    return Batch(lookahead, tuple(rows), bucket_for(len(rows), policy.buckets))


def hold_until(ready: Sequence[Pending], policy: Policy) -> float:
    """The time until which chunks may be held back for company; the last chunk of a stream never is."""
    if not policy.max_wait or any(pending.chunk.last for pending in ready):
        return float("-inf")
    return min(pending.ready for pending in ready) + policy.max_wait


def _urgency(pending: Pending) -> tuple[float, int]:
    return pending.due, pending.order
