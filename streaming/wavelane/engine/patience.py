"""How long a chunk is held back for company.

A step has a cost of its own, whatever its rows: at one or two rows it is most of what a CPU does. As long as the
workers are mostly idle that costs nobody anything, and every chunk is stepped at once. When they are busy, they take
the time from the event loop and from each other, and it pays to wait a little: the busier they are, the longer.
"""

import math

from wavelane.engine.config import EngineConfig

MOST_WAIT = 0.015
"""The longest wait (s) that is chosen: less than a full step takes."""

_IDLE, _BUSY = 0.1, 0.4
"""Shares of their time that workers compute, below which nothing waits and above which all wait longest."""

_MEMORY_S = 0.5
"""Time constant of the mean share."""


class Patience:
    """Guarded by whoever owns it. Times are seconds on the engine's monotonic clock.

    Args:
        workers: that compute steps.
        fixed: the wait (s), whatever the load; None: chosen by the load.
    """

    def __init__(self, workers: int, fixed: float | None) -> None:
        self._workers = workers
        self._fixed = fixed
        self._computing = 0
        self._share = 0.0
        self._at = -math.inf

    @classmethod
    def of(cls, config: EngineConfig, workers: int) -> "Patience":
        """That of the settings. A launch on an accelerator computes nothing: company gathers while the device does."""
        if config.max_wait_ms != "auto":
            return cls(workers, config.max_wait_ms / 1000)
        return cls(workers, None if config.torch_device().type == "cpu" else 0.0)

    def begin(self, now: float) -> None:
        """A worker begins to compute a step."""
        self._follow(now)
        self._computing += 1

    def end(self, now: float) -> None:
        """It has."""
        self._follow(now)
        self._computing -= 1

    def wait(self, now: float) -> float:
        """How long (s) a chunk may wait for others at most."""
        if self._fixed is not None:
            return self._fixed
        self._follow(now)
        return MOST_WAIT * min(1.0, max(0.0, (self._share - _IDLE) / (_BUSY - _IDLE)))

    def _follow(self, now: float) -> None:
        """Bring the mean share of time up to date."""
        kept = math.exp(min(0.0, self._at - now) / _MEMORY_S)
        self._share = kept * self._share + (1 - kept) * self._computing / self._workers
        self._at = now
