"""The engine's thread: schedule, run, complete.

The thread sleeps on a condition until there is work; it never polls. A batch is formed from whatever is ready at the
moment at which the device can take it, and no earlier: while a step runs, chunks only queue up (``submit`` stages them
with their due times), so company gathers without anybody waiting for it.

On an accelerator two steps are in flight: step N+1 is formed and launched while N runs, then N is completed. On a CPU
the step is computed by the thread that launches it, and its results are delivered before the next step is launched:
forming a batch ahead would close it to the chunks that arrive in the meantime, to save about a hundredth of a step.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from wavelane.engine.admission import shutting_down
from wavelane.engine.base import Delivery, DeviceLostError, Outcome, Sink, StepRunner
from wavelane.engine.batching import Batch, Policy, hold_until, pick
from wavelane.engine.config import EngineConfig
from wavelane.engine.lanes import Lanes
from wavelane.engine.metrics import EngineObserver, EngineStats, StepReport
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Chunk

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Flight:
    """A step that was launched and not yet completed."""

    batch: Batch
    handle: Any
    failure: WavelaneError | None
    """The step failed at its launch; there is no handle."""
    formed: float
    queued: int


class Scheduler:
    """Forms batches, has them run and delivers their results.

    Args:
        runner: used on the engine's thread only.
        config: limits and policy.
        frame_seconds: length of a feature frame (s).
        sink: takes the results, see :data:`wavelane.engine.base.Sink`.
        observer: told what happens.
        prepare: called first of all on the engine's thread.
    """

    def __init__(
        self,
        runner: StepRunner,
        config: EngineConfig,
        frame_seconds: float,
        sink: Sink,
        observer: EngineObserver,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        self._runner = runner
        self._config = config
        self._sink = sink
        self._observer = observer
        self._prepare = prepare
        self._policy = Policy(config.batch_shapes, config.max_wait_ms / 1000)
        self._condition = threading.Condition()
        self._lanes = Lanes(config, frame_seconds)
        self._calls: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._thread = threading.Thread(target=self._main, name="wavelane-engine", daemon=True)
        self._stopping = False
        self._fault: BaseException | None = None
        self._flights: deque[_Flight] = deque()
        self._steps = self._rows = self._padding = 0
        self._refused = self._dropped = self._failed = self._wakeups = 0
        self._last_step: float | None = None

    # Any thread

    def start(self) -> None:
        """Start the engine's thread. Once."""
        self._thread.start()

    def stop(self, drain: bool, timeout: float) -> bool:
        """Take no more work and end the thread; see :meth:`wavelane.engine.engine.Engine.stop`."""
        with self._condition:
            self._stopping = True
            if not drain:
                self._abandon()
            self._condition.notify()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            with self._condition:
                self._abandon()
            return False
        return drain and self._fault is None

    def call(self, function: Callable[[], None]) -> "Future[None]":
        """Have the engine's thread call a function between two steps. Raises RuntimeError before :meth:`start`."""
        if self._thread.ident is None:
            raise RuntimeError("the engine was not started")
        future: Future[None] = Future()
        with self._condition:
            self._check_open()
            self._calls.append((function, future))
            self._condition.notify()
        return future

    def open(self) -> Slot:
        """A lane for a new stream. Raises OVERLOADED or SHUTTING_DOWN."""
        try:
            with self._condition:
                self._check_open()
                return self._lanes.open()
        except WavelaneError as error:
            self._refuse(error)
            raise

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Queue a chunk. O(1). Raises BACKLOG_EXCEEDED or SHUTTING_DOWN, or INTERNAL for misuse."""
        now = time.monotonic()
        try:
            with self._condition:
                self._check_open()
                if self._lanes.submit(slot, chunk, now):
                    self._condition.notify()
        except WavelaneError as error:
            self._refuse(error)
            raise

    def close(self, slot: Slot) -> None:
        """Give a lane up; harmless for one that was closed before."""
        with self._condition:
            dropped = self._lanes.close(slot)
            self._dropped += dropped
        if dropped:
            self._observer.on_dropped(dropped)

    def backlog(self, slot: Slot) -> float:
        """Audio (s) of the lane that was submitted and not yet answered."""
        with self._condition:
            return self._lanes.backlog(slot)

    def audit(self) -> None:
        """Check the slots. Raises RuntimeError."""
        with self._condition:
            self._lanes.pool.audit()

    @property
    def healthy(self) -> bool:
        """The thread lives and no step hangs."""
        return self._thread.is_alive() and self._fault is None and self._running_for() < self._config.stall_seconds

    @property
    def stats(self) -> EngineStats:
        """A snapshot."""
        with self._condition:
            last = self._last_step
            return EngineStats(
                lanes=self._lanes.pool.live,
                max_lanes=self._lanes.pool.size,
                queued=self._lanes.queued,
                running=self._lanes.running,
                steps=self._steps,
                rows=self._rows,
                padding=self._padding,
                refused=self._refused,
                dropped=self._dropped,
                failed=self._failed,
                wakeups=self._wakeups,
                last_step_age=None if last is None else time.monotonic() - last,
                running_for=self._running_for(),
            )

    def _running_for(self) -> float:
        try:
            return time.monotonic() - self._flights[0].formed
        except IndexError:
            return 0.0

    def _check_open(self) -> None:
        if self._fault is not None:
            raise _engine_died(self._fault)
        if self._stopping:
            raise shutting_down()

    def _refuse(self, error: WavelaneError) -> None:
        with self._condition:
            self._refused += 1
        self._observer.on_refused(error.code)

    # The engine's thread

    def _main(self) -> None:
        try:
            self._prepare()
            self._loop()
            fault: BaseException | None = None
        except BaseException as error:
            logger.critical("the engine's thread died", exc_info=error)
            fault = error
        with self._condition:
            self._fault = fault
            self._stopping = True
            self._lanes.abandon_running()
            self._flights.clear()
            reason = shutting_down() if fault is None else _engine_died(fault)
            left = [lane for lane in self._lanes.healthy() if fault is not None or lane.abandoned]
            deliveries = [Delivery(lane.slot, reason) for lane in left]
            for lane in left:
                self._lanes.fail(lane)
            calls, self._calls = self._calls, deque()
        for _, future in calls:
            future.set_exception(reason)
        if fault is not None:
            self._count_failed(len(deliveries))
        self._deliver(deliveries)

    def _loop(self) -> None:
        flights = self._flights
        while True:
            batch = self._form(block=not flights)
            if batch is not None:
                self._launch(batch)
            elif not flights:
                return
            while flights and (batch is None or len(flights) >= self._runner.depth):
                self._complete(flights[0])

    def _form(self, block: bool) -> Batch | None:
        """The next batch. None when there is none now (not ``block``), or never again."""
        while True:
            with self._condition:
                while not self._calls:
                    ready = self._lanes.ready
                    now = float("inf") if self._stopping else time.monotonic()
                    batch = pick(ready, now, self._policy)
                    if batch is not None:
                        self._lanes.take(batch, time.monotonic())
                        return batch
                    if not block or self._stopping:
                        return None
                    self._condition.wait(hold_until(ready, self._policy) - now if ready else None)
                    self._wakeups += 1
                function, future = self._calls.popleft()
            try:
                function()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _launch(self, batch: Batch) -> None:
        """Begin a step. One that fails is repeated in halves, until the rows that make it fail stand alone."""
        flight = _Flight(batch, None, None, time.monotonic(), self._lanes.queued)
        self._flights.append(flight)
        try:
            flight.handle = self._runner.launch(batch)
        except DeviceLostError:
            raise
        except Exception as error:
            slots = [pending.slot for pending in batch.rows]
            logger.exception("a step of %d rows failed: %s", len(slots), slots)
            if len(batch.rows) == 1:
                flight.failure = _step_failed(slots[0], error)
                return
            self._flights.pop()
            middle = len(batch.rows) // 2
            # The bucket stays: what the other rows get does not depend on their neighbour's failure.
            self._launch(Batch(batch.lookahead, batch.rows[:middle], batch.bucket))
            self._launch(Batch(batch.lookahead, batch.rows[middle:], batch.bucket))

    def _complete(self, flight: _Flight) -> None:
        """Wait for the oldest step and deliver its results."""
        rows = flight.batch.rows
        outcomes: list[Outcome]
        if flight.failure is not None:
            outcomes = [flight.failure] * len(rows)
        else:
            try:
                outcomes = self._runner.collect(flight.handle)
            except DeviceLostError:
                raise
            except Exception as error:
                logger.exception("the results of a step of %d rows could not be read", len(rows))
                outcomes = [_step_failed(pending.slot, error) for pending in rows]
        done = time.monotonic()
        deliveries = []
        unwanted = failed = 0
        with self._condition:
            self._flights.popleft()
            for pending, outcome in zip(rows, outcomes, strict=True):
                is_error = isinstance(outcome, WavelaneError)
                if self._lanes.answer(pending, is_error):
                    deliveries.append(Delivery(pending.slot, outcome))
                    failed += is_error
                else:
                    unwanted += 1
            self._steps += 1
            self._rows += len(rows)
            self._padding += flight.batch.bucket - len(rows)
            self._dropped += unwanted
            self._last_step = done
        self._deliver(deliveries)
        report = StepReport(
            rows=len(rows),
            bucket=flight.batch.bucket,
            lookahead=flight.batch.lookahead,
            wait_s=tuple(flight.formed - pending.submitted for pending in rows),
            step_s=done - flight.formed,
            deliver_s=time.monotonic() - done,
            queued=flight.queued,
        )
        self._observer.on_step(report)
        if unwanted:
            self._observer.on_dropped(unwanted)
        if failed:
            self._count_failed(failed)

    def _deliver(self, deliveries: list[Delivery]) -> None:
        if not deliveries:
            return
        try:
            self._sink(deliveries)
        except Exception:
            # The receiver's event loop is closed, or the receiver is at fault; the other steps go on.
            logger.exception("the results of %d lanes could not be delivered", len(deliveries))

    def _count_failed(self, lanes: int) -> None:
        self._failed += lanes
        self._observer.on_failed(lanes)

    def _abandon(self) -> None:
        """Drop all that waits; the thread tells the lanes when it ends."""
        for lane in self._lanes.healthy():
            self._dropped += self._lanes.abandon(lane)


def _step_failed(slot: Slot, error: BaseException) -> WavelaneError:
    return WavelaneError(
        ErrorCode.INTERNAL,
        f"Recognising this stream failed with {type(error).__name__} (lane {slot.index}; details are in the server's "
        "log); other streams are not affected. Start a new session.",
    )


def _engine_died(fault: BaseException) -> WavelaneError:
    return WavelaneError(
        ErrorCode.INTERNAL,
        f"The engine of this server died of {type(fault).__name__} (details are in the server's log); the server has "
        "to be restarted. Connect to another one.",
    )
