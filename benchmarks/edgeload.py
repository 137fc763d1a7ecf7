"""Many real-time WebSocket sessions from one process: frames are built once, and what comes is only counted.

A client library would cost as much for each message as the server does.
"""

import base64
import heapq
import itertools
import json
import os
import selectors
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

TEXT, BINARY, CLOSE = 1, 2, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked of the sessions."""

    port: int
    sessions: int
    packet_ms: int
    ramp_s: float
    """Time in which the sessions are opened, evenly (s)."""
    warm_s: float
    """From the end of the ramp to the begin of the measurement (s)."""
    seconds: float
    """Time measured (s)."""
    options: dict[str, object]
    """Of the sessions."""


@dataclass(slots=True, kw_only=True)
class Counts:
    """What was sent and came during the measurement."""

    begun_at: float = 0.0
    """``time.monotonic`` (s)."""
    ended_at: float = 0.0
    packets: int = 0
    messages: int = 0
    """From the server."""
    bytes: int = 0
    """From the server."""
    late: int = 0
    """Packets that this generator sent more than half a packet late: it was the limit."""
    lost: int = 0
    """Sessions that ended by themselves."""
    delays: list[float] = field(default_factory=list)
    """From the sending of a packet to the first message that came after it, for packets that some message answered (s).
    A probe of the whole way there and back, the queue of the event loop included."""


def masked(kind: int, payload: bytes, key: bytes = b"\x5a\x11\xc3\x9e") -> bytes:
    """A client's WebSocket frame (RFC 6455, section 5.2)."""
    size = len(payload)
    head = bytes((0x80 | kind,))
    if size < 126:
        head += bytes((0x80 | size,))
    elif size < 65_536:
        head += bytes((0x80 | 126,)) + struct.pack("!H", size)
    else:
        head += bytes((0x80 | 127,)) + struct.pack("!Q", size)
    mask = (key * (size // 4 + 1))[:size]
    body = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
    return head + key + body


class Unframer:
    """Counts a server's frames in a stream of bytes."""

    __slots__ = ("_head", "_skip", "messages")

    def __init__(self) -> None:
        self.messages = 0
        self._head = b""
        self._skip = 0

    def feed(self, data: bytes) -> int:
        """Take bytes; returns how many frames began in them."""
        at, before = 0, self.messages
        size = len(data)
        while True:
            step = min(self._skip, size - at)
            at += step
            self._skip -= step
            if at == size:
                return self.messages - before
            head = self._head + data[at : at + 10]
            length = head[1] & 0x7F if len(head) > 1 else 0
            wanted = 2 + (2 if length == 126 else 8 if length == 127 else 0)
            if len(head) < wanted:
                self._head = head
                return self.messages - before
            if length > 125:
                length = int.from_bytes(head[2:wanted], "big")
            at += wanted - len(self._head)
            self._head = b""
            self._skip = length
            self.messages += 1


class _Session:
    __slots__ = ("answered", "frames", "sent_at", "socket", "unframer")

    def __init__(self, connection: socket.socket, frames: Iterator[bytes]) -> None:
        self.socket = connection
        self.frames = frames
        self.unframer = Unframer()
        self.sent_at = 0.0
        self.answered = True


def generate(plan: Plan, recordings: list[list[bytes]]) -> Counts:
    """Hold the sessions until the plan is done.

    Args:
        plan: what to do.
        recordings: packets of audio of each recording; sessions play them for ever, from different places on.
    """
    built = [[masked(BINARY, packet) for packet in packets] for packets in recordings]
    configure = masked(TEXT, json.dumps({"type": "configure", **plan.options}).encode())
    counts = Counts()
    poll = selectors.DefaultSelector()
    period = plan.packet_ms / 1000
    started = time.monotonic()
    counts.begun_at = started + plan.ramp_s + plan.warm_s
    counts.ended_at = counts.begun_at + plan.seconds
    opening = [(started + number * plan.ramp_s / plan.sessions, number) for number in range(plan.sessions)]
    due: list[tuple[float, int, _Session]] = []
    upcoming = iter(opening)
    next_open = next(upcoming, None)
    live = 0
    while (now := time.monotonic()) < counts.ended_at:
        measured = now >= counts.begun_at
        while next_open is not None and next_open[0] <= now:
            number = next_open[1]
            packets = built[number % len(built)]
            session = _Session(_open(plan.port, configure), _from(packets, number * 37 % len(packets)))
            poll.register(session.socket, selectors.EVENT_READ, session)
            heapq.heappush(due, (now + period, number, session))
            live += 1
            next_open = next(upcoming, None)
        while due and due[0][0] <= now:
            at, number, session = heapq.heappop(due)
            try:
                session.socket.send(next(session.frames))
            except OSError:  # the server does not keep up, or has closed
                counts.lost += 1
                continue
            if measured:
                counts.packets += 1
                counts.late += now - at > period / 2
            session.sent_at = now
            session.answered = False
            heapq.heappush(due, (at + period, number, session))
            now = time.monotonic()
        wait = min(due[0][0] if due else now + 0.01, next_open[0] if next_open else now + 1.0)
        for key, _ in poll.select(max(0.0, wait - time.monotonic())):
            session = key.data
            try:
                data = session.socket.recv(65_536)
            except OSError:
                data = b""
            if not data:
                poll.unregister(session.socket)
                session.socket.close()
                continue
            came = session.unframer.feed(data)
            if measured:
                counts.messages += came
                counts.bytes += len(data)
                if not session.answered:
                    counts.delays.append(time.monotonic() - session.sent_at)
                session.answered = True
    for key in list(poll.get_map().values()):
        key.fileobj.close()  # type: ignore[union-attr]
    return counts


def _from(packets: list[bytes], first: int) -> Iterator[bytes]:
    return itertools.islice(itertools.cycle(packets), first, None)


def _open(port: int, configure: bytes) -> socket.socket:
    """A WebSocket whose session is configured; the answer is read later, with the results."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10.0)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        (
            f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
        ).encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        if not (data := connection.recv(4096)):
            raise ConnectionError(f"the server said {answer!r}")
        answer += data
    if b" 101 " not in answer.split(b"\r\n", 1)[0]:
        raise ConnectionError(f"the server said {answer!r}")
    connection.sendall(configure)
    connection.setblocking(False)
    return connection


def cut(audio: bytes, packet_ms: int) -> list[bytes]:
    """Linear16 at 16 kHz in packets; what is left over at the end is dropped."""
    size = 32 * packet_ms
    return [audio[at : at + size] for at in range(0, len(audio) - size + 1, size)]


def joined(recordings: Iterable[bytes], silence_s: float) -> bytes:
    """Recordings with silence after each."""
    return b"".join(recording + bytes(2 * round(16_000 * silence_s)) for recording in recordings)
