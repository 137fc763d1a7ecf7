"""Ogg (RFC 3533) with Opus (RFC 7845), Vorbis or FLAC."""

import struct
import zlib
from collections.abc import Iterator

from wavelane.audio.demux import Packet, Parser, Stream
from wavelane.audio.limits import corrupt, truncated

_CONTINUED, _FIRST, _LAST = 1, 2, 4
_HEADER = struct.Struct("<4sBBqIIIB")
_LEAST_HEAD = {"opus": 19, "vorbis": 30, "flac": 51}
"""Bytes of a stream's first packet."""
_MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _checksum(page: bytes) -> int:
    """Ogg's CRC-32 (not reflected, zero start): zlib's over mirrored bytes, with its start and end inversion undone."""
    reflected = zlib.crc32(page.translate(_MIRROR), 0xFFFF_FFFF) ^ 0xFFFF_FFFF
    return int(f"{reflected:032b}"[::-1], 2)


class OggParser(Parser):
    """See :class:`wavelane.audio.demux.Demuxer`. The first audio stream is taken, and those chained to its end."""

    container = "Ogg"
    _serial: int | None = None
    _found = False
    _ended = False
    _codec = ""
    _pre_skip = 0
    _headers: list[bytes]
    _partial: bytearray | None = None

    def feed(self, data: bytes) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        queue = self._queue
        queue.append(data)
        while len(queue) >= _HEADER.size:
            header = queue.peek(_HEADER.size)
            capture, version, flags, granule, serial, _, checksum, segments = _HEADER.unpack(header)
            if capture != b"OggS" or version != 0:
                raise corrupt(self.container, f"no page at byte {queue.position}")
            lacing = queue.peek(segments, _HEADER.size)
            page = queue.take(_HEADER.size + segments + sum(lacing)) if len(lacing) == segments else None
            if page is None:
                return
            if _checksum(page[:22] + bytes(4) + page[26:]) != checksum:
                raise corrupt(self.container, f"the page before byte {queue.position} fails its checksum")
            yield from self._page(page[_HEADER.size + segments :], lacing, flags, granule, serial)

    def finish(self) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        if self._queue.pending or self._partial or not self._found:
            raise truncated(self.container)
        yield from ()

    def _page(self, body: bytes, lacing: bytes, flags: int, granule: int, serial: int) -> Iterator[Stream | Packet]:
        if flags & _FIRST and (self._serial is None or self._ended):
            self._begin(body[: sum(lacing)], serial)
        if serial != self._serial:
            if not flags & _FIRST and self._serial is None:
                raise corrupt(self.container, "it has no Opus, Vorbis or FLAC")
            return
        packets = self._packets(body, lacing, continued=bool(flags & _CONTINUED))
        if flags & _LAST:
            self._ended = True
        for index, packet in enumerate(packets):
            ends_stream = self._ended and index == len(packets) - 1 and granule >= 0
            yield from self._packet(packet, granule - self._pre_skip if ends_stream else None)

    def _begin(self, head: bytes, serial: int) -> None:
        self._pre_skip = 0
        if head.startswith(b"OpusHead") and len(head) >= 19:
            self._codec = "opus"
            (self._pre_skip,) = struct.unpack_from("<H", head, 10)
        elif head.startswith(b"\x01vorbis"):
            self._codec = "vorbis"
        elif head.startswith(b"\x7fFLAC") and len(head) >= 51:
            self._codec = "flac"
        else:
            return
        self._serial = serial
        self._found = True
        self._ended = False
        self._headers = []
        self._partial = None

    def _packets(self, body: bytes, lacing: bytes, *, continued: bool) -> list[bytes]:
        """Packets that end on this page; the rest of one that does not is kept."""
        packets = []
        start = at = 0
        whole = not continued or self._partial is not None
        pending = self._partial if continued and self._partial is not None else bytearray()
        for size in lacing:
            at += size
            if size < 255:
                pending += body[start:at]
                if whole:
                    packets.append(bytes(pending))
                pending, start, whole = bytearray(), at, True
        open_end = bool(lacing) and lacing[-1] == 255
        if open_end:
            pending += body[start:at]
            if len(pending) > self._limits.max_packet_bytes:
                raise corrupt(self.container, f"a packet of more than {self._limits.max_packet_bytes} bytes")
        self._partial = pending if open_end and whole else None
        return packets

    def _packet(self, packet: bytes, end: int | None) -> Iterator[Stream | Packet]:
        headers = self._headers
        if not headers and len(packet) < _LEAST_HEAD[self._codec]:
            raise corrupt(self.container, f"a header of {len(packet)} bytes")
        if self._codec == "opus" and len(headers) < 2:
            headers.append(packet)
            if len(headers) == 2:
                yield Stream(codec="opus", extradata=headers[0], rate=48_000, channels=headers[0][9])
        elif self._codec == "vorbis" and len(headers) < 3:
            headers.append(packet)
            if len(headers) == 3:
                channels, rate = struct.unpack_from("<BI", headers[0], 11)
                yield Stream(codec="vorbis", extradata=xiph_headers(headers), rate=rate, channels=channels)
        elif self._codec == "flac" and (not headers or packet[:1] != b"\xff"):
            if not headers:
                yield flac_stream(packet[17:51])
            headers.append(b"")
        elif packet:
            yield Packet(packet, end=end)


def xiph_headers(headers: list[bytes]) -> bytes:
    """Vorbis's three headers as FFmpeg and Matroska take them: laced, all lengths but the last in front."""
    lengths = b"".join(b"\xff" * (len(header) // 255) + bytes([len(header) % 255]) for header in headers[:-1])
    return bytes([len(headers) - 1]) + lengths + b"".join(headers)


def flac_stream(info: bytes) -> Stream:
    """A stream from the 34 bytes of FLAC's STREAMINFO (RFC 9639, section 8.2)."""
    packed = int.from_bytes(info[10:18], "big")
    return Stream(
        codec="flac",
        extradata=info,
        rate=packed >> 44,
        channels=(packed >> 41 & 7) + 1,
        total=packed & (1 << 36) - 1 or None,
    )
