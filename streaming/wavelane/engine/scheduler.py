"""The engine's threads: workers schedule and run steps, one more thread completes them.

All sleep on conditions until there is work; nothing polls. A worker forms a batch from whatever is ready at the moment
at which it can begin a step, and no earlier: while steps run, chunks only queue up (``submit`` stages them with their
due times), so company gathers without anybody waiting for it. On a CPU that is not enough: small steps would take all
of its time, the event loop's with it, so that busy workers also wait a little for company and step aside for who
answers clients (:mod:`wavelane.engine.patience`, :func:`wavelane.machine.step_aside`). Then a worker launches the step
and at once forms the next one, while the results' thread waits for the results, turns them into values and hands them
to the sink.

An accelerator has one worker, whose launch only queues work: N+1 is formed and launched while the device runs N. On a
CPU a launch computes: each worker computes a step of its own, on its own core, and forms the next one while the results
of the last one are delivered. It does not form one while it computes, which would close it to chunks that come
meanwhile. Several steps of one thread each serve more streams than one step of several threads, which meet at a
barrier in each of its hundreds of operations, and lose a scheduler's time slice there when something else runs.
A lane is in one step at a time.

What a stream's search begins with may take seconds to make; one more thread does it (:mod:`wavelane.engine.preparing`).
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from wavelane.engine.base import NoPreparation, Preparation, Sink, StepRunner
from wavelane.engine.config import EngineConfig
from wavelane.engine.governor import Governor, unlimited
from wavelane.engine.lanes import Lanes
from wavelane.engine.metrics import EngineObserver, EngineStats
from wavelane.engine.patience import Patience
from wavelane.engine.preparing import Preparer
from wavelane.engine.results import Results
from wavelane.engine.shared import Shared
from wavelane.engine.slots import Slot
from wavelane.engine.warmth import Warmth
from wavelane.engine.worker import Worker
from wavelane.errors import WavelaneError
from wavelane.work import Chunk


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
        preparation: what streams may have to wait for before they begin; None: nothing.
        look: has a worker read the model's weights; None: that helps nobody (:mod:`wavelane.engine.warmth`).
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
        preparation: Preparation | None = None,
        look: Callable[[], None] | None = None,
    ) -> None:
        self._config = config
        governor = unlimited() if governor is None else governor
        preparation = NoPreparation() if preparation is None else preparation
        lanes = Lanes(config, frame_seconds, governor, preparation)
        warmth = Warmth(0.0 if look is None else config.keep_warm_ms / 1000)
        self._shared = shared = Shared(lanes, governor, observer, Patience.of(config, workers), warmth, workers)
        self._workers = [
            threading.Thread(
                target=Worker(shared, runner, config.batch_shapes, prepare, look).run,
                name=f"wavelane-model-{number}",
                daemon=True,
            )
            for number in range(workers)
        ]
        self._results_thread = threading.Thread(
            target=Results(shared, runner, sink).run, name="wavelane-results", daemon=True
        )
        self._preparer = threading.Thread(
            target=Preparer(shared, preparation).run, name="wavelane-searches", daemon=True
        )

    def start(self) -> None:
        """Start the threads. Once."""
        for worker in self._workers:
            worker.start()
        self._preparer.start()
        self._results_thread.start()

    def stop(self, drain: bool, timeout: float) -> bool:
        """Take no more work and end the threads; see :meth:`wavelane.engine.engine.Engine.stop`."""
        shared = self._shared
        ends = time.monotonic() + timeout
        with shared.lock:
            shared.stopping = True
            if not drain:
                shared.abandon()
            shared.work.notify_all()
        if self._results_thread.ident is None:
            return True
        self._results_thread.join(timeout)
        if self._results_thread.is_alive():
            with shared.lock:
                shared.abandon()
                shared.work.notify_all()
            return False
        # It may be at work for a client that has gone.
        self._preparer.join(max(ends - time.monotonic(), 0.0))
        return drain and shared.fault is None

    def call(self, function: Callable[[], None]) -> "Future[None]":
        """Have a worker call a function between two steps. Raises RuntimeError before :meth:`start`."""
        shared = self._shared
        if self._results_thread.ident is None:
            raise RuntimeError("the engine was not started")
        future: Future[None] = Future()
        with shared.lock:
            shared.check_open()
            shared.calls.append((function, future))
            shared.work.notify()
        return future

    def govern(self, tell: Callable[[Governor], None]) -> None:
        """Tell the governor something."""
        shared = self._shared
        with shared.lock:
            tell(shared.governor)

    def capacities(self) -> dict[int, float]:
        """See :meth:`wavelane.engine.engine.Engine.capacities`."""
        shared = self._shared
        with shared.lock:
            return shared.governor.capacities

    def open(self, lookahead: int | None = None) -> Slot:
        """A lane for a new stream; ``lookahead``: the longest that it allows. Raises OVERLOADED or SHUTTING_DOWN."""
        shared = self._shared
        try:
            with shared.lock:
                shared.check_open()
                return shared.lanes.open(lookahead, time.monotonic())
        except WavelaneError as error:
            shared.count_refused(error)
            raise

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Queue a chunk. O(1). Raises BACKLOG_EXCEEDED or SHUTTING_DOWN, or INTERNAL for misuse."""
        shared = self._shared
        now = time.monotonic()
        try:
            with shared.lock:
                shared.check_open()
                shared.warmth.chunk(now)
                if shared.lanes.submit(slot, chunk, now):
                    shared.work.notify()
                elif shared.lanes.holding:
                    shared.held.notify()
        except WavelaneError as error:
            shared.count_refused(error)
            raise

    def close(self, slot: Slot) -> None:
        """Give a lane up. Closing twice is harmless."""
        shared = self._shared
        with shared.lock:
            dropped = shared.lanes.close(slot, time.monotonic())
            shared.dropped += dropped
            if dropped and shared.stopping:
                # What was held is waited for no more.
                shared.work.notify_all()
        if dropped:
            shared.tell(shared.observer.on_dropped, dropped)

    def backlog(self, slot: Slot) -> float:
        """Audio (s) of the lane that was submitted and not yet answered."""
        shared = self._shared
        with shared.lock:
            return shared.lanes.backlog(slot)

    def audit(self) -> None:
        """Check the slots. Raises RuntimeError."""
        shared = self._shared
        with shared.lock:
            shared.lanes.pool.audit()

    @property
    def healthy(self) -> bool:
        """The threads live and no step hangs."""
        shared = self._shared
        return (
            shared.fault is None
            and all(worker.is_alive() for worker in self._workers)
            and self._results_thread.is_alive()
            and self._preparer.is_alive()
            and self._running_for() < self._config.stall_seconds
        )

    @property
    def stats(self) -> EngineStats:
        """A snapshot."""
        shared = self._shared
        with shared.lock:
            now = time.monotonic()
            return EngineStats(
                lanes=shared.lanes.pool.live,
                max_lanes=shared.lanes.pool.size,
                queued=shared.lanes.queued,
                running=shared.lanes.running,
                steps=shared.steps,
                rows=shared.rows,
                padding=shared.padding,
                refused=shared.refused,
                dropped=shared.dropped,
                failed=shared.failed,
                wakeups=shared.wakeups,
                last_step_age=None if shared.last_step is None else now - shared.last_step,
                running_for=self._running_for(),
                lookaheads=shared.governor.lookaheads,
                condition=shared.governor.condition(now),
            )

    def _running_for(self) -> float:
        shared = self._shared
        try:
            return time.monotonic() - shared.flights[0].formed
        except IndexError:
            return 0.0
