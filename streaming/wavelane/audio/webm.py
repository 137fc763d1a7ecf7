"""WebM and Matroska (RFC 8794, RFC 9559), as files and as browsers' MediaRecorder streams them."""

import struct
from collections.abc import Iterator

from wavelane.audio.demux import Packet, Parser, Stream
from wavelane.audio.limits import corrupt, truncated

_EBML, _SEGMENT, _CLUSTER, _TRACKS = 0x1A45DFA3, 0x18538067, 0x1F43B675, 0x1654AE6B
_TRACK, _NUMBER, _TYPE, _CODEC, _PRIVATE, _AUDIO, _ENCODINGS = 0xAE, 0xD7, 0x83, 0x86, 0x63A2, 0xE1, 0x6D80
_RATE, _CHANNELS, _BITS, _DELAY = 0xB5, 0x9F, 0x6264, 0x56AA
_SIMPLE_BLOCK, _GROUP, _BLOCK, _DISCARD = 0xA3, 0xA0, 0xA1, 0x75A2
_AUDIO_TRACK = 2
_NANOSECONDS = 1_000_000_000
_MOST_DELAY = 10 * _NANOSECONDS
"""Longest codec delay: what it drops is decoded all the same."""

_CODECS: dict[str, str | dict[int, str]] = {
    "A_OPUS": "opus",
    "A_VORBIS": "vorbis",
    "A_FLAC": "flac",
    "A_AAC": "aac",
    "A_MPEG/L3": "mp3float",
    "A_PCM/INT/LIT": {8: "unsigned8", 16: "linear16", 24: "linear24", 32: "linear32"},
    "A_PCM/FLOAT/IEEE": {32: "float32", 64: "float64"},
}


def _number(data: bytes, at: int, *, marked: bool) -> tuple[int, int] | None:
    """A variable-length number and its length; None when it is cut. ``marked`` keeps the length bits (element ids)."""
    if at >= len(data) or not data[at]:
        return None if at >= len(data) else (0, 0)
    length = 9 - data[at].bit_length()
    if at + length > len(data):
        return None
    value = int.from_bytes(data[at : at + length], "big")
    return value if marked else value & ~(1 << 7 * length), length


def _integer(data: bytes, *, signed: bool = False) -> int:
    """The value of an integer element."""
    if len(data) > 8:
        raise corrupt("WebM", f"an integer of {len(data)} bytes")
    return int.from_bytes(data, "big", signed=signed)


