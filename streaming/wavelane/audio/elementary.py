"""MP3 and ADTS AAC: frames that stand one after another, found by FFmpeg's parsers."""

from collections.abc import Iterator

import av

from wavelane.audio.demux import Packet, Parser, Stream
from wavelane.audio.limits import DecoderLimits, corrupt, truncated

_CODECS = {"MP3": "mp3float", "AAC": "aac"}
_ID3_HEADER = 10
_DECODER_DELAY = 529
"""Samples by which every MP3 decoder is late, beyond the encoder's own delay (LAME technical FAQ)."""


class ElementaryParser(Parser):
    """See :class:`wavelane.audio.demux.Demuxer`.

    Args:
        container: ``MP3`` or ``AAC``.
        limits: bounds on the sizes of parts.
    """

    def __init__(self, container: str, limits: DecoderLimits) -> None:
        self.container = container
        super().__init__(limits)
        self._codec = _CODECS[container]
        self._frames = av.CodecContext.create(self._codec, "r")
        self._tag_done = False
        self._started = False
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
        if audio := queue.take(len(queue)):
            yield from self._parse(audio)

    def finish(self) -> Iterator[Stream | Packet]:
        """See :class:`wavelane.audio.demux.Demuxer`."""
        yield from self._parse(b"")
        if not self._started or self._queue.pending:
            raise truncated(self.container)

    def _parse(self, data: bytes) -> Iterator[Stream | Packet]:
        try:
            packets = [bytes(packet) for packet in self._frames.parse(data)]
        except av.FFmpegError as error:
            raise corrupt(self.container, error.strerror or "no frames") from None
        for packet in packets:
            if packet.startswith(b"TAG"):
                continue
            if not self._started:
                self._started = True
                yield Stream(codec=self._codec)
                if (delay := _encoder_delay(packet)) is not None:
                    self._skip = delay + _DECODER_DELAY
                    continue
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
