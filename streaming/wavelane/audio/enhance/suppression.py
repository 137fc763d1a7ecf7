"""WebRTC's noise suppressor, as the package webrtc-noise-gain binds it (a Wiener filter over 10 ms blocks).

It delays by 96 samples (6 ms: its analysis windows of 256 overlap by as much). The delay is taken out of the sample
clock: the first 96 samples it gives are dropped, and where a stream is cut it is fed silence until the rest has come.
"""

import importlib.util
from typing import Any, Final

import numpy as np

from wavelane.audio.enhance.options import Suppression
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Samples

DELAY: Final = 96
"""Samples by which the suppressor's output is late."""
BLOCK: Final = 160
"""Samples that it takes at a time."""

_LEVELS: Final[dict[Suppression, int]] = {"low": 1, "moderate": 2, "high": 3, "very_high": 4}
_BYTES = 2 * BLOCK
_INT16 = np.dtype("<i2")
_SCALE, _LEAST, _MOST = np.float32(32768.0), np.float32(-32768.0), np.float32(32767.0)


def check_suppression(level: Suppression) -> None:
    """Raise INVALID_CONFIG where the library for a level is missing."""
    if level != "off" and importlib.util.find_spec("webrtc_noise_gain") is None:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"audio.noise_suppression: {level} needs a library that the server has not installed: "
            "pip install 'wavelane[noise]', or set it to off",
        )


class NoiseSuppressor:
    """The suppressor of one stream.

    Args:
        level: not ``off``.

    Raises:
        WavelaneError: INVALID_CONFIG, the library is missing.
    """

    def __init__(self, level: Suppression) -> None:
        check_suppression(level)
        from webrtc_noise_gain import AudioProcessor

        self._process: Any = AudioProcessor(0, _LEVELS[level]).Process10ms
        self._late = DELAY

    def push(self, samples: Samples) -> Samples:
        """Take whole blocks [k * BLOCK], give what is ready: 96 samples less at the start of a stream."""
        data = _to_bytes(samples)
        process = self._process
        parts = [process(data[at : at + _BYTES]).audio for at in range(0, len(data), _BYTES)]
        output: Samples = np.frombuffer(b"".join(parts), _INT16).astype(np.float32) / _SCALE
        if self._late and len(output):
            output, self._late = output[self._late :], 0
        return output

    def flush(self, samples: Samples) -> Samples:
        """Take the last samples [n], fewer than a block, and give all that is due: n and the 96 before them."""
        due = len(samples) + DELAY - self._late
        silence = np.zeros(-(len(samples) + DELAY) % BLOCK + DELAY, np.float32)
        output = self.push(np.concatenate((samples, silence)))[:due] if due else samples
        self._late = DELAY
        return output


def _to_bytes(samples: Samples) -> bytes:
    scaled = samples * _SCALE
    scaled.clip(_LEAST, _MOST, out=scaled)
    return scaled.round().astype(_INT16).tobytes()
