"""Coded audio in a container, found by its content, decoded while it arrives.

The containers are parsed here and only the codecs are FFmpeg's (through PyAV), because FFmpeg's own demuxers pull bytes
from a file that must block, which a live stream on an event loop cannot do. Any split of the same bytes gives the same
samples, and a sample comes out as soon as the packet that it is in has arrived.
"""

import io
import re
from collections.abc import Iterator
from typing import Literal

import av

from wavelane.audio.codec import PacketDecoder, reason, to_block
from wavelane.audio.demux import Demuxer, Packet, Stream
from wavelane.audio.elementary import ElementaryParser
from wavelane.audio.flac import FlacParser
from wavelane.audio.limits import DecoderLimits, Expansion, check_format, corrupt
from wavelane.audio.ogg import OggParser
from wavelane.audio.pcm import FORMATS, Block, PcmDecoder, checked
from wavelane.audio.wav import WavParser
from wavelane.audio.webm import WebmParser
from wavelane.errors import ErrorCode, WavelaneError

Container = Literal["wav", "flac", "ogg", "webm", "mp3", "aac", "mp4"]

HEAD_BYTES = 12
"""Bytes that :func:`detect` needs."""

_MAGIC: tuple[tuple[Container, re.Pattern[bytes]], ...] = (
    ("wav", re.compile(rb"(RIFF|RF64)....WAVE", re.DOTALL)),
    ("flac", re.compile(rb"fLaC")),
    ("ogg", re.compile(rb"OggS")),
    ("webm", re.compile(rb"\x1a\x45\xdf\xa3")),
    ("mp4", re.compile(rb"....ftyp", re.DOTALL)),
    ("aac", re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")),
    # MPEG audio: synchronisation, version not reserved, layer III, a bit rate and a sample rate that exist.
    ("mp3", re.compile(rb"ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef]")),
)


def detect(head: bytes) -> Container | None:
    """The container that a stream begins with, from its first :data:`HEAD_BYTES` bytes; None for any other data."""
    for name, magic in _MAGIC:
        if magic.match(head):
            return name
    return None


class ContainerDecoder:
    """Decodes a WAV, FLAC, Ogg, WebM, MP3, AAC or MP4 stream; MP4 only when it is complete.

    Args:
        limits: bounds on what the bytes may become.
    """

    def __init__(self, limits: DecoderLimits) -> None:
        self._limits = limits
        self._head = b""
        self._decoder: _StreamDecoder | _HeldDecoder | None = None

    @property
    def sample_rate(self) -> int | None:
        """Samples per second (Hz), once known."""
        return self._decoder.rate if self._decoder else None

    @property
    def channels(self) -> int | None:
        """Channels, once known."""
        return self._decoder.channels if self._decoder else None

    def feed(self, data: bytes) -> Iterator[Block]:
        """Take bytes, give the blocks [channels, n] they complete, decoding each as it is asked for.

        Raises:
            WavelaneError: INVALID_AUDIO for data that is unknown, corrupt, out of bounds or of too much expansion.
        """
        if self._decoder is None:
            self._head += data
            if len(self._head) < HEAD_BYTES:
                return
            data, self._head = self._head, b""
            self._decoder = self._open(data)
        yield from self._decoder.feed(data)

    def finish(self) -> Iterator[Block]:
        """No more bytes: give the rest.

        Raises:
            WavelaneError: INVALID_AUDIO, after the last block, when the stream was cut or never was one.
        """
        if self._decoder is not None:
            yield from self._decoder.finish()
        elif self._head:
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO,
                f"{len(self._head)} bytes are too few for a WAV, FLAC, Ogg, WebM, MP3, AAC or MP4 stream",
            )

    def _open(self, head: bytes) -> "_StreamDecoder | _HeldDecoder":
        match detect(head):
            case "wav":
                demuxer: Demuxer = WavParser(self._limits)
            case "flac":
                demuxer = FlacParser(self._limits)
            case "ogg":
                demuxer = OggParser(self._limits)
            case "webm":
                demuxer = WebmParser(self._limits)
            case "mp3":
                demuxer = ElementaryParser("MP3", self._limits)
            case "aac":
                demuxer = ElementaryParser("AAC", self._limits)
            case "mp4":
                return _HeldDecoder(self._limits)
            case None:
                raise WavelaneError(
                    ErrorCode.INVALID_AUDIO,
                    f"the audio begins with bytes {head[:8].hex(' ')}, which is no WAV, FLAC, Ogg, WebM, MP3, AAC or "
                    "MP4; set encoding and sample_rate for raw audio",
                )
        return _StreamDecoder(demuxer, self._limits)


class _StreamDecoder:
    """A demuxer and the decoder of its packets, raw samples included."""

    def __init__(self, demuxer: Demuxer, limits: DecoderLimits) -> None:
        self._demuxer = demuxer
        self._limits = limits
        self._packets = PacketDecoder(demuxer.container, limits)
        self._pcm: PcmDecoder | None = None

    @property
    def rate(self) -> int | None:
        return self._packets.rate

    @property
    def channels(self) -> int | None:
        return self._packets.channels

    def feed(self, data: bytes) -> Iterator[Block]:
        yield from self._decode(self._demuxer.feed(data))

    def finish(self) -> Iterator[Block]:
        failure = None
        try:
            yield from self._decode(self._demuxer.finish())
        except WavelaneError as error:
            failure = error
        yield from self._packets.finish()
        if failure is not None:
            raise failure
        if self._pcm is not None:
            self._pcm.finish()

    def _decode(self, items: Iterator[Stream | Packet]) -> Iterator[Block]:
        for item in items:
            if isinstance(item, Packet):
                yield from self._pcm.feed(item.data) if self._pcm else self._packets.decode(item)
            elif item.codec in FORMATS:
                channels = item.channels or 0
                self._packets.expect(item.rate or 0, channels)
                self._pcm = PcmDecoder(item.codec, channels)
            else:
                self._packets.begin(item)


class _HeldDecoder:
    """MP4, whose index may stand at the end: held until it is complete, then decoded as a file."""

    def __init__(self, limits: DecoderLimits) -> None:
        self._limits = limits
        self._data = bytearray()
        self.rate: int | None = None
        self.channels: int | None = None

    def feed(self, data: bytes) -> Iterator[Block]:
        self._data += data
        if len(self._data) > self._limits.max_held_bytes:
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO,
                f"an MP4 file decodes only when it is complete, and this one is longer than "
                f"{self._limits.max_held_bytes} bytes (max_held_bytes); send WebM, Ogg or FLAC",
            )
        yield from ()

    def finish(self) -> Iterator[Block]:
        expansion = Expansion(self._limits)
        expansion.account(len(self._data), 0, 1)
        try:
            with av.open(io.BytesIO(self._data), "r", format="mp4") as file:
                stream = next((stream for stream in file.streams.audio if stream.codec_context is not None), None)
                if stream is None:
                    raise corrupt("MP4", "it has no audio track of a known codec")
                stream.codec_context.thread_count = 1
                for frame in file.decode(stream):
                    rate, channels = frame.sample_rate, frame.layout.nb_channels
                    if self.rate is None:
                        check_format("MP4", rate, channels, self._limits)
                        self.rate, self.channels = rate, channels
                    if (rate, channels) != (self.rate, self.channels):
                        raise corrupt("MP4", f"it changes to {channels} channels at {rate} Hz midway")
                    expansion.account(0, frame.samples, rate)
                    yield from checked(to_block(frame), expansion.samples - frame.samples)
        except (av.FFmpegError, ValueError) as error:
            raise corrupt("MP4", reason(error)) from None
