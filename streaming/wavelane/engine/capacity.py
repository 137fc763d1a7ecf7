"""What a machine carries, from the times of its steps: pure arithmetic.

A step of ``r`` rows takes about ``a + b r`` seconds. Chunks that come while a step runs share the next one, so a worker
that is never idle works in cycles: with ``q`` rows a second a cycle lasts ``T = a + b q T`` (a queue with gated
service, Takagi 1986). A chunk that came at a random moment waits for the rest of the cycle and then for its own step,
at most ``2 T``. The largest ``T`` with ``2 T`` below the latency wanted gives the rows of a step, and these the time
that a row costs. Everything is additive from there on: a stream takes a share of the machine, and the shares of all
streams, of whatever lookaheads, add up to the load.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

USUAL_ROWS = 8
"""Rows of a step by which step times are compared."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """Time of a step: ``fixed + row * rows`` seconds."""

    fixed: float
    row: float

    def of(self, rows: float) -> float:
        """Seconds of a step of so many rows."""
        return self.fixed + self.row * rows

    def scaled(self, factor: float) -> "StepTime":
        """``factor`` times as long."""
        return StepTime(self.fixed * factor, self.row * factor)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """How step times differ from those measured: ``rate`` times as long, and ``excess`` seconds more."""

    rate: float = 1.0
    excess: float = 0.0
    ratio: float = 1.0
    """Time of the steps that were seen as a multiple of the one measured."""

    def applied(self, time: StepTime) -> StepTime:
        """The step time of now."""
        slowed = time.scaled(self.rate)
        return StepTime(slowed.fixed + self.excess, slowed.row)


def fit(times: Sequence[tuple[int, float]]) -> StepTime:
    """Least squares of the relative error, with neither part below zero.

    Args:
        times: rows and seconds of steps, at least one. Of one number of rows alone nothing is known about what a
            further row costs: it is taken to cost as much as the first ones, which is the most that it can.
    """
    rows = sorted({count for count, _ in times})
    if len(rows) > 1:
        weights = [1 / (seconds * seconds) for _, seconds in times]
        total = math.fsum(weights)
        mean_rows = math.fsum(w * count for w, (count, _) in zip(weights, times, strict=True)) / total
        mean_time = math.fsum(w * seconds for w, (_, seconds) in zip(weights, times, strict=True)) / total
        variance = math.fsum(w * (count - mean_rows) ** 2 for w, (count, _) in zip(weights, times, strict=True))
        covariance = math.fsum(
            w * (count - mean_rows) * (seconds - mean_time) for w, (count, seconds) in zip(weights, times, strict=True)
        )
        row = covariance / variance
        fixed = mean_time - row * mean_rows
        if row < 0:
            return StepTime(mean_time, 0.0)
        if fixed >= 0:
            return StepTime(fixed, row)
    # Through the origin: sum(w c t) / sum(w c c) with w = 1 / t^2.
    numerator = math.fsum(count / seconds for count, seconds in times)
    return StepTime(0.0, numerator / math.fsum((count / seconds) ** 2 for count, seconds in times))


@dataclass(frozen=True, slots=True)
class CostModel:
    """The share of the machine that a stream takes.

    Streams are of continuous speech in real time: what every session may become at any moment.
    """

    frame_seconds: float
    """Length of an encoder frame (s)."""
    workers: int
    """Steps computed at the same time."""
    largest: int
    """Rows of the largest step."""
    latency: float
    """From a chunk's arrival to its result, as a share of the chunk's length: what 95 % of the chunks shall keep."""
    headroom: float
    """Share of the machine that is left free."""
    times: Mapping[int, StepTime] = field(default_factory=dict)
    """Measured, by lookahead."""
    pinned: tuple[int, float] | None = None
    """A lookahead, and the number of its streams that the machine is said to carry whatever was measured."""

    @property
    def known(self) -> bool:
        """Whether a stream's share can be told."""
        return bool(self.times) or self.pinned is not None

    def chunk_seconds(self, lookahead: int) -> float:
        """Audio (s) of one step."""
        return (lookahead + 1) * self.frame_seconds

    def time(self, lookahead: int) -> StepTime | None:
        """The time of a step; None if none was measured.

        A step takes no longer than one of a longer lookahead, and its time grows no faster than the frames of its
        chunk. Both bound what was not measured, and what was measured while something else had the processor.
        """
        bounds = [
            time if known >= lookahead else time.scaled((lookahead + 1) / (known + 1))
            for known, time in self.times.items()
        ]
        return min(bounds, key=lambda time: time.of(USUAL_ROWS), default=None)

    def rows(self, lookahead: int) -> float:
        """Rows of a step at capacity: as many as the latency wanted allows, at least one."""
        time = self.time(lookahead)
        if time is None or time.row == 0:
            return self.largest
        cycle = self.latency * self.chunk_seconds(lookahead) / 2
        return min(max((cycle - time.fixed) / time.row, 1.0), self.largest)

    def deadline(self, lookahead: int) -> float:
        """Time (s) from arrival to result past which a chunk is late: what was wanted, or what is possible here."""
        time = self.time(lookahead)
        cycle = 0.0 if time is None else time.of(self.rows(lookahead))
        return max(self.latency * self.chunk_seconds(lookahead), 2 * cycle)

    def slowed(self, slowdown: Slowdown, by_lookahead: Mapping[int, Slowdown]) -> "CostModel":
        """The same with the step times of now; ``by_lookahead`` where it is known, ``slowdown`` elsewhere."""
        return replace(
            self, times={at: by_lookahead.get(at, slowdown).applied(time) for at, time in self.times.items()}
        )

    def share(self, lookahead: int) -> float:
        """Share of the machine that one stream takes; 0 while nothing is known."""
        if self.pinned is None:
            return self._measured(lookahead) / (1 - self.headroom)
        reference, streams = self.pinned
        known = self._measured(reference)
        return (self._measured(lookahead) / known if known else 1.0) / streams

    def streams(self, lookahead: int) -> float:
        """Streams that the machine carries if all have this lookahead; infinite while nothing is known."""
        share = self.share(lookahead)
        return 1 / share if share else math.inf

    def _measured(self, lookahead: int) -> float:
        time = self.time(lookahead)
        if time is None:
            return 0.0
        rows = self.rows(lookahead)
        return time.of(rows) / rows / (self.workers * self.chunk_seconds(lookahead))
