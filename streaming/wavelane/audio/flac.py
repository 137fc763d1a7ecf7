"""Native FLAC (RFC 9639): metadata blocks, then frames that do not know their length.

FFmpeg's parser waits for ten frames, seconds of a live stream, before it trusts the first. Here a frame ends where the
next one's header stands: synchronisation code, checksum and running number must all fit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from wavelane.audio.demux import Packet, Parser, Stream
from wavelane.audio.limits import corrupt, truncated
from wavelane.audio.ogg import flac_stream

_MAX_HEADER = 16
_STREAMINFO = 34


def _crc8_table() -> bytes:
    table = bytearray(256)
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc << 1 ^ 0x07 if crc & 0x80 else crc << 1) & 0xFF
        table[value] = crc
    return bytes(table)


_CRC8 = _crc8_table()


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """The start of a frame."""

    variable: bool
    """The number counts samples, not frames."""
    number: int
    samples: int
    """Of each channel."""

    @property
    def next_number(self) -> int:
        """Number of the frame that follows."""
        return self.number + (self.samples if self.variable else 1)


def parse_frame_header(data: bytes) -> FrameHeader | None:
    """Read a frame header (RFC 9639, section 9.1) at the start of up to 16 bytes; None where there is none."""
    if len(data) < 6 or data[0] != 0xFF or data[1] & 0xFE != 0xF8 or data[3] & 1:
        return None
    block_code, rate_code = data[2] >> 4, data[2] & 15
    if block_code == 0 or rate_code == 15:
        return None
    first = data[4]
    extra = 0 if first < 0x80 else 8 - (first ^ 0xFF).bit_length() - 1
    at = 5 + extra
    need = at + {6: 1, 7: 2}.get(block_code, 0) + {12: 1, 13: 2, 14: 2}.get(rate_code, 0) + 1
    if (first >= 0x80 and not 1 <= extra <= 6) or len(data) < need:
        return None
    number = first if not extra else first & (0x3F >> extra)
    for byte in data[5:at]:
        number = number << 6 | byte & 0x3F
    if block_code == 1:
        samples = 192
    elif block_code <= 5:
        samples = 144 << block_code
    elif block_code <= 7:
        samples = int.from_bytes(data[at : at + block_code - 5], "big") + 1
    else:
        samples = 1 << block_code
    crc = 0
    for byte in data[: need - 1]:
        crc = _CRC8[crc ^ byte]
    return FrameHeader(bool(data[1] & 1), number, samples) if crc == data[need - 1] else None


class FlacParser(Parser):
    """See :class:`wavelane.audio.demux.Demuxer`."""

    container = "FLAC"
    _started = False
    _stream: Stream | None = None
    _frames = False
    _header: FrameHeader | None = None
    _searched = 0
    """Bytes of the queue that were searched for the next header."""

    def feed(self, data: bytes) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        self._queue.append(data)
        if not self._frames:
            yield from self._metadata()
        if self._frames:
            yield from self._split()

    def finish(self) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        if not self._frames:
            raise truncated(self.container)
        yield from self._split(final=True)
        if rest := self._queue.take(len(self._queue)):
            yield Packet(rest)

    def _metadata(self) -> Iterator[Stream]:
        queue = self._queue
        if not self._started:
            if queue.take(4) is None:
                return
            self._started = True
        while not self._frames:
            if len(queue) < 4:
                return
            header = queue.peek(4)
            size = int.from_bytes(header[1:], "big")
            if self._stream is None:
                if header[0] & 0x7F or size != _STREAMINFO:
                    raise corrupt(self.container, "it does not begin with STREAMINFO")
                if (block := queue.take(4 + size)) is None:
                    return
                self._stream = flac_stream(block[4:])
                yield self._stream
            else:
                queue.skip(4 + size)
            self._frames = bool(header[0] & 0x80)

    def _split(self, *, final: bool = False) -> Iterator[Packet]:
        """Give the frames whose end is known; ``final``: no more bytes will come for a header at the end."""
        queue = self._queue
        if self._header is None:
            if len(queue) < _MAX_HEADER and not final:
                return
            if not len(queue):
                return
            self._header = parse_frame_header(queue.peek(_MAX_HEADER))
            self._searched = 2
            if self._header is None:
                raise corrupt(self.container, f"no frame at byte {queue.position}")
        while True:
            at = queue.find(b"\xff", self._searched)
            if at < 0:
                self._searched = len(queue)
                break
            candidate = queue.peek(_MAX_HEADER, at)
            if len(candidate) < _MAX_HEADER and not final:
                self._searched = at
                break
            header = parse_frame_header(candidate)
            if (
                header is not None
                and header.variable == self._header.variable
                and header.number == self._header.next_number
            ):
                packet = queue.take(at)
                assert packet is not None, "the frame is in the queue"
                yield Packet(packet)
                self._header = header
                self._searched = 2
            else:
                self._searched = at + 1
        if len(queue) > self._limits.max_packet_bytes:
            raise corrupt(self.container, f"no frame in the {len(queue)} bytes after byte {queue.position}")
