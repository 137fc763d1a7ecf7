"""How loud the speech and the silence of a stream are, from one measurement every 100 ms."""

import math
from typing import Final, NamedTuple

import numpy as np

from wavelane.audio.pcm import int16_samples
from wavelane.native.calm import State
from wavelane.native.levels import open_levels
from wavelane.work import Samples

HOP: Final = 1_600
"""Samples that one measurement is about (100 ms)."""
QUIETEST: Final = -100.0
"""What digital silence counts as (dBFS)."""

FULL_SCALE: Final = np.float32(0.98)
"""The largest value of mu-law; 0.17 dB below that of 16 bits."""

_ONES = np.ones(HOP, np.float64)
_LINE = (np.arange(HOP, dtype=np.float32) + np.float32(1.0)) / np.float32(HOP)
_FULL_INT16 = math.ceil(float(FULL_SCALE) * 2**15)
_levels = open_levels()
_ABOVE_FLOOR = 12.0
"""How far above the quietest hops lately (dB) a hop holds speech."""
_AUDIBLE = -72.0
"""Below this (dBFS) there is nothing to hear: two thirds of the steps of 16 bits."""
_FLOOR_RISE = 0.2
"""How fast the floor forgets a quiet hop (dB a hop): in half a minute of noise 60 dB."""
_RISE, _FALL = 0.5, 0.03
"""Share of a louder or quieter hop of speech in the level: vowels say how loud somebody speaks."""


class Measurement(NamedTuple):
    """A hop of audio."""

    rms: float
    """Without its mean (dBFS, a full-scale square wave has 0)."""
    mean: float
    """The constant offset, -1 to 1."""
    clipped: int
    """Samples at full scale."""


def measure(samples: Samples) -> Measurement:
    """Measure a hop [HOP].

    Sums are of 64 bits: exact for audio that had 16, so that the order of adding does not matter.
    """
    wide = samples.astype(np.float64)
    clipping = np.maximum.reduce(samples) >= FULL_SCALE or np.minimum.reduce(samples) <= -FULL_SCALE
    clipped = int(np.count_nonzero(np.abs(samples) >= FULL_SCALE)) if clipping else 0
    return _measured(float(np.dot(wide, _ONES)), float(np.dot(wide, wide)), clipped)


def measure_int16(data: bytes) -> Measurement:
    """Measure a hop that came as 16-bit little-endian audio, [2 * HOP] bytes; the same bits as :func:`measure`.

    It runs ten times a second for every stream, compiled where that is possible.
    """
    if _levels is None:
        return measure(int16_samples(data))
    total, squares, clipped = _levels(data, HOP, _FULL_INT16)
    return _measured(total / 2**15, squares / 2**30, clipped)


def _measured(total: float, squares: float, clipped: int) -> Measurement:
    mean = total / HOP
    power = squares / HOP - mean * mean
    return Measurement(10.0 * math.log10(power) if power > 1e-10 else QUIETEST, mean, clipped)


def ramp(first: float, last: float, start: int, stop: int) -> Samples | np.float32:
    """Samples ``start`` to ``stop`` of a straight line over a hop, from ``first`` before it to ``last`` at its end."""
    if first == last:
        return np.float32(first)
    line: Samples = np.float32(first) + np.float32(last - first) * _LINE[start:stop]
    return line


class LevelTracker:
    """Levels of speech and of what lies between it, hop by hop.

    The floor is the quietest hop lately (minimum statistics, Martin 2001, without its smoothing): it falls at once and
    rises slowly. Hops well above it are speech, so that neither steady noise nor silence count.
    """

    def __init__(self) -> None:
        self.floor = 0.0
        """Level of what is no speech (dBFS)."""
        self.speech = QUIETEST
        """Level of the speech (dBFS), once there was some."""
        self.spoken = 0
        """Hops of speech so far."""

    def lend(self, state: State) -> None:
        """See :meth:`wavelane.audio.enhance.chain.FrontEnd.lend`."""
        state.floor, state.speech, state.spoken = self.floor, self.speech, self.spoken

    def reclaim(self, state: State) -> None:
        """See :meth:`wavelane.audio.enhance.chain.FrontEnd.reclaim`."""
        self.floor, self.speech, self.spoken = state.floor, state.speech, state.spoken

    def push(self, rms: float) -> bool:
        """Take the level of the next hop (dBFS); whether it holds speech."""
        self.floor = floor = min(rms, self.floor + _FLOOR_RISE)
        if rms < floor + _ABOVE_FLOOR or rms < _AUDIBLE:
            return False
        self.spoken += 1
        if self.spoken == 1:
            self.speech = rms
        else:
            self.speech += (rms - self.speech) * (_RISE if rms > self.speech else _FALL)
        return True
