"""What a detector of speech is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wavelane.work import Samples


class Detector(Protocol):
    """Judges a mono 16 kHz stream, frame by frame; any split of the same samples gives the same judgements.

    Detectors of this kind compute where they are called, which must cost next to nothing. One that runs a network
    (:mod:`wavelane.vad.silero`) is run elsewhere, for many streams at once.
    """

    @property
    def frame_samples(self) -> int:
        """Samples of one frame."""

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """Take samples [n]; the probability of speech in each frame they complete, [k], 0 to 1."""

    def reset(self) -> None:
        """Begin a new stream."""


class DeferredDetector:
    """Stands for a detector that runs elsewhere, for many streams at once.

    ``push`` judges nothing; it leaves the windows in :attr:`windows` for whoever runs the detector, and the judgements
    come back to the gate later, in order.

    Args:
        frame_samples: samples that one judgement is about.
    """

    def __init__(self, frame_samples: int) -> None:
        self.frame_samples = frame_samples
        self.windows: list[Samples] = []
        """Complete windows that nobody took yet, each [k, frame_samples]."""
        self.fresh = True
        """The next window begins a new stream."""
        self._rest: Samples = _NOTHING

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """Take samples [n]; no judgement yet."""
        audio = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        count = len(audio) // self.frame_samples
        self._rest = audio[count * self.frame_samples :].copy()
        if count:
            self.windows.append(audio[: count * self.frame_samples].reshape(count, self.frame_samples))
        return _NOTHING

    def reset(self) -> None:
        """Begin a new stream; every window was taken and judged."""
        self._rest = _NOTHING
        self.fresh = True


_NOTHING = np.zeros(0, np.float32)
