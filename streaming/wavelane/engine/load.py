"""How much the machine has to do: what every lane asks for, what steps take, how late results are.

Speech is counted as seconds of audio per second, which is the same at every lookahead. It is averaged exponentially, so
that a lane's part and the sum of all decay alike, and opening, counting and closing are O(1) however many lanes there
are. A lane begins with what it is expected to ask for; that expectation decays at the rate at which what it really asks
for grows. A lane counts no faster than real time: what it sends beyond that waits for spare capacity.

Time is an argument of everything: no clock is read here.
"""

import math
from collections import deque
from dataclasses import dataclass
from statistics import median

from wavelane.engine.capacity import Slowdown

AVERAGE_S = 4.0
"""Time constant of the averages (s)."""

BURST_S = 2.0
"""Audio (s) that a lane may send ahead of real time and still have it counted: what a network held back and let go."""

DUTY_S = 15.0
"""Time constant (s) of the share of continuous speech that a lane is expected to have: what a lane says over some time,
not what happens to be said now."""

STEPS_KEPT = 64
"""Steps whose times are compared with the measured ones."""

STEPS_NEEDED = 16
"""With fewer steps nothing is concluded."""

STEPS_AGE_S = 20.0
"""Older steps (s) say nothing about now."""

SPREAD = 1.3
"""Steps of which the long ones are not so much longer than the short ones tell nothing about rows,"""

WAIT_S = 0.01
"""and up to so much (s) of what they take longer is taken for waiting."""

SECONDS_KEPT = 5
"""Seconds for which it is known how many results were late."""

LATE_SECONDS = 3
"""So many late ones among them are no accident: one slow step makes one late second, or two."""

LATE_SHARE = 0.05
"""A second is late when more of its results are."""

DELAY_S = 0.03
"""Results that wait so long (s, median of two seconds) for who asked for them are late, however fast the engine was: a
loop with time to spare has them out within 5 ms."""

ROWS_NEEDED = 10
"""A second with fewer results says nothing."""

Key = tuple[int, tuple[int, int] | None]
"""What a lane's audio costs depends on: its lookahead, and the bounds within which that may be moved."""


@dataclass(slots=True)
class LaneLoad:
    """What one lane asks for, as of a time."""

    key: Key
    at: float
    expected: float
    """Audio (s/s) that it was expected to send, as far as that has not been seen or given up."""
    sent: float = 0.0
    """Audio (s/s) that it sent."""
    allowance: float = 0.0
    """Audio (s) that it may send now without being faster than real time."""


@dataclass(slots=True)
class _Sum:
    expected: float = 0.0
    sent: float = 0.0


