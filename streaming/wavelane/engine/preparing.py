"""The thread of an engine that makes what searches begin with, so that no step waits for it.

The graph of a thousand long hotwords takes seconds. Only the lane that asks for it waits: its chunk is held
(:mod:`wavelane.engine.lanes`) while the steps of all others go on. What is held is all there is to do, so that nothing
is made for a client that has gone, and the smallest comes first: whoever asks for three words does not wait for
those who ask for thousands, but for the one whose turn it is.
"""

import logging
import time

from wavelane.engine.base import Preparation
from wavelane.engine.batching import Pending
from wavelane.engine.shared import Shared

logger = logging.getLogger(__name__)


class Preparer:
    """What the thread does.

    Args:
        shared: with the other threads.
        preparation: makes things.
    """

    def __init__(self, shared: Shared, preparation: Preparation) -> None:
        self._shared = shared
        self._preparation = preparation

    def run(self) -> None:
        """Prepare what lanes are held for; returns when no worker launches steps any more."""
        shared = self._shared
        while (pending := self._next()) is not None:
            decoding = pending.chunk.decoding
            assert decoding is not None, "it is held for what its decoding needs"
            try:
                self._preparation.prepare(decoding)
            except Exception as error:
                # The step will meet the same, and tell the lane.
                logger.info("%s: its search cannot be prepared: %s", pending.slot, error)
            with shared.lock:
                if shared.lanes.release(pending, time.monotonic()):
                    shared.work.notify()

    def _next(self) -> Pending | None:
        """Wait for a lane that is held; None when there will be none any more."""
        shared = self._shared
        with shared.lock:
            while shared.unfinished:
                if (pending := shared.lanes.next_held()) is not None:
                    return pending
                shared.held.wait()
        return None
