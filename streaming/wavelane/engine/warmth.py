"""When an engine with little to do looks at the model's weights, so that the next step finds them in the caches.

Half a second of rest is enough for other programs, or other guests of the machine, to push them out: a step of a single
row then takes several times as long as one of a busy engine, and that is a step that somebody waits for.
"""

import math

ACTIVE_S = 1.5
"""How long a stream counts as live after its last chunk: longer than the longest chunk. Silence keeps nothing warm."""
MOST_SHARE = 0.04
"""Of a core that looking may take."""
LONGEST_REST_S = 0.5
"""Weights that may be looked at more seldom are out of the caches by then: it would cost and not help."""
AGAIN_S = 30.0
"""Then it is tried again after this time, for it may have been the machine that was slow."""


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

    def begun(self) -> None:
        """Somebody looks; nobody else does meanwhile."""
        self._next = math.inf

    def looked(self, begin: float, end: float) -> None:
        """Somebody did."""
        rest = max(self._interval, (end - begin) * (1 / MOST_SHARE - 1))
        self._next = end + (rest if rest <= max(self._interval, LONGEST_REST_S) else AGAIN_S)
