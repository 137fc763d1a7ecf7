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
