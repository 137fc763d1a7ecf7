"""Raw samples from bytes that arrive in pieces of any size.

Any split of the same bytes gives the same samples: what does not fill a frame (one sample of every channel) waits.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError

Block = NDArray[np.float32]
"""Decoded audio, shape [channels, n], nominally -1 to 1."""

MAX_FLOAT = 16.0
"""Largest magnitude of a floating-point sample. Some dB above full scale happen and are kept; thousands are integers
sent as floats and would reach the model as nonsense."""


def _mulaw_table() -> NDArray[np.float32]:
    """ITU-T G.711 mu-law: sign, three bits of exponent, four of mantissa, all inverted; bias 33 (14 bit)."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = (((mantissa << 1) + 33) << exponent) - 33
    return (np.where(code & 0x80, -magnitude, magnitude) / np.float32(8192)).astype(np.float32)


def _alaw_table() -> NDArray[np.float32]:
    """ITU-T G.711 A-law: sign, three bits of exponent, four of mantissa, even bits inverted (13 bit)."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    exponent, mantissa = (code >> 4) & 7, code & 15
    magnitude = np.where(exponent == 0, (mantissa << 1) + 1, ((mantissa << 1) + 33) << np.maximum(exponent - 1, 0))
    return (np.where(code & 0x80, magnitude, -magnitude) / np.float32(4096)).astype(np.float32)


_MULAW = _mulaw_table()
_ALAW = _alaw_table()


def _int24(data: bytes) -> Block:
    triples = np.frombuffer(data, np.uint8).reshape(-1, 3)
    wide = np.zeros((len(triples), 4), np.uint8)
    wide[:, 1:] = triples
    return wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2.0**-31)


@dataclass(frozen=True, slots=True)
class SampleFormat:
    """How one sample is written."""

    width: int
    """Bytes of a sample."""
    convert: Callable[[bytes], NDArray[np.float32]]
    """Bytes of whole samples to floats, shape [n]."""
    floating: bool = False
    """Samples may be NaN, infinite or out of range, and are checked."""


_INT16, _INT16_SCALE = np.dtype("<i2"), np.float32(2.0**-15)


def int16_samples(data: bytes) -> NDArray[np.float32]:
    """16-bit little-endian samples, [2 * n] bytes, as floats [n]."""
    return as_floats(np.frombuffer(data, _INT16))


def as_floats(samples: NDArray[np.int16] | NDArray[np.float32]) -> NDArray[np.float32]:
    """Samples [n] of 16 bits or floats, as floats [n]."""
    floats: NDArray[Any] = samples * _INT16_SCALE if samples.dtype == _INT16 else samples
    return floats


FORMATS: dict[str, SampleFormat] = {
    "linear16": SampleFormat(2, int16_samples),
    "float32": SampleFormat(4, lambda data: np.frombuffer(data, "<f4").astype(np.float32), floating=True),
    "mulaw": SampleFormat(1, lambda data: _MULAW[np.frombuffer(data, np.uint8)]),
    "alaw": SampleFormat(1, lambda data: _ALAW[np.frombuffer(data, np.uint8)]),
    "unsigned8": SampleFormat(1, lambda data: (np.frombuffer(data, np.uint8) - np.float32(128)) * np.float32(2.0**-7)),
    "linear24": SampleFormat(3, _int24),
    "linear32": SampleFormat(4, lambda data: np.frombuffer(data, "<i4").astype(np.float32) * np.float32(2.0**-31)),
    "float64": SampleFormat(8, lambda data: _narrow(np.frombuffer(data, "<f8")), floating=True),
}
"""By name. Clients send the first four raw; WAV and Matroska files have the others too."""


def _narrow(samples: NDArray[np.float64]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return samples.astype(np.float32)


class PcmDecoder:
    """Interleaved raw samples to blocks.

    Args:
        encoding: a key of :data:`FORMATS`.
        channels: interleaved channels.
    """

    def __init__(self, encoding: str, channels: int) -> None:
        self._encoding = encoding
        self._format = FORMATS[encoding]
        self._channels = channels
        self._frame_bytes = self._format.width * channels
        self._rest = b""
        self._position = 0

    def whole(self, data: bytes) -> bytes:
        """Take bytes, give those of the frames that they complete; instead of :meth:`feed`."""
        if self._rest:
            data = self._rest + data
        left = len(data) % self._frame_bytes
        if left:
            data, self._rest = data[:-left], data[-left:]
        else:
            self._rest = b""
        return data

    def feed(self, data: bytes) -> Iterable[Block]:
        """Take bytes, give the frames they complete.

        Returns:
            at most one block, [channels, n]. Of integers a tuple; of floating-point samples those before a faulty one
            are given before the error.

        Raises:
            WavelaneError: INVALID_AUDIO, while the blocks are iterated over, for NaN, infinity or a magnitude above
                :data:`MAX_FLOAT`, naming the sample.
        """
        data = self.whole(data)
        if not data:
            return ()
        samples = self._format.convert(data)
        if self._channels == 1:
            block = samples[np.newaxis]
        else:
            block = np.ascontiguousarray(samples.reshape(-1, self._channels).T)
        position = self._position
        self._position += block.shape[1]
        return checked(block, position) if self._format.floating else (block,)

    def finish(self) -> None:
        """End the audio.

        Raises:
            WavelaneError: INVALID_AUDIO when the last sample was cut.
        """
        left = len(self._rest)
        self._rest = b""
        if left:
            channels = "1 channel" if self._channels == 1 else f"{self._channels} channels"
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO,
                f"the audio ends within a sample: {left} byte{'s' * (left > 1)} left over, but {self._encoding} with "
                f"{channels} has {self._frame_bytes} bytes a sample; check encoding and channels",
            )


def checked(block: Block, position: int) -> Iterator[Block]:
    """Pass floating-point audio on as far as it is sane.

    Args:
        block: [channels, n].
        position: index of its first sample in the stream, for the message.

    Raises:
        WavelaneError: INVALID_AUDIO at the first NaN, infinity or magnitude above :data:`MAX_FLOAT`.
    """
    if not block.size or np.abs(block).max() <= MAX_FLOAT:
        yield block
        return
    faulty = ~(np.abs(block) <= MAX_FLOAT)
    index = int(faulty.any(axis=0).argmax())
    value = float(block[faulty[:, index].argmax(), index])
    if index:
        yield block[:, :index]
    raise WavelaneError(
        ErrorCode.INVALID_AUDIO,
        f"sample {position + index} is {value:g}, but floating-point audio lies between -1 and 1 (up to "
        f"{MAX_FLOAT:g} is taken); remove NaN and infinity, and send integers as linear16",
    )
