"""What a measurement of speed is: one record for the engine's bench, for the load generator and for other engines.

Free of torch and of I/O, so that the client, which knows nothing of the engine, speaks of the same figures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wavelane.errors import ErrorCode, WavelaneError

Kind = Literal["saturated", "paced", "load"]
"""How audio came. ``saturated``: no waiting, every stream has its next chunk ready when a step ends, and latency is the
time of a step. ``paced``: in real time to the engine, and latency is from the arrival of a chunk's last sample to its
result. ``load``: in real time through a server's sockets, and latency is the lag of partials at the client."""


def percentile(values: Sequence[float], q: float) -> float | None:
    """The smallest value that at least ``q`` (0 to 1) of all do not exceed (nearest rank); None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)]


def summarise(values: Sequence[float]) -> dict[str, float | int | None]:
    """Count, p50, p95, p99 and maximum of seconds, in milliseconds."""
    milliseconds = [1000 * value for value in values]

    def shown(value: float | None) -> float | None:
        return None if value is None else round(value, 2)

    return {
        "count": len(values),
        "p50_ms": shown(percentile(milliseconds, 0.50)),
        "p95_ms": shown(percentile(milliseconds, 0.95)),
        "p99_ms": shown(percentile(milliseconds, 0.99)),
        "max_ms": shown(max(milliseconds, default=None)),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One configuration under one load."""

    kind: Kind
    engine: str
    """Name and version, for example ``sherpa-onnx 2.0.1``."""
    model: str
    precision: str
    lookahead: int | None
    """Encoder frames; None where a server's default was used."""
    chunk_ms: float | None
    """Audio of one step (ms)."""
    batch: int | None = None
    """Most streams of one step; None where the engine decides."""
    processes: int = 1
    threads: int = 1
    """Processor cores that each process may keep busy."""
    streams: float
    """Seconds of audio recognised in a second: real-time streams carried."""
    latency: Mapping[str, float | int | None]
    """As :func:`summarise` gives it."""
    cores: float | None = None
    """Processor time used in a second."""
    foreign_cores: float | None = None
    """Processor time used by others in a second; more than a tenth of a core makes the point void."""
    carried: bool | None = None
    """Of a paced point or a load: every stream was served in real time. None: not asked."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else was measured: ``gops``, ``share`` of the limit, ``breakdown`` of a step, ..."""

    @property
    def in_time(self) -> bool:
        """A step's p95 is below the chunk's length, so that this load can be served in real time."""
        if self.carried is not None:
            return self.carried
        p95 = self.latency.get("p95_ms")
        return p95 is not None and self.chunk_ms is not None and p95 <= self.chunk_ms

    @property
    def disturbed(self) -> bool:
        """Others used the processor meanwhile."""
        return self.foreign_cores is not None and self.foreign_cores > DISTURBANCE

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Point":
        """Inverse of :meth:`to_json`.

        Raises:
            WavelaneError: INVALID_CONFIG, a field is missing or unknown.
        """
        try:
            return cls(**data)
        except TypeError as error:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"not a measured point of this version: {error}") from None


DISTURBANCE = 0.1
"""Cores used by others past which a figure is not the engine's."""


def best(points: Sequence[Point], p95_ms: float | None = None) -> Point | None:
    """The point with the most streams among those in time, and with a p95 of at most ``p95_ms`` where one is given."""
    fitting = [
        point
        for point in points
        if point.in_time and (p95_ms is None or (point.latency.get("p95_ms") or math.inf) <= p95_ms)
    ]
    return max(fitting, key=lambda point: point.streams, default=None)
