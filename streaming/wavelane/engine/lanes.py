"""The queues of all lanes: what waits, is held, is ready, runs. Plain bookkeeping under the scheduler's lock."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from wavelane.engine.admission import admit, check_backlog
from wavelane.engine.base import Preparation
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.config import EngineConfig
from wavelane.engine.governor import Governor
from wavelane.engine.load import LaneLoad
from wavelane.engine.slots import Slot, SlotPool
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Chunk


@dataclass(slots=True)
class Lane:
    """One open stream."""

    slot: Slot
    load: LaneLoad
    """What it asks for."""
    queue: deque[tuple[Chunk, int, float]] = field(default_factory=deque)
    """Chunks behind the one that is ready or held, with their order and time of submission."""
    unanswered: int = 0
    """Feature frames of the chunks submitted and not yet answered."""
    running: bool = False
    """A chunk is in a step."""
    fresh: bool = True
    """Nothing was submitted yet."""
    failed: bool = False
    """An error was delivered: nothing more is."""
    abandoned: bool = False
    """Chunks of it were dropped because the engine stops; it has not been told yet."""
    closing: bool = False
    """Its tenant has gone; the slot comes back when the running step is done."""


class Lanes:
    """All open streams. Not thread-safe: the scheduler's lock guards it.

    Args:
        config: limits.
        frame_seconds: length of a feature frame (s).
        governor: told what lanes ask for.
        preparation: knows which streams can begin at once.
    """

    def __init__(
        self, config: EngineConfig, frame_seconds: float, governor: Governor, preparation: Preparation
    ) -> None:
        self._config = config
        self._frame_seconds = frame_seconds
        self._governor = governor
        self._preparation = preparation
        self._orders = 0
        self._lanes: dict[int, Lane] = {}
        self._ready: dict[int, Pending] = {}
        self._held: dict[int, tuple[int, Pending]] = {}
        """Chunks that are the first of their lane but not prepared, with what is missing."""
        self.pool = SlotPool(config.lanes)
        self.queued = 0
        """Chunks that wait, ready, held or behind one that is."""
        self.running = 0
        """Chunks in a step."""

    @property
    def ready(self) -> list[Pending]:
        """The first waiting chunk of every lane that has one."""
        return list(self._ready.values())

    @property
    def holding(self) -> bool:
        """Chunks are held until they are prepared."""
        return bool(self._held)

    def next_held(self) -> Pending | None:
        """The chunk to prepare next: the one that takes least, and of those the one that came first."""
        if not self._held:
            return None
        return min(self._held.values(), key=lambda held: (held[0], held[1].order))[1]

    def open(self, lookahead: int | None, now: float) -> Slot:
        """A new lane; ``lookahead``: the longest that it allows. Raises OVERLOADED."""
        slot = admit(self.pool, self._governor, lookahead, now)
        self._lanes[slot.index] = Lane(slot, self._governor.open(lookahead, now))
        return slot

    def lane(self, slot: Slot) -> Lane:
        """The lane of a slot. Raises INTERNAL if the slot was closed."""
        lane = self._lanes.get(slot.index)
        if lane is None or lane.slot != slot or lane.closing:
            raise WavelaneError(ErrorCode.INTERNAL, f"{slot} is closed; open a new session.")
        return lane

    def backlog(self, slot: Slot) -> float:
        """Audio (s) of the lane that was submitted and not yet answered."""
        return self.lane(slot).unanswered * self._frame_seconds

    def submit(self, slot: Slot, chunk: Chunk, now: float) -> bool:
        """Queue a chunk. A lane is in one step at a time.

        Returns:
            Whether the chunk is ready for a step at once.

        Raises:
            WavelaneError: BACKLOG_EXCEEDED, or INTERNAL for misuse.
        """
        lane = self.lane(slot)
        if lane.failed:
            raise WavelaneError(ErrorCode.INTERNAL, f"The stream of {slot} failed before; start a new session.")
        if lane.fresh and not chunk.start:
            # Without a start the row would continue from what the slot's last tenant left there.
            raise WavelaneError(ErrorCode.INTERNAL, f"The first chunk of {slot} does not start a stream.")
        seconds = chunk.frames * self._frame_seconds
        check_backlog(lane.unanswered * self._frame_seconds, seconds, self._config)
        self._governor.submit(lane.load, chunk, seconds, now)
        lane.fresh = False
        lane.unanswered += chunk.frames
        self.queued += 1
        self._orders += 1
        if slot.index in self._ready or slot.index in self._held or lane.running:
            lane.queue.append((chunk, self._orders, now))
            return False
        return self._head(slot, chunk, self._orders, now, now)

    def release(self, pending: Pending, now: float) -> bool:
        """A held chunk is prepared, and ready from now on: the time before was not the engine's.

        Returns:
            Whether it was still there.
        """
        slot = pending.slot
        # The very same one: it may have been dropped, and the slot be another tenant's.
        if slot.index not in self._held or self._held[slot.index][1] is not pending:
            return False
        del self._held[slot.index]
        self._ready[slot.index] = self._pending(slot, pending.chunk, pending.order, pending.submitted, now)
        return True

    def take(self, batch: Batch) -> None:
        """The batch's rows run from now on."""
        for pending in batch.rows:
            self._lanes[pending.slot.index].running = True
            del self._ready[pending.slot.index]
        self.queued -= len(batch.rows)
        self.running += len(batch.rows)

    def answer(self, pending: Pending, failed: bool, now: float) -> bool:
        """A running chunk is done, and the one behind it becomes ready or is held; a failed lane's queue is dropped.

        Returns:
            Whether the outcome may be delivered.
        """
        lane = self._lanes[pending.slot.index]
        lane.running = False
        lane.unanswered -= pending.chunk.frames
        self.running -= 1
        wanted = not (lane.closing or lane.failed)
        if wanted and failed:
            self.fail(lane)
        if lane.queue:
            chunk, order, submitted = lane.queue.popleft()
            self._head(lane.slot, chunk, order, submitted, now)
        if lane.closing:
            self._free(lane)
        return wanted

    def close(self, slot: Slot, now: float) -> int:
        """Drop what a lane has queued and give its slot back, now or when its running step is done.

        Returns:
            The number of chunks dropped. Closing twice is harmless: it drops none.
        """
        lane = self._lanes.get(slot.index)
        if lane is None or lane.slot != slot or lane.closing:
            return 0
        dropped = self._drop(lane)
        self._governor.close(lane.load, now)
        lane.closing = True
        if not lane.running:
            self._free(lane)
        return dropped

    def fail(self, lane: Lane) -> int:
        """End a lane whose tenant is still there; returns the number of chunks dropped."""
        lane.failed = True
        return self._drop(lane)

    def abandon(self, lane: Lane) -> int:
        """Drop what a lane has queued because the engine stops; returns the number of chunks dropped."""
        dropped = self._drop(lane)
        lane.abandoned |= dropped > 0
        return dropped

    def healthy(self) -> Iterable[Lane]:
        """Lanes that are neither closing nor failed."""
        return [lane for lane in self._lanes.values() if not (lane.closing or lane.failed)]

    def abandon_running(self) -> None:
        """Forget running steps whose outcome will never come."""
        self.running = 0
        for lane in list(self._lanes.values()):
            lane.running = False
            if lane.closing:
                self._free(lane)

    def _drop(self, lane: Lane) -> int:
        chunks = [chunk for chunk, _, _ in lane.queue]
        if (ready := self._ready.pop(lane.slot.index, None)) is not None:
            chunks.append(ready.chunk)
        if (held := self._held.pop(lane.slot.index, None)) is not None:
            chunks.append(held[1].chunk)
        lane.queue.clear()
        lane.unanswered -= sum(chunk.frames for chunk in chunks)
        self.queued -= len(chunks)
        return len(chunks)

    def _free(self, lane: Lane) -> None:
        del self._lanes[lane.slot.index]
        self.pool.free(lane.slot)

    def _head(self, slot: Slot, chunk: Chunk, order: int, submitted: float, now: float) -> bool:
        """A chunk is the first of its lane; returns whether it is ready, and not held."""
        pending = self._pending(slot, chunk, order, submitted, now)
        if chunk.start and chunk.decoding is not None and (missing := self._preparation.missing(chunk.decoding)):
            self._held[slot.index] = missing, pending
            return False
        self._ready[slot.index] = pending
        return True

    def _pending(self, slot: Slot, chunk: Chunk, order: int, submitted: float, ready: float) -> Pending:
        length = 0.0 if chunk.last else chunk.frames * self._frame_seconds
        return Pending(slot, chunk, order, submitted, ready, ready + length)
