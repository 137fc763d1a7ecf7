"""What a stream does when the server misbehaves or goes away."""

import asyncio
import socket

import pytest

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Alternative, Closed, Failed, Final, Partial
from wavelane_client import Configured, connect, connect_sync
from wavelane_client.client import UNREAD_EVENTS
from wavelane_client.websocket import websocket_address


def partial(text: str, utterance: int = 0, channel: int = 0) -> Partial:
    return Partial(
        channel=channel, utterance=utterance, text=text, stable=0, words=(), start=0, processed=1600, lag_ms=0
    )


def final(text: str, utterance: int = 0) -> Final:
    return Final(
        channel=0,
        utterance=utterance,
        alternatives=(Alternative(text=text, confidence=0.5, words=()),),
        start=0,
        end=1600,
        processed=1600,
        lag_ms=0,
        reason="end",
    )


async def collect(stream, events) -> None:
    async for event in stream:
        events.append(event)


async def send_for_ever(stream) -> None:
    while True:
        await stream.send(bytes(3200))
        await asyncio.sleep(0)


async def test_everything_sent_first_and_read_afterwards(scripted):
    async def script(peer):
        options = await peer.open()
        assert options == {"type": "configure", "sample_rate": 8000, "vad": {"kind": "off"}}
        await peer.expect("flush")
        await peer.expect("keepalive")
        assert await peer.expect("reconfigure") == {"type": "reconfigure", "partials": False}
        await peer.send(Configured(config={"partials": False}))
        await peer.expect("end")
        await peer.send(partial("a"), {"type": "from_the_future"}, final("a b"), Closed(received=1600))

    async with scripted(script) as url, connect(url, sample_rate=8000, vad={"kind": "off"}) as stream:
        assert stream.ready.model.lookaheads == (6, 0)
        await stream.send(bytes(3200))
        await stream.flush()
        await stream.keepalive()
        await stream.reconfigure(partials=False)
        await stream.end()
        events = [event async for event in stream]
    assert events == [Configured(config={"partials": False}), partial("a"), final("a b"), Closed(received=1600)]


async def test_unread_partials_are_bounded_and_no_final_is_lost(scripted):
    async def script(peer):
        await peer.open()
        for utterance in range(3):
            for n in range(2 * UNREAD_EVENTS):
                await peer.send(partial(f"{n}", utterance), partial(f"{n}", utterance, channel=1))
            await peer.send(final(f"final {utterance}", utterance))
        await peer.send(Closed(received=0))

    async with scripted(script) as url, connect(url) as stream:
        await stream.send(b"")
        await asyncio.wait_for(asyncio.shield(stream._reader), 10)
        events = [event async for event in stream]
    assert len(events) < UNREAD_EVENTS + 20
    assert [event.text for event in events if isinstance(event, Final)] == ["final 0", "final 1", "final 2"]
    last = [event for event in events if isinstance(event, Partial) and event.channel == 1][-1]
    assert last == partial(f"{2 * UNREAD_EVENTS - 1}", 2, channel=1)


async def test_a_fatal_error_is_raised_after_the_finals_of_what_was_heard(scripted):
    async def script(peer):
        await peer.open()
        await peer.connection.recv()
        await peer.send(
            Failed(code=ErrorCode.INVALID_MESSAGE, message="ignored", fatal=False),
            Failed(code=ErrorCode.INVALID_AUDIO, message="NaN in the audio", fatal=True),
            final("heard"),
            Closed(received=1600),
        )
        await peer.connection.close(4422)

    async with scripted(script) as url, connect(url) as stream:
        await stream.send(bytes(3200))
        events = []
        with pytest.raises(WavelaneError, match="NaN in the audio") as caught:
            await collect(stream, events)
        assert caught.value.code is ErrorCode.INVALID_AUDIO
        assert events == [
            Failed(code=ErrorCode.INVALID_MESSAGE, message="ignored", fatal=False),
            final("heard"),
            Closed(received=1600),
        ]
        with pytest.raises(WavelaneError, match="NaN in the audio"):
            await send_for_ever(stream)


async def test_a_server_that_dies_keeps_the_finals_and_says_so(scripted):
    async def script(peer):
        await peer.open()
        await peer.connection.recv()
        await peer.send(final("kept"))
        peer.abort()

    async with scripted(script) as url, connect(url) as stream:
        await stream.send(bytes(3200))
        assert await anext(stream) == final("kept")
        with pytest.raises(WavelaneError, match="was lost before the session ended") as caught:
            await anext(stream)
        assert caught.value.code is ErrorCode.UNAVAILABLE
        with pytest.raises(WavelaneError, match="was lost"):
            await stream.end()


