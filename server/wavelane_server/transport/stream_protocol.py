"""The connection class that uvicorn runs WebSockets on, with a short way for audio."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import OPEN

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without a wheel
    from websockets.utils import apply_mask

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame, or to read what is before it (s)."""

CONNECTION = "wavelane.connection"
"""ASGI extension: the connection itself, a :class:`StreamProtocol`."""

Offer = Callable[[bytes], bool]
"""Takes a binary message on the spot, or says that it cannot."""

AT_ONCE = 32
"""Messages taken on the spot of what one read from the socket brought; more wait until others had their turn."""

_FIN, _MASKED, _LENGTH, _OPCODE, _CONTROL = 0x80, 0x80, 0x7F, 0x0F, 0x08
_WHOLE_TEXT, _WHOLE_BINARY = 0x81, 0x82
_MEDIUM_PAYLOAD = 8
"""Where the payload of a masked frame of 126 to 65,535 bytes begins."""
_MEDIUM_HEAD, _LONG_HEAD = struct.Struct("!BBH"), struct.Struct("!BBQ")


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket connection, which also goes away when the client never reads.

    The sans-I/O implementation is chosen for its back-pressure: it reads from the socket only while the application
    asks for messages, and a send waits while the socket's buffer is full.

    Most of what comes is audio in whole binary frames (RFC 6455, section 5.2: final, opcode 2, masked, without
    extensions). Those are unmasked here and offered to the application as they come, which spares each of them the
    general parser, a queue, a switch of tasks and two changes of what the event loop waits for. All other frames, and
    those that the application cannot take at the moment, go the general way, in their order.
    """

    _abort: asyncio.TimerHandle | None = None
    _offer: Offer | None = None
    _head = b""
    """The beginning of a frame whose header is not complete."""
    _through = 0
    """Bytes left of a frame that goes the general way."""
    _fragmented = False
    """In the middle of a message of several frames."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT_S

    def offer(self, take: Offer) -> None:
        """From now on, offer binary messages to ``take`` when none waits to be received. It must not raise."""
        self._offer = take

    @property
    def open_wide(self) -> bool:
        """A message sent now need not wait for the client to read."""
        return (
            self.writable.is_set()
            and self.conn.state is OPEN
            and not (self.close_sent or self.disconnected or self.transport.is_closing())
        )

    def send_now(self, text: str) -> None:
        """Send a message without waiting; only while :attr:`open_wide`.

        The frame is built here (RFC 6455, section 5.2): all that the general way writes is written at once too, so
        that they keep their order.
        """
        data = text.encode()
        size = len(data)
        if size < 126:
            head = bytes((_WHOLE_TEXT, size))
        elif size < 1 << 16:
            head = _MEDIUM_HEAD.pack(_WHOLE_TEXT, 126, size)
        else:
            head = _LONG_HEAD.pack(_WHOLE_TEXT, 127, size)
        self.transport.write(head + data)

    def abort_soon(self) -> None:
        """Drop what is unsent once the client had its time to read it."""
        if self._abort is None and not self.disconnected:
            self._abort = self.loop.call_later(CLOSE_TIMEOUT_S + 1, self.transport.abort)

    def handle_connect(self, event: Any) -> None:
        """Offer this connection to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: Any = self.scope["extensions"]
            extensions[CONNECTION] = self

    def connection_lost(self, exc: Exception | None) -> None:
        """The timer has nothing to do any more."""
        if self._abort is not None:
            self._abort.cancel()
        self._offer = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Find the frames."""
        if not self.handshake_initiated:
            super().data_received(data)
            return
        if self._head:
            data = self._head + data
            self._head = b""
        elif (
            # What comes most: one frame of audio of 126 to 65,535 bytes, and nothing else.
            len(data) > _MEDIUM_PAYLOAD
            and data[0] == _WHOLE_BINARY
            and data[1] == _MASKED | 126
            and not (self._through or self._fragmented)
            and len(data) - _MEDIUM_PAYLOAD == data[2] << 8 | data[3]
        ):
            if self._whole(data, 0, _MEDIUM_PAYLOAD, len(data)):
                return
            self._through = len(data)
        at, size = 0, len(data)
        taken = 0
        while at < size:
            if self._through:
                end = min(size, at + self._through)
                self._through -= end - at
                super().data_received(data[at:end])
                if self.transport.is_closing():
                    return
                at = end
                continue
            frame = _measure(data, at)
            if frame is None:
                self._head = data[at:]
                return
            payload, length = frame
            end = payload + length
            first = data[at]
            if (
                first == _WHOLE_BINARY
                and end <= size
                and taken < AT_ONCE
                and not self._fragmented
                and self._whole(data, at, payload, end)
            ):
                at = end
                taken += 1
                continue
            if not first & _CONTROL:
                self._fragmented = not first & _FIN
            self._through = end - at

    def _whole(self, data: bytes, at: int, payload: int, end: int) -> bool:
        """A whole binary message; False when it has to go the general way."""
        if (
            self._offer is None
            or self.close_sent
            or not data[at + 1] & _MASKED
            or end - payload > self.config.ws_max_size
            or not self.queue.empty()
        ):
            return False
        return self._offer(apply_mask(data[payload:end], data[payload - 4 : payload]))


def _measure(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the payload of a frame begins, and its length; None as long as its header is not complete."""
    left = len(data) - at
    if left < 2:
        return None
    second = data[at + 1]
    length = second & _LENGTH
    begin = at + (6 if second & _MASKED else 2)
    if length < 126:
        return (begin, length) if left >= begin - at else None
    wide = 2 if length == 126 else 8
    begin += wide
    if left < begin - at:
        return None
    return begin, int.from_bytes(data[at + 2 : at + 2 + wide], "big")