class LoadMeter:
    """The sums over all lanes, and what steps show."""

    def __init__(self) -> None:
        self._at = 0.0
        self._sums: dict[Key, _Sum] = {}
        self._busy = 0.0
        self._duty = 1.0
        self._lanes: dict[Key, int] = {}
        self._count = 0
        self._steps: dict[int, deque[tuple[float, float, float]]] = {}
        self._seconds: deque[list[int]] = deque(maxlen=SECONDS_KEPT)
        self._second = 0

    @property
    def lanes(self) -> int:
        """Open lanes."""
        return self._count

    @property
    def lookaheads(self) -> dict[int, int]:
        """Open lanes by lookahead."""
        counts: dict[int, int] = {}
        for (lookahead, _), count in self._lanes.items():
            counts[lookahead] = counts.get(lookahead, 0) + count
        return dict(sorted(counts.items()))

    @property
    def audio(self) -> dict[Key, tuple[float, float]]:
        """Audio (s/s) expected and sent, of all open lanes, as of the last :meth:`advance`."""
        return {key: (total.expected, total.sent) for key, total in self._sums.items()}

    @property
    def busy(self) -> float:
        """Seconds of computing per second, over all workers, as of the last :meth:`advance`."""
        return self._busy

    @property
    def duty(self) -> float:
        """Share of continuous speech that a lane has had lately; all the time, as long as there are none."""
        return self._duty

    def advance(self, now: float) -> None:
        """Let the averages decay until now."""
        elapsed = now - self._at
        if elapsed <= 0:
            return
        self._at = now
        decay = math.exp(-elapsed / AVERAGE_S)
        speaking = 0.0
        for total in self._sums.values():
            total.expected *= decay
            total.sent *= decay
            speaking += total.expected + total.sent
        self._busy *= decay
        duty = min(speaking / self._count, 1.0) if self._count else 1.0
        self._duty = duty + (self._duty - duty) * math.exp(-elapsed / DUTY_S)
        second = math.floor(now)
        for _ in range(min(second - self._second, SECONDS_KEPT)):
            self._seconds.append([0, 0, 0])
        self._second = max(self._second, second)

    def open(self, key: Key, now: float) -> LaneLoad:
        """A lane begins."""
        self.advance(now)
        lane = LaneLoad(key, now, self.duty, allowance=BURST_S)
        self._count += 1
        self._lanes[key] = self._lanes.get(key, 0) + 1
        self._sum(key).expected += lane.expected
        return lane

    def submit(self, lane: LaneLoad, key: Key, seconds: float, now: float) -> None:
        """A lane sends a chunk of so many seconds."""
        self.advance(now)
        elapsed = self._settle(lane, now)
        if key != lane.key:
            self._move(lane, key)
        # The whole chunk may go at once, however long it is.
        lane.allowance = min(lane.allowance + elapsed, BURST_S + seconds)
        counted = min(seconds, max(lane.allowance, 0.0))
        lane.allowance -= counted
        lane.sent += counted / AVERAGE_S
        self._sum(key).sent += counted / AVERAGE_S

    def close(self, lane: LaneLoad, now: float) -> None:
        """A lane ends, and with it what it asked for."""
        self.advance(now)
        self._settle(lane, now)
        self._leave(lane)
        self._count -= 1

    def step(self, lookahead: int, seconds: float, expected: float | None, rows: int, late: int, now: float) -> None:
        """A step is done.

        Args:
            lookahead: of its rows.
            seconds: for which it had a worker to itself.
            expected: the same, as measured at the start; None if it was not.
            rows: results.
            late: those of them that came too late.
            now: time (s).
        """
        self.advance(now)
        self._busy += seconds / AVERAGE_S
        if expected:
            self._steps.setdefault(lookahead, deque(maxlen=STEPS_KEPT)).append((now, seconds, expected))
        if self._seconds:
            self._seconds[-1][0] += rows
            self._seconds[-1][1] += late

    def delayed(self, seconds: float, now: float) -> None:
        """Who takes the results is so many seconds behind."""
        self.advance(now)
        if self._seconds and seconds > DELAY_S:
            self._seconds[-1][2] = 1

    def slowdowns(self, now: float) -> tuple[Slowdown, dict[int, Slowdown]]:
        """How step times differ now from those measured: medians of many, so that no single step counts.

        Returns:
            of all steps together, and by lookahead where there were enough steps of one.
        """
        fresh = {
            lookahead: [(seconds, expected) for at, seconds, expected in steps if now - at <= STEPS_AGE_S]
            for lookahead, steps in self._steps.items()
        }
        together = [step for steps in fresh.values() for step in steps]
        return _slowdown(together), {
            lookahead: _slowdown(steps) for lookahead, steps in fresh.items() if len(steps) >= STEPS_NEEDED
        }

    @property
    def late(self) -> bool:
        """Whether results have been late for seconds, as of the last :meth:`advance`."""
        late = sum(rows >= ROWS_NEEDED and count > LATE_SHARE * rows for rows, count, _ in self._seconds)
        return late >= LATE_SECONDS

    @property
    def behind(self) -> bool:
        """Whether who takes the results has been late with them for seconds, as of the last :meth:`advance`."""
        return sum(delayed for *_, delayed in self._seconds) >= LATE_SECONDS

    def _sum(self, key: Key) -> _Sum:
        return self._sums.setdefault(key, _Sum())

    def _settle(self, lane: LaneLoad, now: float) -> float:
        """Let a lane's averages decay until now; returns the seconds since they were changed last."""
        elapsed = max(now - lane.at, 0.0)
        decay = math.exp(-elapsed / AVERAGE_S)
        lane.expected *= decay
        lane.sent *= decay
        lane.at = max(lane.at, now)
        return elapsed

    def _move(self, lane: LaneLoad, key: Key) -> None:
        self._leave(lane)
        lane.key = key
        self._lanes[key] = self._lanes.get(key, 0) + 1
        total = self._sum(key)
        total.expected += lane.expected
        total.sent += lane.sent

    def _leave(self, lane: LaneLoad) -> None:
        self._lanes[lane.key] -= 1
        if not self._lanes[lane.key]:
            # The last of its kind: what rounding left goes with it.
            del self._lanes[lane.key]
            self._sums.pop(lane.key, None)
            return
        total = self._sum(lane.key)
        total.expected = max(total.expected - lane.expected, 0.0)
        total.sent = max(total.sent - lane.sent, 0.0)


def _slowdown(steps: list[tuple[float, float]]) -> Slowdown:
    """What the steps (seconds, and as measured at the start) have in common.

    Whether every row takes longer, or every step waits (for a core, for the interpreter), makes no difference for the
    steps seen, and a large one for larger steps. Tukey's resistant line through the short and the long ones tells it.
    """
    if len(steps) < STEPS_NEEDED:
        return Slowdown()
    ratio = median(seconds / expected for seconds, expected in steps)
    if ratio <= 1:
        return Slowdown(ratio, 0.0, ratio)
    ordered = sorted(steps, key=lambda step: step[1])
    short, long = ordered[: len(ordered) // 3], ordered[-(len(ordered) // 3) :]
    begin, end = (median(expected for _, expected in part) for part in (short, long))
    if end >= SPREAD * begin:
        rise = median(seconds for seconds, _ in long) - median(seconds for seconds, _ in short)
        rate = rise / (end - begin)
    else:
        excess = median(seconds - expected for seconds, expected in steps)
        rate = 1 + (excess - WAIT_S) / median(expected for _, expected in steps)
    rate = min(max(rate, 1.0), ratio)
    return Slowdown(rate, max(median(seconds - rate * expected for seconds, expected in steps), 0.0), ratio)
