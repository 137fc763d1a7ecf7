"""What the threads of an engine share: lanes, steps on their way, counters, and the lock over all of it."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from wavelane.engine.faults import engine_died, shutting_down
from wavelane.engine.flights import Flight
from wavelane.engine.governor import Governor
from wavelane.engine.lanes import Lanes
from wavelane.engine.metrics import EngineObserver
from wavelane.engine.patience import Patience
from wavelane.engine.warmth import Warmth
from wavelane.errors import WavelaneError

logger = logging.getLogger(__name__)


class Shared:
    """Guarded by :attr:`lock`, all but the observer.

    Args:
        lanes: open streams.
        governor: keeps the load within what the machine carries.
        observer: told what happens.
        patience: how long chunks wait for company.
        warmth: when idle workers look at the weights.
        workers: threads that launch steps.
    """

    def __init__(
        self,
        lanes: Lanes,
        governor: Governor,
        observer: EngineObserver,
        patience: Patience,
        warmth: Warmth,
        workers: int,
    ) -> None:
        self.lock = threading.Lock()
        self.work = threading.Condition(self.lock)
        """Workers wait here: for a ready chunk and room for a step, for a call, for the end."""
        self.landing = threading.Condition(self.lock)
        """The results' thread waits here: for a launched step, for the end."""
        self.held = threading.Condition(self.lock)
        """The preparing thread waits here: for a lane that is held, for the end."""
        self.lanes = lanes
        self.governor = governor
        self.observer = observer
        self.patience = patience
        self.warmth = warmth
        self.calls: deque[tuple[Callable[[], None], Future[None]]] = deque()
        """What workers are asked to call between two steps."""
        self.flights: list[Flight] = []
        """Steps that were begun and not yet completed, the oldest first."""
        self.workers = workers
        self.unfinished = workers
        """Workers that may still launch steps."""
        self.idle = 0
        """Workers that wait for work."""
        self.stopping = False
        self.fault: BaseException | None = None
        """What killed a thread: nothing goes on."""
        self.steps = self.rows = self.padding = 0
        self.refused = self.dropped = self.failed = self.wakeups = 0
        self.last_step: float | None = None
        """When the newest step was completed."""

    def check_open(self) -> None:
        """Raises SHUTTING_DOWN or INTERNAL when no work is taken any more."""
        if self.fault is not None:
            raise engine_died(self.fault)
        if self.stopping:
            raise shutting_down()

    def abandon(self) -> None:
        """Drop all that waits; the results' thread tells the lanes when it ends."""
        for lane in self.lanes.healthy():
            self.dropped += self.lanes.abandon(lane)

    # Without the lock: what is told may take its time

    def tell(self, report: Callable[[Any], None], what: object) -> None:
        """Tell the observer, whose faults are its own."""
        try:
            report(what)
        except Exception:
            logger.exception("the engine's observer failed")

    def count_refused(self, error: WavelaneError) -> None:
        """Work was refused."""
        with self.lock:
            self.refused += 1
        self.tell(self.observer.on_refused, error.code)

    def count_failed(self, lanes: int) -> None:
        """Lanes got an error."""
        self.failed += lanes
        self.tell(self.observer.on_failed, lanes)