def _children(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Elements inside a complete element."""
    at = 0
    while at < len(data):
        name = _number(data, at, marked=True)
        size = _number(data, at + name[1], marked=False) if name and name[1] else None
        if not name or not size or not size[1]:
            raise corrupt("WebM", "an element without a length")
        at += name[1] + size[1]
        yield name[0], data[at : at + size[0]]
        at += size[0]


class WebmParser(Parser):
    """See :class:`wavelane.audio.demux.Demuxer`. The first audio track is taken."""

    container = "WebM"
    _track: int | None = None
    _rate = 48_000
    _skip = 0
    """Samples of codec delay still to drop; FFmpeg's Opus and Vorbis decoders drop their own."""
    _segment_end: int | None = None

    def feed(self, data: bytes) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        queue = self._queue
        queue.append(data)
        while len(queue):
            head = queue.peek(12)
            name = _number(head, 0, marked=True)
            size = _number(head, name[1], marked=False) if name and name[1] else None
            if name is not None and (name[1] in (0, *range(5, 9)) or (size is not None and not size[1])):
                raise corrupt(self.container, f"no element at byte {queue.position}")
            if name is None or size is None:
                return
            element, header = name[0], name[1] + size[1]
            unknown = size[0] == (1 << 7 * size[1]) - 1
            if element in (_SEGMENT, _CLUSTER):
                queue.take(header)
                if element == _SEGMENT and not unknown:
                    self._segment_end = queue.position + size[0]
            elif unknown:
                raise corrupt(self.container, f"the element before byte {queue.position + header} has no length")
            elif element in (_TRACKS, _SIMPLE_BLOCK, _GROUP):
                limits = self._limits
                limit = limits.max_header_bytes if element == _TRACKS else limits.max_packet_bytes
                body = queue.take(header + size[0], limit)
                if body is None:
                    return
                yield from self._element(element, body[header:])
            else:
                queue.skip(header + size[0])

    def finish(self) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        short = self._segment_end is not None and self._queue.position < self._segment_end
        if self._queue.pending or self._track is None or short:
            raise truncated(self.container)
        yield from ()

    def _element(self, element: int, body: bytes) -> Iterator[Stream | Packet]:
        if element == _TRACKS:
            if self._track is None:
                yield self._tracks(body)
        elif element == _SIMPLE_BLOCK:
            yield from self._block(body, 0)
        else:
            parts = dict(_children(body))
            padding = _integer(parts.get(_DISCARD, b""), signed=True)
            if _BLOCK in parts:
                yield from self._block(parts[_BLOCK], max(0, padding))

    def _tracks(self, body: bytes) -> Stream:
        for name, entry in _children(body):
            track = dict(_children(entry)) if name == _TRACK else {}
            if _integer(track.get(_TYPE, b"")) != _AUDIO_TRACK:
                continue
            if _ENCODINGS in track:
                raise corrupt(self.container, "its audio track is compressed or encrypted as a whole")
            self._track = _integer(track.get(_NUMBER, b""))
            audio = dict(_children(track.get(_AUDIO, b"")))
            codec_name = track.get(_CODEC, b"").rstrip(b"\0").decode("ascii", "replace")
            codec = _CODECS.get(codec_name)
            if isinstance(codec, dict):
                codec = codec.get(_integer(audio.get(_BITS, b"")))
            if codec is None:
                raise corrupt(self.container, f"codec {codec_name!r}; {', '.join(_CODECS)} are known")
            self._rate = 48_000 if codec == "opus" else round(_float(audio.get(_RATE, b""), 8_000.0))
            channels = _integer(audio.get(_CHANNELS, b"\1"))
            private = track.get(_PRIVATE, b"")
            delay = _integer(track.get(_DELAY, b""))
            if delay > _MOST_DELAY:
                raise corrupt(self.container, f"a codec delay of {delay / _NANOSECONDS:.0f} s")
            self._skip = 0 if codec in ("opus", "vorbis") else round(delay * self._rate / _NANOSECONDS)
            if codec == "flac":
                private = private[8:42] if private.startswith(b"fLaC") else private
            return Stream(codec=codec, extradata=private, rate=self._rate, channels=channels)
        raise corrupt(self.container, "it has no audio track")

    def _block(self, body: bytes, padding: int) -> Iterator[Packet]:
        """A block's frames; ``padding``: nanoseconds to drop at its end."""
        track = _number(body, 0, marked=False)
        if self._track is None or track is None or not track[1] or len(body) < track[1] + 3:
            raise corrupt(self.container, "a block before the tracks, or a cut one")
        if track[0] != self._track:
            return
        flags = body[track[1] + 2]
        frames = unlace(body[track[1] + 3 :], flags >> 1 & 3)
        discard = padding * self._rate // _NANOSECONDS
        for index, frame in enumerate(frames):
            if frame:
                yield Packet(frame, skip=self._skip, discard=discard if index == len(frames) - 1 else 0)
                self._skip = 0


def _float(data: bytes, default: float) -> float:
    if len(data) not in (4, 8):
        return default
    (value,) = struct.unpack(">f" if len(data) == 4 else ">d", data)
    return float(value) if 0 < value < 1e9 else default


def unlace(data: bytes, kind: int) -> list[bytes]:
    """Frames of a laced block (RFC 9559, section 10.3): none, Xiph, fixed or EBML lacing."""
    if kind == 0:
        return [data]
    if not data:
        raise corrupt("WebM", "an empty laced block")
    count, at = data[0] + 1, 1
    sizes: list[int] = []
    if kind == 2:
        sizes = [(len(data) - 1) // count] * (count - 1)
    for index in range(count - 1 if kind != 2 else 0):
        if kind == 1:
            size = 0
            while at < len(data) and data[at] == 255:
                size, at = size + 255, at + 1
            size += data[at] if at < len(data) else 0
            at += 1
        else:
            number = _number(data, at, marked=False)
            if number is None or not number[1]:
                raise corrupt("WebM", "a laced block without lengths")
            bias = 0 if index == 0 else (1 << 7 * number[1] - 1) - 1
            size = number[0] - bias + (sizes[-1] if index else 0)
            at += number[1]
        sizes.append(size)
    if min(sizes, default=0) < 0 or at + sum(sizes) > len(data):
        raise corrupt("WebM", "a laced block whose lengths do not fit")
    frames = []
    for size in sizes:
        frames.append(data[at : at + size])
        at += size
    return [*frames, data[at:]]
