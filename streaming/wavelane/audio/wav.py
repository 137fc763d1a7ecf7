"""RIFF WAVE, also RF64 and such as live streams send, whose header does not know the length."""

import struct
from collections.abc import Iterator

from wavelane.audio.demux import Packet, Parser, Stream
from wavelane.audio.limits import corrupt, truncated
from wavelane.audio.pcm import FORMATS

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_FORMATS = {
    (_PCM, 8): "unsigned8",
    (_PCM, 16): "linear16",
    (_PCM, 24): "linear24",
    (_PCM, 32): "linear32",
    (_FLOAT, 32): "float32",
    (_FLOAT, 64): "float64",
    (_ALAW, 8): "alaw",
    (_MULAW, 8): "mulaw",
}
_ENDLESS = 0x7FFF_0000
"""Writers that cannot seek back leave 0, 0xFFFFFFFF or nearly 2 GiB as the length."""


class WavParser(Parser):
    """See :class:`wavelane.audio.demux.Demuxer`."""

    container = "WAV"
    _started = False
    _stream: Stream | None = None
    _remaining: int | None = None
    """Bytes of audio to come; None while before the audio."""
    _endless = False

    def feed(self, data: bytes) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        queue = self._queue
        queue.append(data)
        if not self._started:
            if queue.take(12) is None:
                return
            self._started = True
        while self._remaining is None:
            if len(queue) < 8 or (header := queue.take(0)) is None:
                return
            header = queue.peek(8)
            name, size = header[:4], int.from_bytes(header[4:], "little")
            if name == b"data":
                queue.take(8)
                if self._stream is None:
                    raise corrupt(self.container, "the audio comes before its format")
                self._endless = size == 0 or size >= _ENDLESS
                self._remaining = size
                yield self._stream
            elif name == b"fmt ":
                chunk = queue.take(8 + size + size % 2, self._limits.max_header_bytes)
                if chunk is None:
                    return
                self._stream = self._parse(chunk[8 : 8 + size])
            else:
                queue.skip(8 + size + size % 2)
        count = len(queue) if self._endless else min(len(queue), self._remaining)
        if count and (audio := queue.take(count)):
            self._remaining -= count
            yield Packet(audio)
        if not self._endless and not self._remaining:
            queue.skip(len(queue))

    def finish(self) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        if self._remaining is None or (self._remaining > 0 and not self._endless):
            raise truncated(self.container)
        yield from ()

    def _parse(self, chunk: bytes) -> Stream:
        if len(chunk) < 16:
            raise corrupt(self.container, f"a format of {len(chunk)} bytes")
        tag, channels, rate, _, align, bits = struct.unpack_from("<HHIIHH", chunk)
        if tag == _EXTENSIBLE and len(chunk) >= 26:
            (tag,) = struct.unpack_from("<H", chunk, 24)
        codec = _FORMATS.get((tag, bits))
        if codec is None:
            raise corrupt(self.container, f"format tag {tag} with {bits} bits; PCM, float, A-law and mu-law are known")
        if align != channels * FORMATS[codec].width:
            raise corrupt(self.container, f"{align} bytes a frame for {channels} channels of {bits} bits")
        return Stream(codec=codec, rate=rate, channels=channels)
