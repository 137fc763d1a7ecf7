"""A constant offset is taken out."""

from wavelane.audio.enhance.level import ramp
from wavelane.native.calm import State
from wavelane.work import Samples

_SHARE = 0.1
"""Share of a hop's mean in the offset, once the first hops are averaged: a time constant of one second."""
_BELIEVED = 3
"""Hops before the offset is believed: speech and rumble have means of their own."""
_LEAST = 0.005
"""Smaller offsets (-46 dBFS) are left as they are: the pre-emphasis takes 30 dB of them."""


class OffsetRemoval:
    """Subtracts the mean of the hops before, moving from one to the next over a hop, after the first three."""

    def __init__(self) -> None:
        self._hops = 0
        self._mean = 0.0
        self._from = self._to = 0.0
        self._at = 0
        self.none = True
        """The hop in progress is left as it is."""

    def apply(self, samples: Samples) -> Samples:
        """Samples [n] of the hop in progress without their offset [n]; the samples themselves where there is none."""
        if self.none:
            return samples
        at, self._at = self._at, self._at + len(samples)
        without: Samples = samples - ramp(self._from, self._to, at, self._at)
        return without

    def follow(self, mean: float) -> None:
        """Decide about the next hop by the mean of the one that is over."""
        self._hops += 1
        self._mean += (mean - self._mean) * max(_SHARE, 1.0 / self._hops)
        wanted = self._mean if self._hops >= _BELIEVED and abs(self._mean) >= _LEAST else 0.0
        if not (self.none and wanted == 0.0):
            self.settle()
            self._to = wanted
            self.none = self._from == 0.0 == wanted

    def lend(self, state: State) -> bool:
        """See :meth:`wavelane.audio.enhance.chain.FrontEnd.lend`."""
        state.offset_hops, state.mean = self._hops, self._mean
        return self.none

    def reclaim(self, state: State) -> None:
        """See :meth:`wavelane.audio.enhance.chain.FrontEnd.reclaim`."""
        self._hops, self._mean = state.offset_hops, state.mean

    def settle(self) -> None:
        """The stream is cut here: a new hop begins."""
        self._from = self._to
        self._at = 0
