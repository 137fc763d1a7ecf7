"""The workers of an engine: each forms a batch when it can begin a step, and launches the step."""

import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import Future

from wavelane.engine.base import DeviceLostError, StepRunner
from wavelane.engine.batching import Batch, Policy, hold_until, pick
from wavelane.engine.faults import step_failed
from wavelane.engine.flights import Flight
from wavelane.engine.shared import Shared

logger = logging.getLogger(__name__)


class Worker:
    """What one thread does, see :mod:`wavelane.engine.scheduler`.

    Args:
        shared: with the other threads.
        runner: launches steps.
        buckets: shapes of batches, ascending.
        prepare: called first of all.
        look: reads the model's weights.
    """

    def __init__(
        self,
        shared: Shared,
        runner: StepRunner,
        buckets: tuple[int, ...],
        prepare: Callable[[], None],
        look: Callable[[], None] | None,
    ) -> None:
        self._shared = shared
        self._runner = runner
        self._buckets = buckets
        self._prepare = prepare
        self._look = look
        self._most_flights = shared.workers + 1

    def run(self) -> None:
        """Launch steps until there are none any more; returns when the engine ends."""
        shared = self._shared
        fault: BaseException | None = None
        try:
            self._prepare()
            while (flight := self._form()) is not None:
                self._launch(flight)
                with shared.lock:
                    shared.patience.end(time.monotonic())
        except BaseException as error:
            logger.critical("a worker of the engine died", exc_info=error)
            fault = error
        with shared.lock:
            shared.fault = shared.fault or fault
            shared.unfinished -= 1
            shared.stopping = True
            shared.work.notify_all()
            shared.landing.notify()
            shared.held.notify()

    def _form(self) -> Flight | None:
        """Wait for the next batch; None when there will be none any more."""
        shared = self._shared
        while True:
            with shared.lock:
                while not shared.calls:
                    timeout = None
                    if shared.fault is not None or (shared.stopping and not shared.lanes.queued):
                        return None
                    if len(shared.flights) < self._most_flights:
                        ready = shared.lanes.ready
                        now = time.monotonic()
                        policy = Policy(self._buckets, shared.patience.wait(now))
                        batch = pick(ready, math.inf if shared.stopping else now, policy, 1 + shared.idle)
                        if batch is not None:
                            return self._take(batch, now)
                        if ready:
                            timeout = hold_until(ready, policy) - now
                        elif (due := shared.warmth.due()) is not None:
                            if due <= now:
                                shared.warmth.begun()
                                shared.calls.append((self._keep_warm, Future()))
                                break
                            timeout = due - now
                    shared.idle += 1
                    shared.work.wait(timeout)
                    shared.idle -= 1
                    shared.wakeups += 1
                function, future = shared.calls.popleft()
            try:
                function()
            except Exception as error:
                future.set_exception(error)
            else:
                future.set_result(None)

    def _keep_warm(self) -> None:
        assert self._look is not None, "nobody looks without"
        begin = time.monotonic()
        try:
            self._look()
        except Exception:
            # It stays begun: nobody looks again. Steps tell for themselves whether they work.
            logger.exception("weights are not kept warm any more")
            return
        end = time.monotonic()
        with self._shared.lock:
            self._shared.warmth.looked(begin, end)

    def _take(self, batch: Batch, now: float) -> Flight:
        shared = self._shared
        shared.lanes.take(batch)
        shared.patience.begin(now)
        shared.warmth.stepped(now)
        flight = Flight(batch, now, shared.lanes.queued)
        shared.flights.append(flight)
        if shared.idle and shared.lanes.ready:
            shared.work.notify()
        return flight

    def _launch(self, flight: Flight) -> None:
        """Begin a step. One that fails is repeated in halves, until the rows that make it fail stand alone."""
        shared = self._shared
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
                with shared.lock:
                    shared.flights.remove(flight)
                    shared.flights.extend(halves)
                for half in halves:
                    self._launch(half)
                return
            flight.failure = step_failed(slots[0], error)
        with shared.lock:
            flight.launched = True
            shared.landing.notify()
