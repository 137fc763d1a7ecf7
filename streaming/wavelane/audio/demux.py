"""What the container parsers share: they take bytes in any pieces and give one stream's packets, without I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from wavelane.audio.limits import DecoderLimits, corrupt


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """An audio stream begins; its packets follow."""

    codec: str
    """Name of the FFmpeg decoder, or of a raw format (:data:`wavelane.audio.pcm.FORMATS`)."""
    extradata: bytes = b""
    """Set-up for the decoder, in FFmpeg's form."""
    rate: int | None = None
    """Samples per second (Hz); None where only decoding tells."""
    channels: int | None = None
    total: int | None = None
    """Samples of each channel that were promised."""


@dataclass(frozen=True, slots=True)
class Packet:
    """Coded audio that decodes on its own (given the packets before)."""

    data: bytes
    skip: int = 0
    """Samples to drop at the front of what this packet gives."""
    discard: int = 0
    """Samples to drop at the end of what this packet gives."""
    end: int | None = None
    """Samples of the stream after this packet, when it gives more than that."""


class Demuxer(Protocol):
    """A container format."""

    container: str
    """For messages."""

    def feed(self, data: bytes) -> Iterator[Stream | Packet]:
        """Take bytes. Raises INVALID_AUDIO for what is corrupt or unsupported."""

    def finish(self) -> Iterator[Stream | Packet]:
        """No more bytes. Raises INVALID_AUDIO, after the last packet, for a container that ends too early."""


class ByteQueue:
    """Bytes in at one end, out at the other.

    Args:
        container: for messages.
    """

    def __init__(self, container: str) -> None:
        self._container = container
        self._data = bytearray()
        self._skip = 0
        self.position = 0
        """Bytes taken out."""

    def __len__(self) -> int:
        return len(self._data)

    @property
    def pending(self) -> bool:
        """Bytes wait, or more must come to skip them."""
        return bool(self._data or self._skip)

    def append(self, data: bytes) -> None:
        """Put bytes in."""
        self._data += data
        self.skip(0)

    def peek(self, count: int, at: int = 0) -> bytes:
        """Bytes from offset ``at`` on, fewer at the end."""
        return bytes(self._data[at : at + count])

    def find(self, what: bytes, start: int) -> int:
        """Offset of ``what`` from ``start`` on, or -1."""
        return self._data.find(what, start)

    def take(self, count: int, limit: int | None = None) -> bytes | None:
        """The first ``count`` bytes, or None until they are there.

        Raises:
            WavelaneError: INVALID_AUDIO when ``count`` is above ``limit``, instead of waiting for so much.
        """
        if limit is not None and count > limit:
            raise corrupt(self._container, f"a part of {count} bytes, where {limit} is the limit")
        if self._skip or len(self._data) < count:
            return None
        data = bytes(self._data[:count])
        del self._data[:count]
        self.position += count
        return data

    def skip(self, count: int) -> None:
        """Drop ``count`` bytes, also such as have not come yet."""
        self._skip += count
        now = min(self._skip, len(self._data))
        if now:
            del self._data[:now]
            self._skip -= now
            self.position += now


class Parser:
    """Base of the parsers: a queue and the limits.

    Args:
        limits: bounds on the sizes of parts.
    """

    container: str

    def __init__(self, limits: DecoderLimits) -> None:
        self._limits = limits
        self._queue = ByteQueue(self.container)
