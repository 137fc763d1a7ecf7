"""The results' thread of an engine: it waits for launched steps, in any order, and delivers what they gave."""

import logging
import time
from collections import deque

from wavelane.engine.base import Delivery, DeviceLostError, Outcome, Sink, StepRunner, Timing
from wavelane.engine.faults import engine_died, shutting_down, step_failed
from wavelane.engine.flights import Flight
from wavelane.engine.shared import Shared
from wavelane.errors import WavelaneError

logger = logging.getLogger(__name__)


class Results:
    """What the thread does, see :mod:`wavelane.engine.scheduler`.

    Args:
        shared: with the other threads.
        runner: has the results.
        sink: takes them, see :data:`wavelane.engine.base.Sink`.
    """

    def __init__(self, shared: Shared, runner: StepRunner, sink: Sink) -> None:
        self._shared = shared
        self._runner = runner
        self._sink = sink

    def run(self) -> None:
        """Complete steps until no worker launches any; then tell the lanes that are left how it ended."""
        shared = self._shared
        fault: BaseException | None = None
        try:
            while (flight := self._land()) is not None:
                self._complete(flight)
        except BaseException as error:
            logger.critical("the engine's results thread died", exc_info=error)
            fault = error
        with shared.lock:
            shared.fault = shared.fault or fault
            shared.work.notify_all()
            while shared.unfinished:
                shared.landing.wait()
            lost = shared.fault
            shared.lanes.abandon_running()
            shared.flights.clear()
            reason = shutting_down() if lost is None else engine_died(lost)
            left = [lane for lane in shared.lanes.healthy() if lost is not None or lane.abandoned]
            deliveries = [Delivery(lane.slot, reason) for lane in left]
            for lane in left:
                shared.lanes.fail(lane)
            calls, shared.calls = shared.calls, deque()
        for _, future in calls:
            future.set_exception(reason)
        if lost is not None:
            shared.count_failed(len(deliveries))
        self._deliver(deliveries)

    def _land(self) -> Flight | None:
        """Wait for a step to be launched; None when there will be none any more."""
        shared = self._shared
        with shared.lock:
            while shared.fault is None:
                launched = next((flight for flight in shared.flights if flight.launched), None)
                if launched is not None or not shared.unfinished:
                    return launched
                shared.landing.wait()
                shared.wakeups += 1
        return None

    def _complete(self, flight: Flight) -> None:
        """Wait for a step's results and deliver them."""
        shared = self._shared
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
        with shared.lock:
            shared.flights.remove(flight)
            for pending, outcome in zip(rows, outcomes, strict=True):
                is_error = isinstance(outcome, WavelaneError)
                if shared.lanes.answer(pending, is_error, done):
                    deliveries.append(Delivery(pending.slot, outcome, Timing(pending.submitted, flight.formed, done)))
                    failed += is_error
                else:
                    unwanted += 1
            shared.steps += 1
            shared.rows += len(rows)
            shared.padding += flight.batch.bucket - len(rows)
            shared.governor.step(
                flight.batch.lookahead,
                flight.batch.bucket,
                done - self._began(flight),
                [done - pending.ready for pending in rows],
                done,
            )
            shared.dropped += unwanted
            shared.last_step = done
            shared.warmth.stepped(done)
            if shared.idle and (shared.lanes.queued or shared.stopping):
                shared.work.notify()
            if shared.lanes.holding:
                shared.held.notify()
        self._deliver(deliveries)
        shared.tell(shared.observer.on_step, flight.report(done, time.monotonic()))
        if unwanted:
            shared.tell(shared.observer.on_dropped, unwanted)
        if failed:
            shared.count_failed(failed)

    def _began(self, flight: Flight) -> float:
        """When a step got its worker: one worker launches the next step while the device runs the one before."""
        shared = self._shared
        alone = shared.workers == 1 and shared.last_step is not None
        return max(flight.formed, shared.last_step or 0.0) if alone else flight.formed

    def _deliver(self, deliveries: list[Delivery]) -> None:
        if not deliveries:
            return
        try:
            self._sink(deliveries)
        except Exception:
            # The receiver's event loop is closed, or the receiver is at fault; the other steps go on.
            logger.exception("the results of %d lanes could not be delivered", len(deliveries))
