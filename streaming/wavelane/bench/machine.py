"""Processor time: of this process, and of everything else on the machine."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """A moment, and the processor time used up to it (s)."""

    at: float
    own: float
    """By this process, all its threads."""
    everyone: float | None
    """By everything on this machine; None where the system does not say."""

    @classmethod
    def now(cls) -> "Usage":
        """What was used so far."""
        times = os.times()
        return cls(time.perf_counter(), times.user + times.system, _busy_seconds())

    def since(self, before: "Usage") -> tuple[float, float | None]:
        """Cores that this process used between two moments, and cores that others used."""
        seconds = max(self.at - before.at, 1e-9)
        own = (self.own - before.own) / seconds
        if self.everyone is None or before.everyone is None:
            return own, None
        return own, max(0.0, (self.everyone - before.everyone) / seconds - own)


def _busy_seconds() -> float | None:
    try:
        with Path("/proc/stat").open(encoding="ascii") as file:
            fields = [int(value) for value in file.readline().split()[1:9]]
    except (OSError, ValueError):
        return None
    idle, waiting = fields[3:5]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")
