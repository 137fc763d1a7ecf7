"""How the connections of a server share its event loop with everything else.

An event loop reads from every socket that has something before it does anything else: hundreds of packets in a row,
at some 60 µs each, are turns of tens of milliseconds in which no result leaves and no timer fires. Here what a turn
brought beyond a slice of time waits for the next turns, in the order in which it came.
"""

import asyncio
import time
from collections import deque
from typing import Protocol

SLICE_S = 0.05
"""Time (s) that the data of connections are worked off for before the rest of the event loop gets its turn."""


class Reader(Protocol):
    """A connection whose data wait for their turn."""

    def read_next(self) -> None:
        """Take the oldest data that wait, if any still do."""
        ...


class Turns:
    """The turns of one event loop.

    Args:
        loop: that the connections live on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Reader] = deque()
        self._begun = False
        self._until = 0.0

    def now(self) -> bool:
        """Whether data that came this moment may be taken on the spot."""
        if not self._begun:
            self._begun = True
            self._until = time.monotonic() + SLICE_S
            # Runs when every socket was read from.
            self._loop.call_soon(self._turn)
            return True
        return not self._waiting and time.monotonic() < self._until

    def later(self, reader: Reader) -> None:
        """Have ``reader`` called back once, after all who asked before. Only after :meth:`now` was asked."""
        self._waiting.append(reader)

    def _turn(self) -> None:
        until = time.monotonic() + SLICE_S
        while self._waiting:
            self._waiting.popleft().read_next()
            if self._waiting and time.monotonic() > until:
                self._loop.call_soon(self._turn)
                return
        self._begun = False
