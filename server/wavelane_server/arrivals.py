"""When which audio of a session was received: what latency is counted from."""

import time
from bisect import bisect_left
from collections import deque

MANY = 16
"""With more notes than this, those are dropped that no result can ask for any more."""


class Arrivals:
    """Notes of what arrived when, oldest first."""

    __slots__ = ("_notes",)

    def __init__(self) -> None:
        self._notes: deque[tuple[int, float]] = deque()

    def note(self, received: int, waiting: int) -> None:
        """Audio has arrived.

        Args:
            received: sample clock at its end.
            waiting: samples before that which results are still to come for.
        """
        notes = self._notes
        notes.append((received, time.monotonic()))
        if len(notes) > MANY:
            done = received - waiting
            while len(notes) > 1 and notes[0][0] < done:
                notes.popleft()

    def time_of(self, sample: int) -> float | None:
        """When the audio up to a sample was there (s, monotonic); None before any audio."""
        if not self._notes:
            return None
        at = bisect_left(self._notes, (sample,))
        return self._notes[min(at, len(self._notes) - 1)][1]
