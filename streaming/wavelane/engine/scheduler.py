"""The engine's threads: workers schedule and run steps, one more thread completes them.

All sleep on conditions until there is work; nothing polls. A worker forms a batch from whatever is ready at the moment
at which it can begin a step, and no earlier: while steps run, chunks only queue up (``submit`` stages them with their
due times), so company gathers without anybody waiting for it. Then it launches the step and at once forms the next one,
while the results' thread waits for the results, turns them into values and hands them to the sink.

An accelerator has one worker, whose launch only queues work: N+1 is formed and launched while the device runs N. On a
CPU a launch computes: each worker computes a step of its own, on its own core, and forms the next one while the results
of the last one are delivered. It does not form one while it computes, which would close it to chunks that come
meanwhile. Several steps of one thread each serve more streams than one step of several threads, which meet at a
barrier in each of its hundreds of operations, and lose a scheduler's time slice there when something else runs.
A lane is in one step at a time.
"""

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from wavelane.engine.base import Delivery, DeviceLostError, Outcome, Sink, StepRunner, Timing
from wavelane.engine.batching import Batch, Policy, hold_until, pick
from wavelane.engine.config import EngineConfig
from wavelane.engine.faults import engine_died, shutting_down, step_failed
from wavelane.engine.flights import Flight
from wavelane.engine.governor import Governor, unlimited
from wavelane.engine.lanes import Lanes
from wavelane.engine.metrics import EngineObserver, EngineStats
from wavelane.engine.slots import Slot
from wavelane.errors import WavelaneError
from wavelane.work import Chunk

logger = logging.getLogger(__name__)


