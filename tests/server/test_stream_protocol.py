"""The short way of audio through a WebSocket: whatever is taken on the spot, messages keep their order and content."""

import asyncio
import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode

from wavelane_server.transport.stream_protocol import AT_ONCE, CONNECTION, StreamProtocol

REQUEST = (
    b"GET /v1/stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MAX_SIZE = 70_000


class Wire(asyncio.Transport):
    """What the protocol writes."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False
        self.paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class Peer:
    """A connection whose application notes what it receives, and takes on the spot what ``takes`` says."""

    def __init__(self, takes: Callable[[int], bool]) -> None:
        self.heard: list[str | bytes] = []
        self.short = 0
        self.offered = 0
        self.over: int | None = None
        self._takes = takes
        self.wire = Wire()
        config = Config(
            self._app,
            ws_max_size=MAX_SIZE,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            interface="asgi3",
        )
        self.protocol = StreamProtocol(config=config, server_state=ServerState(), app_state={})
        self.protocol.connection_made(self.wire)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        assert scope["extensions"][CONNECTION] is self.protocol
        assert (await receive())["type"] == "websocket.connect"
        await send({"type": "websocket.accept"})
        self.protocol.offer(self._take)
        while (message := await receive())["type"] == "websocket.receive":
            self.heard.append(message["text"] if message.get("bytes") is None else message["bytes"])
        self.over = message["code"]

    def _take(self, data: bytes) -> bool:
        self.offered += 1
        if not self._takes(self.offered):
            return False
        self.short += 1
        self.heard.append(data)
        return True

    async def feed(self, data: bytes, cuts: list[int]) -> None:
        edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
        for start, end in zip(edges, edges[1:], strict=False):  # noqa: RUF007 - some are empty
            if not self.wire.closed:
                self.protocol.data_received(data[start:end])
            for _ in range(3):
                await asyncio.sleep(0)
        for _ in range(40):
            await asyncio.sleep(0)


async def opened(takes: Callable[[int], bool] = lambda number: True) -> Peer:
    peer = Peer(takes)
    await peer.feed(REQUEST, [])
    assert b" 101 " in peer.wire.written
    peer.wire.written = b""
    return peer


def frame(kind: Opcode, data: bytes, fin: bool = True, mask: bool = True) -> bytes:
    return Frame(kind, data, fin).serialize(mask=mask)


def pong(data: bytes) -> bytes:
    return frame(Opcode.PONG, data, mask=False)


TEXTS = st.text(max_size=20)
SMALL = st.binary(max_size=40)
AUDIO = SMALL | st.sampled_from([bytes(125), bytes(126), bytes(3200), b"\x07" * 65_536, b"x" * 65_535])
# What the application hears, what is sent, what is answered.
MESSAGES = st.lists(
    AUDIO.map(lambda data: (data, frame(Opcode.BINARY, data), b""))
    | TEXTS.map(lambda text: (text, frame(Opcode.TEXT, text.encode()), b""))
    | SMALL.map(lambda data: (None, frame(Opcode.PING, data), pong(data)))
    | st.tuples(SMALL, SMALL, SMALL).map(
        lambda parts: (
            b"".join(parts),
            frame(Opcode.BINARY, parts[0], fin=False)
            + frame(Opcode.CONT, parts[1], fin=False)
            + frame(Opcode.PING, b"between")
            + frame(Opcode.CONT, parts[2]),
            pong(b"between"),
        )
    ),
    max_size=8,
)


@settings(max_examples=150, deadline=None)
@given(messages=MESSAGES, cuts=st.lists(st.integers(0), max_size=6), taken=st.lists(st.booleans(), min_size=1))
def test_any_split_and_any_taking_gives_the_same_messages(
    messages: list[tuple[str | bytes | None, bytes, bytes]], cuts: list[int], taken: list[bool]
) -> None:
    async def run() -> None:
        peer = await opened(lambda number: taken[number % len(taken)])
        await peer.feed(b"".join(data for _, data, _ in messages), cuts)
        assert peer.heard == [message for message, _, _ in messages if message is not None]
        assert peer.wire.written == b"".join(answer for _, _, answer in messages)
        assert not peer.wire.closed
        assert not peer.wire.paused

    asyncio.run(run())


async def test_audio_goes_the_short_way() -> None:
    peer = await opened()
    packets = [struct.pack("<I", number) * 800 for number in range(10)]
    await peer.feed(b"".join(frame(Opcode.BINARY, packet) for packet in packets), [])
    assert peer.heard == packets
    assert peer.short == 10


async def test_nothing_overtakes_what_waits() -> None:
    """While a message waits to be received, later ones are not offered."""
    peer = await opened()
    peer.protocol.data_received(
        frame(Opcode.BINARY, b"1") + frame(Opcode.TEXT, b"2") + frame(Opcode.BINARY, b"3") + frame(Opcode.BINARY, b"4")
    )
    assert peer.heard == [b"1"]
    assert peer.wire.paused
    await peer.feed(frame(Opcode.BINARY, b"5"), [])
    assert peer.heard == [b"1", "2", b"3", b"4", b"5"]


async def test_a_read_full_of_little_messages_is_no_reason_for_others_to_wait() -> None:
    peer = await opened()
    peer.protocol.data_received(frame(Opcode.BINARY, b"") * 1000)
    assert peer.short == AT_ONCE
    await peer.feed(b"", [])
    await peer.feed(frame(Opcode.BINARY, b"last"), [])
    assert len(peer.heard) == 1001
    assert peer.heard[-1] == b"last"


BROKEN = {
    "not masked": (frame(Opcode.BINARY, b"audio", mask=False), 1002),
    "a reserved bit": (bytes((0xC2,)) + frame(Opcode.BINARY, b"audio")[1:], 1002),
    "an unknown opcode": (bytes((0x83,)) + frame(Opcode.BINARY, b"audio")[1:], 1002),
    "a new message within another": (frame(Opcode.BINARY, b"a", fin=False) + frame(Opcode.BINARY, b"b"), 1002),
    "too long": (frame(Opcode.BINARY, bytes(MAX_SIZE + 1)), 1009),
    "a text that is none": (frame(Opcode.TEXT, b"\xff"), 1007),
    "a close": (frame(Opcode.CLOSE, struct.pack("!H", 1000) + b"bye"), 1000),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("cut", [False, True])
async def test_what_ends_a_connection(name: str, cut: bool) -> None:
    data, code = BROKEN[name]
    peer = await opened()
    data += frame(Opcode.BINARY, b"afterwards")
    await peer.feed(
        frame(Opcode.BINARY, b"before") + data, list(range(0, len(data), 1 + len(data) // 9)) if cut else []
    )
    assert peer.heard == [b"before"]
    assert peer.over == code
    assert peer.wire.closed


async def test_sending_on_the_spot() -> None:
    peer = await opened()
    assert peer.protocol.open_wide
    for text in ("", "words", "ä" * 62, "x" * 125, "x" * 126, "ä" * 32_767, "x" * 65_536):
        peer.wire.written = b""
        peer.protocol.send_now(text)
        assert peer.wire.written == frame(Opcode.TEXT, text.encode(), mask=False)
    peer.protocol.pause_writing()
    assert not peer.protocol.open_wide, "the client does not read"
    peer.protocol.resume_writing()
    assert peer.protocol.open_wide
    await peer.feed(frame(Opcode.CLOSE, struct.pack("!H", 1000)), [])
    assert not peer.protocol.open_wide


async def test_a_lost_connection_takes_nothing_more() -> None:
    peer = await opened()
    peer.protocol.connection_lost(None)
    peer.protocol.data_received(frame(Opcode.BINARY, b"late"))
    await asyncio.sleep(0)
    assert peer.short == 0
    assert not peer.protocol.open_wide
