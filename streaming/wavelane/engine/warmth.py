"""When an engine with little to do looks at the model's weights, so that the next step finds them in the caches.

Half a second of rest is enough for other programs, or other guests of the machine, to push them out: a step of a single
row then takes several times as long as one of a busy engine, and that is a step that somebody waits for.
"""

import math

ACTIVE_S = 1.5
"""How long a stream counts as live after its last chunk: longer than the longest chunk. Silence keeps nothing warm."""
MOST_SHARE = 0.04
"""Of a core that looking may take."""


class Warmth:
    """Guarded by whoever owns it. Times are seconds on the engine's monotonic clock.

    Args:
        interval: after which an idle engine looks again (s); 0: never.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._active_until = -math.inf
        self._next = math.inf if interval == 0 else -math.inf

    def chunk(self, now: float) -> None:
        """A chunk came: more will."""
        self._active_until = now + ACTIVE_S

    def stepped(self, now: float) -> None:
        """A step begins or is done, which is as good as a look."""
        self._next = max(self._next, now + self._interval)

    def due(self) -> float | None:
        """When to look, unless a step comes before; None: not until a chunk has come."""
        return self._next if self._next < self._active_until else None

    def looked(self, begin: float, end: float) -> None:
        """Somebody did."""
        self._next = end + max(self._interval, (end - begin) * (1 / MOST_SHARE - 1))