class Scheduler:
    """Forms batches, has them run and delivers their results.

    Args:
        runner: launched on one thread, collected on the other.
        config: limits and policy.
        frame_seconds: length of a feature frame (s).
        sink: takes the results, see :data:`wavelane.engine.base.Sink`.
        observer: told what happens.
        workers: steps computed at the same time.
        prepare: called first of all by each worker.
        governor: keeps the load within what the machine carries; None lets everybody in.
    """

    def __init__(
        self,
        runner: StepRunner,
        config: EngineConfig,
        frame_seconds: float,
        sink: Sink,
        observer: EngineObserver,
        workers: int = 1,
        prepare: Callable[[], None] = lambda: None,
        governor: Governor | None = None,
    ) -> None:
        self._runner = runner
        self._config = config
        self._sink = sink
        self._observer = observer
        self._prepare = prepare
        self._policy = Policy(config.batch_shapes, config.max_wait_ms / 1000)
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        """Workers wait here: for a ready chunk and room for a step, for a call, for the end."""
        self._landing = threading.Condition(self._lock)
        """The results' thread waits here: for a launched step, for the end."""
        self._governor = unlimited() if governor is None else governor
        self._lanes = Lanes(config, frame_seconds, self._governor)
        self._calls: deque[tuple[Callable[[], None], Future[None]]] = deque()
        self._workers = [
            threading.Thread(target=self._work_on, name=f"wavelane-model-{number}", daemon=True)
            for number in range(workers)
        ]
        self._unfinished = workers
        """Workers that may still launch steps."""
        self._idle = 0
        """Workers that wait for work."""
        self._most_flights = workers + 1
        self._results_thread = threading.Thread(target=self._run_results, name="wavelane-results", daemon=True)
        self._stopping = False
        self._fault: BaseException | None = None
        self._flights: list[Flight] = []
        self._steps = self._rows = self._padding = 0
        self._refused = self._dropped = self._failed = self._wakeups = 0
        self._last_step: float | None = None

    # Any thread

    def start(self) -> None:
        """Start the threads. Once."""
        for worker in self._workers:
            worker.start()
        self._results_thread.start()

    def stop(self, drain: bool, timeout: float) -> bool:
        """Take no more work and end the threads; see :meth:`wavelane.engine.engine.Engine.stop`."""
        with self._lock:
            self._stopping = True
            if not drain:
                self._abandon()
            self._work.notify_all()
        if self._results_thread.ident is None:
            return True
        self._results_thread.join(timeout)
        if self._results_thread.is_alive():
            with self._lock:
                self._abandon()
                self._work.notify_all()
            return False
        return drain and self._fault is None

    def call(self, function: Callable[[], None]) -> "Future[None]":
        """Have a worker call a function between two steps. Raises RuntimeError before :meth:`start`."""
        if self._results_thread.ident is None:
            raise RuntimeError("the engine was not started")
        future: Future[None] = Future()
        with self._lock:
            self._check_open()
            self._calls.append((function, future))
            self._work.notify()
        return future

    def govern(self, tell: Callable[[Governor], None]) -> None:
        """Tell the governor something."""
        with self._lock:
            tell(self._governor)

    def capacities(self) -> dict[int, float]:
        """See :meth:`wavelane.engine.engine.Engine.capacities`."""
        with self._lock:
            return self._governor.capacities

    def open(self, lookahead: int | None = None) -> Slot:
        """A lane for a new stream; ``lookahead``: the longest that it allows. Raises OVERLOADED or SHUTTING_DOWN."""
        try:
            with self._lock:
                self._check_open()
                return self._lanes.open(lookahead, time.monotonic())
        except WavelaneError as error:
            self._refuse(error)
            raise

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Queue a chunk. O(1). Raises BACKLOG_EXCEEDED or SHUTTING_DOWN, or INTERNAL for misuse."""
        now = time.monotonic()
        try:
            with self._lock:
                self._check_open()
                if self._lanes.submit(slot, chunk, now):
                    self._work.notify()
        except WavelaneError as error:
            self._refuse(error)
            raise

    def close(self, slot: Slot) -> None:
        """Give a lane up. Closing twice is harmless."""
        with self._lock:
            dropped = self._lanes.close(slot, time.monotonic())
            self._dropped += dropped
        if dropped:
            self._tell(self._observer.on_dropped, dropped)

    def backlog(self, slot: Slot) -> float:
        """Audio (s) of the lane that was submitted and not yet answered."""
        with self._lock:
            return self._lanes.backlog(slot)

    def audit(self) -> None:
        """Check the slots. Raises RuntimeError."""
        with self._lock:
            self._lanes.pool.audit()

    @property
    def healthy(self) -> bool:
        """The threads live and no step hangs."""
        return (
            self._fault is None
            and all(worker.is_alive() for worker in self._workers)
            and self._results_thread.is_alive()
            and self._running_for() < self._config.stall_seconds
        )

    @property
    def stats(self) -> EngineStats:
        """A snapshot."""
        with self._lock:
            now = time.monotonic()
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
                last_step_age=None if self._last_step is None else now - self._last_step,
                running_for=self._running_for(),
                lookaheads=self._governor.lookaheads,
                condition=self._governor.condition(now),
            )

    def _running_for(self) -> float:
        try:
            return time.monotonic() - self._flights[0].formed
        except IndexError:
            return 0.0

    def _check_open(self) -> None:
        if self._fault is not None:
            raise engine_died(self._fault)
        if self._stopping:
            raise shutting_down()

    def _tell(self, report: Callable[[Any], None], what: object) -> None:
        try:
            report(what)
        except Exception:
            logger.exception("the engine's observer failed")

    def _refuse(self, error: WavelaneError) -> None:
        with self._lock:
            self._refused += 1
        self._tell(self._observer.on_refused, error.code)

    # The workers

    def _work_on(self) -> None:
        fault: BaseException | None = None
        try:
            self._prepare()
            while (flight := self._form()) is not None:
                self._launch(flight)
        except BaseException as error:
            logger.critical("a worker of the engine died", exc_info=error)
            fault = error
        with self._lock:
            self._fault = self._fault or fault
            self._unfinished -= 1
            self._stopping = True
            self._work.notify_all()
            self._landing.notify()

    def _form(self) -> Flight | None:
        """Wait for the next batch; None when there will be none any more."""
        while True:
            with self._lock:
                while not self._calls:
                    timeout = None
                    if self._fault is not None or (self._stopping and not self._lanes.queued):
                        return None
                    if len(self._flights) < self._most_flights:
                        ready = self._lanes.ready
                        now = time.monotonic()
                        batch = pick(ready, math.inf if self._stopping else now, self._policy, 1 + self._idle)
                        if batch is not None:
                            return self._take(batch, now)
                        if ready:
                            timeout = hold_until(ready, self._policy) - now
                    self._idle += 1
                    self._work.wait(timeout)
                    self._idle -= 1
                    self._wakeups += 1
                function, future = self._calls.popleft()
            try:
                function()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _take(self, batch: Batch, now: float) -> Flight:
        self._lanes.take(batch)
        flight = Flight(batch, now, self._lanes.queued)
        self._flights.append(flight)
        if self._idle and self._lanes.ready:
            self._work.notify()
        return flight

    def _launch(self, flight: Flight) -> None:
        """Begin a step. One that fails is repeated in halves, until the rows that make it fail stand alone."""
        batch = flight.batch
        try:
            flight.handle = self._runner.launch(batch)
        except DeviceLostError:
            raise
        except Exception as error:
            slots = [pending.slot for pending in batch.rows]
            logger.exception("a step of %d rows failed: %s", len(slots), slots)
            if len(slots) > 1:
                halves = flight.halves()
                with self._lock:
                    self._flights.remove(flight)
                    self._flights.extend(halves)
                for half in halves:
                    self._launch(half)
                return
            flight.failure = step_failed(slots[0], error)
        with self._lock:
            flight.launched = True
            self._landing.notify()

    # The results' thread

    def _run_results(self) -> None:
        fault: BaseException | None = None
        try:
            while (flight := self._land()) is not None:
                self._complete(flight)
        except BaseException as error:
            logger.critical("the engine's results thread died", exc_info=error)
            fault = error
        with self._lock:
            self._fault = self._fault or fault
            self._work.notify_all()
            while self._unfinished:
                self._landing.wait()
            lost = self._fault
            self._lanes.abandon_running()
            self._flights.clear()
            reason = shutting_down() if lost is None else engine_died(lost)
            left = [lane for lane in self._lanes.healthy() if lost is not None or lane.abandoned]
            deliveries = [Delivery(lane.slot, reason) for lane in left]
            for lane in left:
                self._lanes.fail(lane)
            calls, self._calls = self._calls, deque()
        for _, future in calls:
            future.set_exception(reason)
        if lost is not None:
            self._count_failed(len(deliveries))
        self._deliver(deliveries)

    def _land(self) -> Flight | None:
        """Wait for a step to be launched; None when there will be none any more."""
        with self._lock:
            while self._fault is None:
                launched = next((flight for flight in self._flights if flight.launched), None)
                if launched is not None or not self._unfinished:
                    return launched
                self._landing.wait()
                self._wakeups += 1
        return None

    def _complete(self, flight: Flight) -> None:
        """Wait for a step's results and deliver them."""
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
                outcomes = [step_failed(pending.slot, error) for pending in rows]
        done = time.monotonic()
        deliveries = []
        unwanted = failed = 0
        with self._lock:
            self._flights.remove(flight)
            for pending, outcome in zip(rows, outcomes, strict=True):
                is_error = isinstance(outcome, WavelaneError)
                if self._lanes.answer(pending, is_error, done):
                    deliveries.append(Delivery(pending.slot, outcome, Timing(pending.submitted, flight.formed, done)))
                    failed += is_error
                else:
                    unwanted += 1
            self._steps += 1
            self._rows += len(rows)
            self._padding += flight.batch.bucket - len(rows)
            self._governor.step(
                flight.batch.lookahead,
                flight.batch.bucket,
                done - self._began(flight),
                [done - pending.ready for pending in rows],
                done,
            )
            self._dropped += unwanted
            self._last_step = done
            if self._idle and (self._lanes.queued or self._stopping):
                self._work.notify()
        self._deliver(deliveries)
        self._tell(self._observer.on_step, flight.report(done, time.monotonic()))
        if unwanted:
            self._tell(self._observer.on_dropped, unwanted)
        if failed:
            self._count_failed(failed)

    def _began(self, flight: Flight) -> float:
        """When a step got its worker: one worker launches the next step while the device runs the one before."""
        alone = len(self._workers) == 1 and self._last_step is not None
        return max(flight.formed, self._last_step or 0.0) if alone else flight.formed

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
        self._tell(self._observer.on_failed, lanes)

    def _abandon(self) -> None:
        """Drop all that waits; the results' thread tells the lanes when it ends."""
        for lane in self._lanes.healthy():
            self._dropped += self._lanes.abandon(lane)