async def test_after_a_server_died_a_new_session_opens(scripted):
    attempts = []

    async def script(peer):
        attempts.append(1)
        await peer.open()
        if len(attempts) == 1:
            peer.abort()
            return
        await peer.expect("end")
        await peer.send(final("again"), Closed(received=0))

    async with scripted(script) as url:
        with pytest.raises(WavelaneError):
            async with connect(url) as stream:
                await anext(stream)
        async with connect(url) as stream:
            await stream.end()
            assert [event async for event in stream] == [final("again"), Closed(received=0)]


async def test_a_close_code_without_words_still_names_the_error(scripted):
    async def script(peer):
        await peer.open()
        await peer.connection.close(4408, "nothing was sent for 60 s")

    async with scripted(script) as url, connect(url) as stream:
        with pytest.raises(WavelaneError, match="nothing was sent for 60 s") as caught:
            await anext(stream)
    assert caught.value.code is ErrorCode.IDLE_TIMEOUT


@pytest.mark.parametrize("fatal", [True, False])
async def test_a_refused_configuration_raises(scripted, fatal):
    async def script(peer):
        await peer.expect("configure")
        await peer.send({"type": "error", "code": "invalid_config", "message": "vad.kind: x", "fatal": fatal})
        await peer.connection.wait_closed()

    async with scripted(script) as url:
        with pytest.raises(WavelaneError, match=r"vad\.kind") as caught:
            async with connect(url, vad={"kind": "x"}):
                pass
    assert caught.value.code is ErrorCode.INVALID_CONFIG


async def test_no_answer_to_the_configuration(scripted):
    async def script(peer):
        await peer.connection.wait_closed()

    async with scripted(script) as url:
        with pytest.raises(WavelaneError, match=r"did not answer the configuration within 0\.2 s"):
            async with connect(url, open_timeout=0.2):
                pass


@pytest.mark.parametrize("message", ["[]", "{", '{"type":"final","channel":0,"alternatives":[]}'])
async def test_messages_that_break_the_protocol_are_an_error(scripted, message):
    async def script(peer):
        await peer.open()
        await peer.connection.send(message)
        await peer.connection.wait_closed()

    async with scripted(script) as url, connect(url) as stream:
        with pytest.raises(WavelaneError) as caught:
            await anext(stream)
    assert caught.value.code is ErrorCode.INTERNAL


@pytest.mark.parametrize("scheme", ["ws", "http", "grpc"])
async def test_no_server(scheme):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(WavelaneError, match=rf"no server at \w+://127\.0\.0\.1:{port}.*wavelane serve") as caught:
            async with connect(f"{scheme}://127.0.0.1:{port}"):
                pass
    assert caught.value.code is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize("url", ["localhost:8080", "ftp://x", "ws://", "grpc://x:port"])
async def test_addresses_that_are_none(url):
    with pytest.raises(WavelaneError, match="is no address of a server") as caught:
        async with connect(url):
            pass
    assert caught.value.code is ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"error":{"code":"shutting_down","message":"the server drains"}}', ErrorCode.SHUTTING_DOWN),
        (b"<html>", ErrorCode.OVERLOADED),
    ],
)
async def test_refused_before_the_handshake(body, expected):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(WavelaneError, match="try again in 2 s") as caught:
            async with connect(f"ws://127.0.0.1:{port}"):
                pass
    assert caught.value.code is expected


async def test_something_else_answers():
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(WavelaneError, match="HTTP 404 from something else"):
            async with connect(f"http://127.0.0.1:{port}"):
                pass


def test_addresses_of_the_stream():
    assert websocket_address("https://host") == "wss://host/v1/stream"
    assert websocket_address("ws://host:1/") == "ws://host:1/v1/stream"
    assert websocket_address("http://host/behind/v1/stream?x=1") == "ws://host/behind/v1/stream?x=1"


async def test_the_synchronous_client(scripted):
    async def script(peer):
        await peer.open()
        await peer.expect("flush")
        await peer.expect("end")
        await peer.send(final("sync"), Closed(received=1600))

    def talk(url):
        with connect_sync(url) as stream:
            assert stream.ready.session == "s1"
            stream.send(bytes(3200))
            stream.flush()
            stream.end()
            return list(stream)

    async with scripted(script) as url:
        assert await asyncio.to_thread(talk, url) == [final("sync"), Closed(received=1600)]


async def test_the_synchronous_client_raises_like_the_other(scripted):
    async def script(peer):
        await peer.open()
        await peer.connection.recv()
        peer.abort()

    def talk(url):
        with connect_sync(url) as stream:
            stream.send(bytes(3200))
            list(stream)

    async with scripted(script) as url:
        with pytest.raises(WavelaneError, match="was lost"):
            await asyncio.to_thread(talk, url)
