"""The front end of one lane: everything that happens between resampling and speech detection.

Audio is measured every 100 ms of the lane's sample clock (a *hop*). What is done to a hop follows from the hops before
it, so that nothing waits for a measurement. Only what needs blocks of 10 ms (the noise suppressor, and the gain while
it is not one) holds back what is no whole block, less than 10 ms, and the suppressor 6 ms more. None of it moves
anything on the sample clock.
"""

from ctypes import string_at
from typing import Final, NamedTuple

import numpy as np

from wavelane.audio.enhance.gain import AutomaticGain
from wavelane.audio.enhance.level import HOP, LevelTracker, Measurement, measure, measure_int16
from wavelane.audio.enhance.offset import OffsetRemoval
from wavelane.audio.enhance.options import AudioOptions
from wavelane.audio.enhance.quality import Change, QualityMonitor
from wavelane.audio.enhance.suppression import NoiseSuppressor
from wavelane.audio.pcm import int16_samples
from wavelane.native.calm import State
from wavelane.work import Samples

BLOCK: Final = 160
"""Samples that leave together (10 ms)."""

_NOTHING: Samples = np.zeros(0, np.float32)


class Note(NamedTuple):
    """A change of the quality of the audio."""

    at: int
    """Sample clock, the end of the hop that shows it."""
    change: Change


class FrontEnd:
    """Processes one stream; any split of the same samples gives the same output and the same notes.

    Args:
        options: what is on.

    Raises:
        WavelaneError: INVALID_CONFIG, a library that the options need is missing.
    """

    def __init__(self, options: AudioOptions) -> None:
        self._tracker = LevelTracker()
        self._gain = AutomaticGain() if options.gain == "auto" else None
        self._offset = OffsetRemoval() if options.remove_dc else None
        self._quality = QualityMonitor() if options.report else None
        self._suppressor = None if options.noise_suppression == "off" else NoiseSuppressor(options.noise_suppression)
        self._blocks = self._suppressor is not None
        self._rest: Samples = _NOTHING
        self._hop: list[Samples] = []
        self._filled = 0
        self._clock = 0
        self.notes: list[Note] = []
        """What is to be told; whoever tells it clears the list."""

    @classmethod
    def wanted(cls, options: AudioOptions) -> "FrontEnd | None":
        """The front end of the options; None where there is nothing to do."""
        return cls(options) if options.processing else None

    def push(self, samples: Samples, int16: bytes | None = None) -> Samples:
        """Take samples [n], give those that are ready [m].

        Args:
            samples: [n].
            int16: the same samples as 16-bit little-endian audio, where that is how they came.

        Returns:
            [m]; input that is not changed is not copied, and all of it is ``samples`` itself.
        """
        if (
            # As most audio comes: one hop to which nothing is done.
            int16 is not None
            and len(samples) == HOP
            and not (self._filled or self._blocks)
            and (self._offset is None or self._offset.none)
        ):
            self._clock += HOP
            self._follow(measure_int16(int16))
            return samples
        if len(self._rest):
            samples = np.concatenate((self._rest, samples))
            self._rest = _NOTHING
        if self._filled + len(samples) <= HOP:
            return self._advance(samples)
        parts = []
        at = 0
        while at < len(samples):
            piece = samples[at : at + HOP - self._filled]
            at += len(piece)
            parts.append(self._advance(piece))
        return np.concatenate(parts)

    def flush(self) -> Samples:
        """Give all that is held back. What follows is the same stream: levels, gain and offset are kept."""
        rest, self._rest = self._rest, _NOTHING
        output = self._corrected(rest) if len(rest) else rest
        if self._suppressor is not None:
            output = self._suppressor.flush(output)
        self._clock += len(rest)
        self._hop.clear()
        self._filled = 0
        for stage in (self._offset, self._gain):
            if stage is not None:
                stage.settle()
        return output

    def lend(self, state: State) -> bool:
        """Give the state away for hops that change nothing, see :mod:`wavelane.native.calm`.

        Returns:
            False within a hop, and while anything is done to the audio or wrong with it; it was not given away then.
        """
        if self._filled or self._blocks:
            return False
        state.measured = True
        state.gain, state.offset, state.report = (
            stage is not None for stage in (self._gain, self._offset, self._quality)
        )
        self._tracker.lend(state)
        return (self._offset is None or self._offset.lend(state)) and (
            self._quality is None or self._quality.lend(state)
        )

    def reclaim(self, state: State) -> None:
        """Take the state back, ``state.taken`` samples later."""
        self._clock += state.taken
        if state.part:
            self._hop.append(int16_samples(string_at(state.hop, 2 * state.part)))
            self._filled = state.part
        for stage in (self._tracker, self._offset, self._quality):
            if stage is not None:
                stage.reclaim(state)

    def _advance(self, samples: Samples) -> Samples:
        """Process samples [n] that lie within the hop in progress."""
        if self._blocks and (over := len(samples) % BLOCK):
            # A copy: the caller's memory may be a packet's, and would be kept whole.
            self._rest = samples[-over:].copy()
            samples = samples[:-over]
        output = self._corrected(samples)
        if self._suppressor is not None:
            output = self._suppressor.push(output)
        self._hop.append(samples)
        self._filled += len(samples)
        self._clock += len(samples)
        if self._filled == HOP:
            self._follow(measure(self._hop[0] if len(self._hop) == 1 else np.concatenate(self._hop)))
            self._hop.clear()
            self._filled = 0
        return output

    def _corrected(self, samples: Samples) -> Samples:
        if self._offset is not None:
            samples = self._offset.apply(samples)
        return samples if self._gain is None else self._gain.apply(samples)

    def _follow(self, hop: Measurement) -> None:
        """A hop is over: what it tells about the next one, and to the client."""
        speech = self._tracker.push(hop.rms)
        if self._gain is not None:
            self._gain.follow(self._tracker, speech)
            self._blocks = self._suppressor is not None or not self._gain.flat
        if self._offset is not None:
            self._offset.follow(hop.mean)
        if self._quality is not None:
            for change in self._quality.push(hop, self._tracker, speech):
                self.notes.append(Note(self._clock, change))


def whole(options: AudioOptions, samples: Samples) -> Samples:
    """A whole file [n] as the encoder hears it in a session without a detector, [m]: processed, with its silence."""
    if (front_end := FrontEnd.wanted(options)) is not None:
        samples = np.concatenate((front_end.push(samples), front_end.flush()))
    lead, tail = (np.zeros(ms * 16, np.float32) for ms in (options.lead_ms, options.tail_ms))
    return np.concatenate((lead, samples, tail))
