"""MP3 (ISO 11172-3 and 13818-3, layer III) and AAC in ADTS (ISO 13818-7): frames that stand one after another."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from wavelane.audio.demux import Packet, Parser, Stream
from wavelane.audio.limits import DecoderLimits, corrupt, truncated

_ID3_HEADER = 10
_MAX_JUNK = 1 << 16
"""Bytes between frames, as of tags in the middle, before the stream counts as corrupt."""
_DECODER_DELAY = 529
"""Samples by which every MP3 decoder is late, beyond the encoder's own delay (LAME technical FAQ)."""

# kbit/s of layer III by index, for MPEG-1 and for the lower rates of MPEG-2 and 2.5.
_MPEG1_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_RATES = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLE_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
_HEADER = 7
"""Bytes that tell a frame's length."""


class _Frame(NamedTuple):
    size: int
    kind: bytes
    """What all frames of a stream have in common."""


def _mp3_frame(head: bytes) -> _Frame | None:
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_rate, sample_rate = head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or version == 1 or layer != 1 or not 0 < bit_rate < 15 or sample_rate == 3:
        return None
    rates, slot = (_MPEG1_RATES, 144_000) if version == 3 else (_MPEG2_RATES, 72_000)
    size = slot * rates[bit_rate - 1] // _SAMPLE_RATES[version][sample_rate] + (head[2] >> 1 & 1)
    return _Frame(size, bytes([head[1] & 0x1E, head[2] & 0x0C]))


def _adts_frame(head: bytes) -> _Frame | None:
    size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    if head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12 or size <= _HEADER:
        return None
    return _Frame(size, bytes([head[1] & 8, head[2] & 0xFC]))


class ElementaryParser(Parser):
    """See :class:`wavelane.audio.demux.Demuxer`.

    Once in step, a frame is given when its last byte is there. Out of step, as at the start, it must be followed by
    another of its kind.

    Args:
        container: ``MP3`` or ``AAC``.
        limits: bounds on the sizes of parts.
    """

    def __init__(self, container: str, limits: DecoderLimits) -> None:
        self.container = container
        super().__init__(limits)
        self._codec = "mp3float" if container == "MP3" else "aac"
        self._frame_at: Callable[[bytes], _Frame | None] = _mp3_frame if container == "MP3" else _adts_frame
        self._tag_done = False
        self._kind: bytes | None = None
        self._in_step = False
        self._junk = 0
        self._skip = 0

    def feed(self, data: bytes) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        queue = self._queue
        queue.append(data)
        if not self._tag_done:
            if len(queue) < _ID3_HEADER:
                return
            head = queue.peek(_ID3_HEADER)
            if head.startswith(b"ID3"):
                size = 0
                for byte in head[6:]:
                    size = size << 7 | byte & 0x7F
                queue.skip(_ID3_HEADER + size)
            self._tag_done = True
        yield from self._split()

    def finish(self) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        yield from self._split(final=True)
        cut = len(self._queue) >= _HEADER and self._frame_at(self._queue.peek(_HEADER)) is not None
        if self._kind is None or cut:
            raise truncated(self.container)

    def _split(self, *, final: bool = False) -> Iterator[Stream | Packet]:
        queue = self._queue
        while len(queue) >= _HEADER:
            frame = self._frame_at(queue.peek(_HEADER))
            if frame is None or self._kind not in (None, frame.kind):
                self._lose_step()
                continue
            if len(queue) < frame.size:
                return
            if not self._in_step:
                head = queue.peek(_HEADER, frame.size)
                if len(head) < _HEADER and not final:
                    return
                following = self._frame_at(head) if len(head) == _HEADER else None
                if len(head) == _HEADER and (following is None or following.kind != frame.kind):
                    self._lose_step()
                    continue
                self._in_step = True
            self._junk = 0
            packet = queue.take(frame.size)
            assert packet is not None, "the frame is in the queue"
            yield from self._give(packet, frame.kind)

    def _lose_step(self) -> None:
        """Go on to the next byte that a frame may begin with."""
        queue = self._queue
        self._in_step = False
        at = queue.find(b"\xff", 1)
        count = at if at > 0 else len(queue)
        self._junk += count
        queue.skip(count)
        if self._junk > _MAX_JUNK:
            raise corrupt(self.container, f"no frame in the {self._junk} bytes before byte {queue.position}")

    def _give(self, packet: bytes, kind: bytes) -> Iterator[Stream | Packet]:
        if self._kind is None:
            self._kind = kind
            yield Stream(codec=self._codec)
            if self._codec == "mp3float" and (delay := _encoder_delay(packet)) is not None:
                self._skip = delay + _DECODER_DELAY
                return
        yield Packet(packet, skip=self._skip)
        self._skip = 0


def _encoder_delay(frame: bytes) -> int | None:
    """Samples of encoder delay in a Xing, Info or LAME header, which stands in place of the first MP3 frame."""
    for tag in (b"Xing", b"Info"):
        at = frame.find(tag, 4, 64)
        if at >= 0:
            lame = at + 120
            if frame[lame : lame + 4] in (b"LAME", b"Lavf", b"Lavc") and len(frame) >= lame + 24:
                return frame[lame + 21] << 4 | frame[lame + 22] >> 4
            return 0
    return None
