"""Automatic gain: speech outside of the range of levels that models know is brought to its edge.

Between :data:`QUIET` and :data:`LOUD` the gain is exactly one. The gain of a hop follows from the hops before it, so
nothing is delayed; it moves only while somebody speaks, so that pauses and noise are not pumped up; and a block whose
peaks would pass full scale is turned down as a whole, so that nothing is clipped.
"""

from typing import Final

import numpy as np

from wavelane.audio.enhance.level import LevelTracker, ramp
from wavelane.work import Samples

QUIET: Final = -42.0
"""Speech below this level (dBFS) is amplified up to it."""
LOUD: Final = -12.0
"""Speech above this level (dBFS) is attenuated down to it."""
MOST: Final = 30.0
"""Largest gain (dB)."""
BLOCK: Final = 160
"""Samples that are turned down together (10 ms)."""

_FLOOR_CEILING = -50.0
"""No gain lifts what is no speech above this level (dBFS)."""
_UP, _DOWN = 5.0, 10.0
"""Fastest change (dB a hop): from nothing to the largest gain takes 0.6 s of speech."""
_BELIEVED = 8
"""Hops of speech before its level is believed: words begin softly, and breath and clicks come before them."""
_LIMIT = np.float32(0.98)
"""Largest magnitude of what was amplified."""


class AutomaticGain:
    """The gain of one stream, hop by hop. Between two calls of :meth:`follow` come the samples of one hop."""

    def __init__(self) -> None:
        self._decibels = 0.0
        self._from = self._to = 1.0
        self._flat = True
        self._at = 0

    @property
    def decibels(self) -> float:
        """The gain at the end of the hop in progress (dB)."""
        return self._decibels

    @property
    def flat(self) -> bool:
        """Exactly one for the whole hop in progress."""
        return self._flat

    def apply(self, samples: Samples) -> Samples:
        """Amplify samples [n] of the hop in progress, whole blocks of :data:`BLOCK` but for the end of a stream.

        Returns:
            [n]; the samples themselves while the gain is one.
        """
        if self._flat:
            return samples
        at, self._at = self._at, self._at + len(samples)
        amplified: Samples = samples * ramp(self._from, self._to, at, self._at)
        if len(samples) and (np.maximum.reduce(amplified) > _LIMIT or np.minimum.reduce(amplified) < -_LIMIT):
            whole = len(samples) // BLOCK * BLOCK
            _limit(amplified[:whole].reshape(-1, BLOCK))
            _limit(amplified[whole:].reshape(1, -1))
        return amplified

    def follow(self, tracker: LevelTracker, speech: bool) -> None:
        """Decide about the next hop.

        Args:
            tracker: has taken the hop that is over, as it was before its amplification.
            speech: whether that hop holds speech.
        """
        now = self._decibels
        if speech and tracker.spoken >= _BELIEVED:
            level = tracker.speech
            if level < QUIET:
                most = min(MOST, max(0.0, _FLOOR_CEILING - tracker.floor))
                wanted = min(QUIET - level, most)
            else:
                wanted = min(0.0, LOUD - level)
            now = min(now + _UP, wanted) if wanted > now else max(now - _DOWN, wanted)
        if not (self._flat and now == 0.0):
            self._restart(now)

    def settle(self) -> None:
        """The stream is cut here: the gain stays what it is, and a new hop begins."""
        self._restart(self._decibels)

    def _restart(self, decibels: float) -> None:
        self._at = 0
        self._from = self._to
        if decibels != self._decibels:
            self._decibels = decibels
            self._to = 10.0 ** (decibels / 20.0)
        self._flat = self._from == 1.0 == self._to


def _limit(blocks: Samples) -> None:
    """Turn down, in place, each block [k, n] that passes the limit."""
    peaks = np.abs(blocks).max(axis=1, initial=_LIMIT)
    blocks *= (_LIMIT / peaks)[:, None]
