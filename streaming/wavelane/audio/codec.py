"""Coded packets to samples, by FFmpeg's decoders, on the calling thread."""

from collections.abc import Iterator

import av
import numpy as np

from wavelane.audio.demux import Packet, Stream
from wavelane.audio.limits import DecoderLimits, Expansion, check_format, corrupt, truncated
from wavelane.audio.pcm import Block, checked

_MAX_FAULTS = 10
"""Consecutive MP3 or AAC frames that may fail, as they do where a stream is joined, before it counts as corrupt."""
_RESILIENT = ("mp3float", "aac")


class PacketDecoder:
    """Decodes the packets of one stream.

    Args:
        container: for messages.
        limits: bounds on rate, channels and expansion.
    """

    def __init__(self, container: str, limits: DecoderLimits) -> None:
        self._container = container
        self._limits = limits
        self._expansion = Expansion(limits)
        self._context: av.AudioCodecContext | None = None
        self._stream = Stream(codec="")
        self._stream_samples = 0
        self._position = 0
        self._faults = 0
        self._skip = 0
        self.rate: int | None = None
        """Samples per second (Hz), once known."""
        self.channels: int | None = None
        """Channels, once known."""

    def begin(self, stream: Stream) -> None:
        """Prepare for a stream; one that follows another must have the same rate and channels.

        Raises:
            WavelaneError: INVALID_AUDIO for a rate or channels out of bounds.
        """
        if stream.rate is not None and stream.channels is not None:
            self.expect(stream.rate, stream.channels)
        context = av.CodecContext.create(stream.codec, "r")
        assert isinstance(context, av.AudioCodecContext), "all decoders here are audio"
        context.thread_count = 1
        if stream.codec == "flac":
            context.options = {"err_detect": "crccheck+explode"}
        if stream.extradata:
            context.extradata = stream.extradata
        self._context = context
        self._stream = stream
        self._stream_samples = 0
        self._skip = 0

    def decode(self, packet: Packet) -> Iterator[Block]:
        """Give what a packet decodes to, [channels, n].

        Raises:
            WavelaneError: INVALID_AUDIO for a corrupt packet or too much expansion.
        """
        try:
            frames = self._decoder().decode(av.Packet(packet.data))
        except (av.FFmpegError, ValueError) as error:
            self._faults += 1
            if self._stream.codec in _RESILIENT and self._faults <= _MAX_FAULTS:
                return
            where = f" after {self._position / self.rate:.2f} s" if self.rate else ""
            raise corrupt(self._container, f"a packet does not decode{where} ({reason(error)})") from None
        self._faults = 0
        self._skip += packet.skip
        yield from self._blocks(frames, packet, len(packet.data))

    def finish(self) -> Iterator[Block]:
        """Give what the decoder held back.

        Raises:
            WavelaneError: INVALID_AUDIO when samples are missing that the stream promised.
        """
        if self._context is None:
            return
        try:
            frames = self._decoder().decode(None)
        except av.FFmpegError:
            frames = []
        yield from self._blocks(frames, Packet(b""), 0)
        total = self._stream.total
        if total is not None and self._stream_samples < total:
            raise truncated(self._container)

    def _decoder(self) -> av.AudioCodecContext:
        if self._context is None:
            raise corrupt(self._container, "audio comes before the description of its format")
        return self._context

    def _blocks(self, frames: list[av.AudioFrame], packet: Packet, coded: int) -> Iterator[Block]:
        blocks = []
        for frame in frames:
            self.expect(frame.sample_rate, frame.layout.nb_channels)
            blocks.append(to_block(frame))
        count = sum(block.shape[1] for block in blocks)
        if self.rate is not None:
            # What is dropped below was decoded too.
            self._expansion.account(coded, count, self.rate)
        excess = packet.discard
        if packet.end is not None:
            excess = max(excess, self._stream_samples + count - packet.end)
        keep = max(0, count - excess)
        for block in blocks:
            samples = min(block.shape[1], keep)
            keep -= samples
            front = min(self._skip, samples)
            self._skip -= front
            if samples > front:
                for part in checked(block[:, front:samples], self._position):
                    self._position += part.shape[1]
                    self._stream_samples += part.shape[1]
                    yield part

    def expect(self, rate: int, channels: int) -> None:
        """Note the format of the stream.

        Raises:
            WavelaneError: INVALID_AUDIO when it is out of bounds or another than before.
        """
        if self.rate is None:
            check_format(self._container, rate, channels, self._limits)
            self.rate, self.channels = rate, channels
        elif (rate, channels) != (self.rate, self.channels):
            raise corrupt(
                self._container,
                f"it changes from {self.channels} channels at {self.rate} Hz to {channels} at {rate} Hz midway",
            )


def to_block(frame: av.AudioFrame) -> Block:
    """A decoded frame as [channels, n] float32, whatever its sample format."""
    samples = frame.to_ndarray()
    if frame.format.is_packed:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return np.ascontiguousarray((samples.astype(np.float32) - 128.0) / 128.0)
    if samples.dtype.kind == "i":
        return np.ascontiguousarray(samples * np.float32(2.0 ** (1 - 8 * samples.dtype.itemsize)), np.float32)
    return np.ascontiguousarray(samples, np.float32)


def reason(error: Exception) -> str:
    """What FFmpeg says, as part of a sentence."""
    return (getattr(error, "strerror", None) or str(error)).lower()
