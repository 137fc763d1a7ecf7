"""Keeps the load within what the machine carries: who gets in, and which lookahead sessions have that leave it to us.

Both follow from one figure, the load: the share of the machine that the streams of now take, by the step times measured
at the start (:mod:`wavelane.engine.capacity`), the audio that really comes and the time that steps really take
(:mod:`wavelane.engine.load`). What was measured is corrected in two ways. Steps that take longer than they did make all
streams dearer. Results that are late for seconds, for whatever reason, say that the machine carries less than it does
now: the limit falls below the present load, and creeps up again when all is well.

Two things keep one slow step on an idle machine from refusing anybody. Every conclusion is drawn from many steps over
several seconds, and streams that were seen cannot cost more than the time for which the workers were busy.

Bookkeeping under the scheduler's lock; time is an argument of everything.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from wavelane.engine.capacity import CostModel, StepTime
from wavelane.engine.dial import NOTCHES, Dial, assigned, last_position, turn
from wavelane.engine.load import LaneLoad, LoadMeter
from wavelane.work import Chunk

TICK_S = 0.25
"""Time (s) between two looks at the load."""

STEP_DOWN = 0.95
"""When results are late, the limit falls to this share of the load,"""

MOST_DOWN = 0.90
"""but at once to no less than this share of itself: what is late may only be what was queued before."""

PATIENCE_S = 5.0
"""Least time (s) from one such fall to the next: late results of before must have left the picture."""

RISE_PER_S = 0.02
"""How fast the limit rises again, in shares of the machine per second."""

LEAST_LIMIT = 0.05
"""The limit never falls below this: it must be able to rise again."""

BUSY_ENOUGH = 0.85
"""Results that are late while the workers are less busy than this are not late because of the load."""

REOPEN = 0.95
"""After a refusal, sessions are let in again when the load is below this share of the limit."""

CONFIDENCE = 1.64
"""Standard deviations of the number of lanes that speak at once which are kept free: more speak in 5 % of the time."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What running has taught."""

    slowdown: float = 1.0
    """Time of a step as a multiple of the one measured."""
    limit: float = 1.0
    """Load that is carried in time."""
    patience: float = 0.0
    """Seconds for which the limit does not fall again."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the engine shows."""

    load: float
    """Share of the machine that the streams take."""
    slowdown: float
    late: bool
    """Results have been late for seconds."""
    busy: float
    """Share of the time for which the workers computed."""


def correct(before: Correction, seen: Seen, elapsed: float) -> Correction:
    """The correction after a look at the engine, ``elapsed`` seconds after the one before.

    A load beyond the limit explains why results are late; only below it they show that the limit is wrong.
    """
    patience = max(before.patience - elapsed, 0.0)
    if not seen.late:
        return Correction(seen.slowdown, min(1.0, before.limit + RISE_PER_S * elapsed), patience)
    if patience or seen.busy < BUSY_ENOUGH or seen.load > before.limit:
        return Correction(seen.slowdown, before.limit, patience)
    limit = max(STEP_DOWN * seen.load, MOST_DOWN * before.limit, LEAST_LIMIT)
    return Correction(seen.slowdown, min(limit, before.limit), PATIENCE_S)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether sessions are being refused."""

    closed: bool = False


def admit(gate: Gate, load: float, added: float, limit: float, lanes: int) -> tuple[bool, Gate]:
    """Whether one more session gets in, and the gate afterwards.

    Args:
        gate: as it is.
        load: that there would be if every session that can be moved had its longest lookahead.
        added: by the session.
        limit: load that is carried in time.
        lanes: open now. The first is always let in: a machine that carries less than one stream serves one.
    """
    if not lanes:
        return True, Gate(closed=False)
    # Half a session more or less is within what is known.
    fits = load + added / 2 <= limit * (REOPEN if gate.closed else 1.0)
    return fits, Gate(closed=not fits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the engine is, for whoever wants to know."""

    load: float = 0.0
    """Share of what the machine carries that is in use: at 1 sessions are refused; 0 while nothing was measured."""
    capacity: float = 0.0
    """Streams of continuous speech at the model's default lookahead that the machine carries in time, as things are
    now; 0 while that was not measured."""
    refusing: bool = False
    """One more session would be refused because of the load."""
    slowdown: float = 1.0
    """Time of a step as a multiple of the one measured at the start."""
    limit: float = 1.0
    """What results that were late have left of the measured capacity, as a share."""
    dial: int = 0
    """Where the dial is that lengthens lookaheads; see :mod:`wavelane.engine.dial`."""


