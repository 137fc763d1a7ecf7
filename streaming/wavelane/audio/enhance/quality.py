"""What is wrong with the audio, told when it begins and when it is over."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from wavelane.audio.enhance.level import HOP, LevelTracker, Measurement
from wavelane.events import AudioProblem
from wavelane.native.calm import State

WINDOW: Final = 30
"""Hops that a judgement looks back on (3 s), and the least time between two changes of one problem."""
CLIPPED_SHARE: Final = 0.001
"""Share of samples at full scale from which on audio is clipped."""
TOO_QUIET: Final = -50.0
"""Speech below this level (dBFS) is too quiet."""

_NO_SIGNAL = -88.0
"""Below this level (dBFS) there is no signal: what changes by more than one step of 16 bits is above it."""
_BACK = 6.0
"""How far above :data:`TOO_QUIET` speech must come (dB) to be loud enough again."""
_SPOKEN = 10
"""Hops of speech before it is called too quiet."""


@dataclass(frozen=True, slots=True)
class Change:
    """A problem began, or is over."""

    problem: AudioProblem
    active: bool
    level: float
    """Of the speech, or of the hop where there was none (dBFS)."""
    clipped: float
    """Share of samples at full scale in the last 3 s."""


class QualityMonitor:
    """Judges one stream, hop by hop."""

    def __init__(self) -> None:
        self._clipped: deque[int] = deque(maxlen=WINDOW)
        self._clipped_sum = 0
        self._flat = 0
        self._active: set[AudioProblem] = set()
        self._changed: dict[AudioProblem, int] = {}
        self._hops = 0

    def push(self, hop: Measurement, tracker: LevelTracker, speech: bool) -> list[Change]:
        """Take the next hop; what changed by it."""
        self._hops += 1
        rms = hop.rms
        if hop.clipped or self._clipped_sum:
            self._count(hop.clipped)
        self._flat = self._flat + 1 if rms < _NO_SIGNAL else 0
        # As most hops are, ten times a second for every stream: nothing is wrong, and nothing of it may begin.
        if not (self._active or self._clipped_sum or self._flat or (speech and tracker.speech < TOO_QUIET)):
            return []
        changes: list[Change] = []
        share = self._clipped_sum / (WINDOW * HOP)
        level = tracker.speech if tracker.spoken else rms
        judged: tuple[tuple[AudioProblem, bool, bool], ...] = (
            ("clipping", share >= CLIPPED_SHARE, not self._clipped_sum),
            ("no_signal", self._flat >= WINDOW, not self._flat),
            ("too_quiet", speech and tracker.spoken >= _SPOKEN and level < TOO_QUIET, level > TOO_QUIET + _BACK),
        )
        for problem, begins, ends in judged:
            self._turn(problem, begins, ends, level, share, changes)
        return changes

    def lend(self, state: State) -> bool:
        """See :meth:`wavelane.audio.enhance.chain.FrontEnd.lend`: calm is what has no problem, or no signal."""
        if self._active - {"no_signal"} or self._clipped_sum >= CLIPPED_SHARE * WINDOW * HOP:
            return False
        state.no_signal = bool(self._active)
        state.flat = self._flat
        return True

    def reclaim(self, state: State) -> None:
        """See :meth:`wavelane.audio.enhance.chain.FrontEnd.reclaim`."""
        self._hops += state.hops
        self._flat = state.flat
        # Hops with samples at full scale are not calm: there was none.
        for _ in range(min(state.hops, WINDOW) if self._clipped_sum else 0):
            self._count(0)

    def _turn(
        self, problem: AudioProblem, begins: bool, ends: bool, level: float, share: float, changes: list[Change]
    ) -> None:
        active = problem in self._active
        if not (ends if active else begins) or self._hops - self._changed.get(problem, -WINDOW) < WINDOW:
            return
        self._changed[problem] = self._hops
        self._active ^= {problem}
        changes.append(Change(problem, not active, round(level, 1), round(share, 4)))

    def _count(self, clipped: int) -> None:
        if len(self._clipped) == WINDOW:
            self._clipped_sum -= self._clipped[0]
        self._clipped.append(clipped)
        self._clipped_sum += clipped
        if not self._clipped_sum:
            self._clipped.clear()
