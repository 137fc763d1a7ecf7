"""One way to every encoding: bytes in, blocks of float samples out."""

from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

import numpy as np

from wavelane.audio.container import ContainerDecoder
from wavelane.audio.limits import DecoderLimits
from wavelane.audio.pcm import Block, PcmDecoder
from wavelane.errors import ErrorCode, WavelaneError

__all__ = ["AudioDecoder", "DecoderLimits", "Encoding", "RawDecoder", "decode_bytes", "open_decoder"]

Encoding = Literal["linear16", "float32", "mulaw", "alaw", "container"]

_SLICE = 1 << 16
"""Bytes of an upload that are taken at a time."""


class AudioDecoder(Protocol):
    """A stream's decoder. Any split of the same bytes gives the same samples.

    ``feed`` and ``finish`` decode while they are iterated over, so that a consumer can stop before it holds too much;
    what is left is given by the next call. Samples that precede an error are given before it is raised.
    """

    @property
    def sample_rate(self) -> int:
        """Samples per second (Hz); known once there was a block."""

    @property
    def channels(self) -> int:
        """Channels; known once there was a block."""

    def feed(self, data: bytes) -> Iterable[Block]:
        """Take bytes, give the blocks [channels, n] that they complete; a tuple when they are decoded already.

        Raises:
            WavelaneError: INVALID_AUDIO, while the blocks are iterated over; the decoder is of no more use.
        """

    def finish(self) -> Iterator[Block]:
        """No more bytes: give the rest.

        Raises:
            WavelaneError: INVALID_AUDIO, after the last block, for bytes left over or a container that was cut.
        """


class RawDecoder:
    """Of raw samples; see :class:`AudioDecoder`."""

    def __init__(self, encoding: str, sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.pcm = PcmDecoder(encoding, channels)

    def feed(self, data: bytes) -> Iterable[Block]:
        """See :class:`AudioDecoder`."""
        return self.pcm.feed(data)

    def finish(self) -> Iterator[Block]:
        """See :class:`AudioDecoder`."""
        self.pcm.finish()
        yield from ()


class _ContainerDecoder:
    def __init__(self, limits: DecoderLimits) -> None:
        self._container = ContainerDecoder(limits)

    @property
    def sample_rate(self) -> int:
        return _known(self._container.sample_rate)

    @property
    def channels(self) -> int:
        return _known(self._container.channels)

    def feed(self, data: bytes) -> Iterator[Block]:
        return self._container.feed(data)

    def finish(self) -> Iterator[Block]:
        return self._container.finish()


def _known(value: int | None) -> int:
    if value is None:
        raise RuntimeError("a container's format is known once there was a block")
    return value


def open_decoder(
    encoding: Encoding, *, sample_rate: int | None = None, channels: int = 1, limits: DecoderLimits | None = None
) -> AudioDecoder:
    """A decoder for one stream.

    Args:
        encoding: format of raw samples (little-endian), or ``container`` for what says its own.
        sample_rate: of raw samples (Hz); a container's is its own.
        channels: of raw samples, interleaved; a container's are its own.
        limits: bounds on what a container may become.

    Raises:
        WavelaneError: INVALID_CONFIG for raw samples without a rate.
    """
    if encoding == "container":
        return _ContainerDecoder(limits or DecoderLimits())
    if sample_rate is None:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"sample_rate: say how many samples a second {encoding} has")
    return RawDecoder(encoding, sample_rate, channels)


def decode_bytes(data: bytes, limits: DecoderLimits | None = None) -> tuple[int, Block]:
    """Decode a whole file in a container.

    Returns:
        sample rate (Hz) and samples [channels, n].

    Raises:
        WavelaneError: INVALID_AUDIO where a stream of the same bytes would fail, and for a file without audio.
    """
    decoder = open_decoder("container", limits=limits)
    blocks: list[Block] = []
    for at in range(0, len(data), _SLICE):
        blocks.extend(decoder.feed(data[at : at + _SLICE]))
    blocks.extend(decoder.finish())
    if not blocks:
        raise WavelaneError(ErrorCode.INVALID_AUDIO, "the file holds no audio")
    return decoder.sample_rate, np.concatenate(blocks, axis=1)