class Governor:
    """Decides, from what it is told. Not thread-safe: the scheduler's lock guards it.

    Args:
        costs: with nothing measured yet.
        lookaheads: of the model.
        default: lookahead of sessions that ask for none.
        padded: a step costs what its bucket costs, not its rows.
        enforce: refuse sessions when the machine has enough to do; otherwise nobody is refused and no lookahead moved.
    """

    def __init__(
        self,
        costs: CostModel,
        lookaheads: Sequence[int],
        default: int,
        *,
        enforce: bool = True,
        padded: bool = True,
    ) -> None:
        self._measured = costs
        self._costs = costs
        self._lookaheads = tuple(sorted(lookaheads))
        self._last = last_position(self._lookaheads)
        self._default = default
        self._enforce = enforce
        self._padded = padded
        self._meter = LoadMeter()
        self._correction = Correction()
        self._gate = Gate()
        self._dial = Dial()
        self._looked = -math.inf
        self._stale = False
        self._condition = Condition()

    @property
    def lookaheads(self) -> dict[int, int]:
        """Open lanes by lookahead."""
        return self._meter.lookaheads

    @property
    def costs(self) -> CostModel:
        """What streams cost, as it was measured."""
        return self._measured

    @property
    def capacities(self) -> dict[int, float]:
        """Streams carried in time, by lookahead, as it was measured; the default first."""
        if not self._active:
            return {}
        ordered = sorted(self._lookaheads, key=lambda lookahead: (lookahead != self._default, -lookahead))
        return {lookahead: self._measured.streams(lookahead) for lookahead in ordered}

    def learn(self, lookahead: int, time: StepTime) -> None:
        """Step times were measured."""
        self._measured = replace(self._measured, times={**self._measured.times, lookahead: time})
        self._stale = True

    def condition(self, now: float) -> Condition:
        """How the engine is."""
        self._look(now)
        return self._condition

    def admit(self, lookahead: int | None, now: float) -> bool:
        """Whether one more lane may be opened; ``lookahead``: the longest that it allows, None: the model's default."""
        self._look(now)
        return not self._active or self._ask(self._default if lookahead is None else lookahead)

    def open(self, lookahead: int | None, now: float) -> LaneLoad:
        """A lane was opened."""
        self._stale = True
        return self._meter.open((self._default if lookahead is None else lookahead, None), now)

    def submit(self, lane: LaneLoad, chunk: Chunk, seconds: float, now: float) -> None:
        """A lane sends a chunk of so many seconds."""
        self._meter.submit(lane, (chunk.lookahead, chunk.bounds), seconds, now)

    def close(self, lane: LaneLoad, now: float) -> None:
        """A lane was closed."""
        self._stale = True
        self._meter.close(lane, now)

    def step(self, lookahead: int, bucket: int, seconds: float, latencies: Sequence[float], now: float) -> None:
        """A step is done.

        Args:
            lookahead: of its rows.
            bucket: its rows, padding included.
            seconds: for which it had a worker to itself.
            latencies: of each row, from the moment from which on it could be stepped to its result (s).
            now: time (s).
        """
        time = self._measured.time(lookahead)
        expected = None if time is None else time.of(bucket if self._padded else len(latencies))
        # What the machine cannot do better is not late, only slow.
        deadline = self._measured.deadline(lookahead)
        late = 0 if time is None else sum(latency > deadline for latency in latencies)
        self._meter.step(lookahead, seconds, expected, len(latencies), late, now)
        self._look(now)

    def delayed(self, seconds: float, now: float) -> None:
        """Who takes the results is so many seconds behind."""
        self._meter.delayed(seconds, now)
        self._look(now)

    @property
    def _active(self) -> bool:
        return self._enforce and self._measured.known

    @property
    def _pinned(self) -> bool:
        return self._costs.pinned is not None

    def _look(self, now: float) -> None:
        """Draw conclusions, if something changed or it is time."""
        elapsed = now - self._looked
        if elapsed < TICK_S and not self._stale:
            return
        self._stale = False
        self._looked = now
        self._meter.advance(now)
        if not self._active:
            return
        self._costs = self._measured
        if not self._pinned:
            slowdown, slowdowns = self._meter.slowdowns(now)
            self._costs = self._measured.slowed(slowdown, slowdowns)
            seen = Seen(
                self._load(self._dial.position),
                slowdown.ratio,
                self._meter.late,
                self._meter.busy / self._costs.workers,
            )
            self._correction = correct(self._correction, seen, elapsed)
        # Who is behind with the results has a limit of its own on new sessions (limits.max_loop_delay_ms).
        limit, late = self._correction.limit, (self._meter.late or self._meter.behind) and not self._pinned
        if self._meter.lanes:
            self._dial = turn(self._dial, lambda at: self._load(at) / limit, self._last, now, late)
        else:
            self._dial = Dial()
        self._condition = Condition(
            load=self._load(self._dial.position) / limit,
            capacity=self._costs.streams(self._default) * limit,
            refusing=not self._ask(self._default),
            slowdown=self._correction.slowdown,
            limit=limit,
            dial=self._dial.position,
        )

    def _ask(self, lookahead: int) -> bool:
        """Whether one more lane of a lookahead gets in now."""
        added = self._costs.share(lookahead) * self._meter.duty
        load = self._expected_load()
        admitted, self._gate = admit(self._gate, load, added, self._correction.limit, self._meter.lanes)
        return admitted

    def _expected_load(self) -> float:
        """The load to reckon with if every session that can be moved has its longest lookahead.

        That of now, or what the lanes cause by what they say by the minute, if that is more: otherwise sessions would
        be let in whenever few happen to speak. And what is kept free because more may speak at once than do on average:
        lanes speak or not, like coins.
        """
        load = self._load(self._last)
        lanes, duty = self._meter.lanes, self._meter.duty
        speaking = math.fsum(expected + sent for expected, sent in self._meter.audio.values())
        if not lanes or not speaking:
            return load
        usual = lanes * duty + CONFIDENCE * math.sqrt(lanes * duty * (1 - duty))
        return load * max(1.0, usual / speaking)

    def _load(self, position: int) -> float:
        """Share of the machine that the streams take, or would with the dial at a position."""
        here = self._parts(self._dial.position)
        there = here if position == self._dial.position else self._parts(position)
        if self._pinned or not here[1]:
            return there[0] + there[1]
        # The workers compute no less than streams need at their best: they bound what was seen.
        busy = self._meter.busy / self._costs.workers / (1 - self._costs.headroom)
        return there[0] + there[1] * min(1.0, busy / here[1])

    def _parts(self, position: int) -> tuple[float, float]:
        """Shares of the machine for the audio that is expected, and for the audio that was seen."""
        expected = seen = 0.0
        for (lookahead, bounds), audio in self._meter.audio.items():
            share = self._share(lookahead, bounds, position)
            expected += audio[0] * share
            seen += audio[1] * share
        return expected, seen

    def _share(self, lookahead: int, bounds: tuple[int, int] | None, position: int) -> float:
        if bounds is None:
            return self._costs.share(lookahead)
        given = [assigned(self._lookaheads, bounds, rank, position) for rank in range(NOTCHES)]
        return math.fsum(self._costs.share(each) for each in given) / NOTCHES


def unlimited(lookaheads: Sequence[int] = (0,), default: int = 0) -> Governor:
    """One that refuses nobody and moves nobody."""
    costs = CostModel(frame_seconds=1.0, workers=1, largest=1, latency=1.0, headroom=0.0)
    return Governor(costs, lookaheads, default, enforce=False)
