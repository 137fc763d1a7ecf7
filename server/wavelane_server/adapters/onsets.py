"""Which turn an onset of speech belongs to."""

from collections import deque


class Onsets:
    """Onsets that were heard while a turn was open.

    The detector hears speech before the words of the turn before it are known. So an onset within an open turn waits
    until that turn's end tells whether it is of the same turn or begins the next.
    """

    def __init__(self) -> None:
        self._waiting: deque[int] = deque()

    def wait(self, at: int) -> None:
        """There was an onset at ``at`` (sample clock) within an open turn."""
        self._waiting.append(at)

    def after(self, at: int) -> int | None:
        """A turn ended at ``at``; where the next one began, if it has already."""
        while self._waiting and self._waiting[0] < at:
            self._waiting.popleft()
        return self._waiting.popleft() if self._waiting else None
