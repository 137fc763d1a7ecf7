"""How a client may misbehave: lanes come back, it is told why, and everybody else goes on."""

import asyncio
import contextlib
import json
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.serving import pieces, text_of
from support.streamclients import GrpcClient, WsClient
from support.waiting import until
from wavelane.errors import STATUS, ErrorCode
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_server.live import LiveSession
from wavelane_server.service import Service
from wavelane_server.transport import stream_protocol, websocket

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("neighbour"),
    pytest.mark.parametrize("service", ["here", "elsewhere"], indirect=True, scope="module"),
]

Connect = Callable[..., Coroutine[Any, Any, Any]]


def failures(service: Service, code: ErrorCode) -> float:
    value = service.metrics.registry.get_sample_value("wavelane_session_failures_total", {"code": code.value})
    return value or 0.0


def only(service: Service, known: set[LiveSession]) -> LiveSession:
    """The session that was opened since."""
    (live,) = service.recognizer.live - known
    return live


async def test_ten_times_faster_than_real_time(
    connect: Connect, service: Service, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held back by reading slower, and no audio is lost."""
    highest = 0
    account = LiveSession._account

    def watched(live: LiveSession) -> None:
        nonlocal highest
        account(live)
        highest = max(highest, live._session.backlog_ms)

    monkeypatch.setattr(LiveSession, "_account", watched)
    client = await connect()
    await client.configure(vad={"kind": "off"})

    async def send() -> None:
        for piece in pieces(speech * 10, 3200):
            await client.audio(piece)
        await client.end()

    sender = asyncio.create_task(send())
    events = await client.rest()
    await sender
    assert client.status in (1000, "OK"), events[-2:]
    assert not [event for event in events if event["type"] == "error"]
    assert events[-1]["received"] == 10 * len(speech) // 2
    assert 1000 < highest <= service.config.limits.backpressure_ms + 100
    assert len(text_of(events)) > 300


async def test_a_client_that_never_sends(connect: Connect) -> None:
    client = await connect()
    started = time.monotonic()
    events = await client.rest()
    assert time.monotonic() - started > 0.9
    if client.kind == "websocket":
        assert events[0]["code"] == "idle_timeout"
        assert "for 1 s (setting limits.idle_timeout_s)" in events[0]["message"]
        assert client.close_code == 4408
    else:
        assert client.status == "DEADLINE_EXCEEDED"
        assert client.metadata["wavelane-error-code"] == "idle_timeout"


async def test_a_client_that_goes_silent(connect: Connect, service: Service, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    for piece in pieces(speech, 6400):
        await client.audio(piece)
    for _ in range(5):
        await asyncio.sleep(0.3)
        await client.message({"type": "keepalive"})
    silent = time.monotonic()
    events = await client.rest()
    assert time.monotonic() - silent > 0.9
    fatal = next(event for event in events if event["type"] == "error")
    assert fatal["code"] == "idle_timeout"
    assert fatal["fatal"] is True
    assert text_of(events), "what was heard is final"
    assert events[-1] == {"type": "closed", "received": len(speech) // 2}
    assert client.status in (STATUS[ErrorCode.IDLE_TIMEOUT].websocket, STATUS[ErrorCode.IDLE_TIMEOUT].grpc)


async def raw_websocket(port: int) -> socket.socket:
    """A WebSocket without a library: small buffers, and nothing is read."""
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", port))
    request = (
        f"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += await loop.sock_recv(raw, 1)
    assert b" 101 " in answer
    return raw


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A masked frame (with the mask 0)."""
    assert len(payload) < 126
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def flood(send: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(OSError):
        while True:
            await send()


@pytest.mark.parametrize("reads_in_the_end", [False, True])
async def test_a_websocket_client_that_never_reads(
    service: Service, reads_in_the_end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (websocket, stream_protocol):
        monkeypatch.setattr(module, "CLOSE_TIMEOUT_S", 30.0 if reads_in_the_end else 0.5)
    before = failures(service, ErrorCode.SLOW_CLIENT)
    known = set(service.recognizer.live)
    loop = asyncio.get_running_loop()
    raw = await raw_websocket(service.http_port)
    await loop.sock_sendall(raw, frame(json.dumps({"type": "configure"}).encode()))
    await until(lambda: len(service.recognizer.live) > len(known))
    # Each of these is answered by the whole configuration.
    many = frame(b'{"type":"reconfigure"}') * 100

    async def send() -> None:
        await loop.sock_sendall(raw, many)

    flooding = asyncio.create_task(flood(send))
    await until(lambda: failures(service, ErrorCode.SLOW_CLIENT) == before + 1)
    assert service.recognizer.live == known, "its lane is free at once"
    if reads_in_the_end:
        # It is still told why: the close frame waits behind what it did not read.
        received, told = b"", b"the client does not read its results"
        flooding.cancel()
        while told not in received:
            data = await loop.sock_recv(raw, 1 << 20)
            assert data, "the connection ended without the close frame"
            received = (received + data)[-4096:]
        reason = received.rindex(told)
        assert received[reason - 2 : reason] == (4409).to_bytes(2, "big")
    else:
        # Nothing is kept for it for ever.
        await until(lambda: not _connected(service, raw))
        flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    raw.close()


def _connected(service: Service, raw: socket.socket) -> bool:
    port = raw.getsockname()[1]
    return any(getattr(link, "client", ("", 0))[1] == port for link in service._http.server_state.connections)


async def test_a_grpc_client_that_never_reads(service: Service) -> None:
    before = failures(service, ErrorCode.SLOW_CLIENT)
    client = await GrpcClient.open(service.grpc_port)
    await client.configure()

    request = pb.StreamRequest(reconfigure=pb.Reconfigure())
    async with asyncio.timeout(60):
        while failures(service, ErrorCode.SLOW_CLIENT) == before:
            await client.request(request)
    await client.rest()
    assert client.status == "RESOURCE_EXHAUSTED"
    assert client.metadata["wavelane-error-code"] == "slow_client"
    assert "the client does not read its results" in client.details


async def test_partials_are_conflated_for_a_slow_reader(service: Service, speech: bytes) -> None:
    """A reader that is merely slow loses old partials, and nothing else."""
    client = await WsClient.open(service.http_port)
    await client.configure(lookahead=0)
    for piece in pieces(speech, 640):
        await client.audio(piece)
    await client.end()
    await asyncio.sleep(0.3)
    events = await client.rest()
    assert text_of(events)
    assert client.close_code == 1000


@pytest.mark.parametrize("when", ["before", "after", "ended"])
async def test_a_client_that_vanishes(connect: Connect, service: Service, speech: bytes, when: str) -> None:
    known = set(service.recognizer.live)
    client = await connect()
    if when != "before":
        await client.configure()
        live = only(service, known)
        await client.audio(speech)
        if when == "ended":
            await client.end()
        client.vanish()
        await until(lambda: live.closed)
    else:
        client.vanish()
    await until(lambda: service.recognizer.live == known and service.recognizer.engine.stats.lanes == 1)


async def test_closing_without_end_frees_the_lane(service: Service, speech: bytes) -> None:
    known = set(service.recognizer.live)
    client = await WsClient.open(service.http_port)
    await client.configure()
    await client.audio(speech)
    live = only(service, known)
    await client.socket.close()
    await until(lambda: live.closed)


async def test_half_close_over_grpc_is_the_end(service: Service, speech: bytes) -> None:
    client = await GrpcClient.open(service.grpc_port)
    await client.configure()
    for piece in pieces(speech, 6400):
        await client.audio(piece)
    await client.call.done_writing()
    events = await client.rest()
    assert text_of(events)
    assert events[-1]["type"] == "closed"
    assert client.status == "OK"


async def test_half_close_before_configuration(service: Service) -> None:
    client = await GrpcClient.open(service.grpc_port)
    await client.call.done_writing()
    assert await client.rest() == []
    assert client.status == "INVALID_ARGUMENT"
    assert "ended before it was configured" in client.details


async def test_cancellation_gives_the_lane_back(service: Service, speech: bytes) -> None:
    known = set(service.recognizer.live)
    client = await GrpcClient.open(service.grpc_port)
    await client.configure()
    live = only(service, known)
    await client.audio(speech)
    client.call.cancel()
    await until(lambda: live.closed)


async def test_a_deadline_gives_the_lane_back(service: Service, speech: bytes) -> None:
    known = set(service.recognizer.live)
    for deadline_s in (0.4, 1.0, 3.0, 9.0):  # the first one that this machine can configure a session in
        client = await GrpcClient.open(service.grpc_port, deadline_s=deadline_s)
        await client.message({"type": "configure"})
        if (await client.next())["type"] == "ready":
            break
    await client.audio(speech)
    await client.rest()
    assert client.status == "DEADLINE_EXCEEDED"
    await until(lambda: service.recognizer.live == known)


async def test_a_thousand_connects_and_disconnects(service: Service, speech: bytes) -> None:
    async def one(number: int) -> None:
        client: Any
        match number % 5:
            case 0:
                _, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
                writer.write(b"GET /v1/stream HTTP/1.1\r\nUpgrade: websocket\r\n"[: number % 40])
                writer.transport.abort()
                return
            case 1:
                client = await WsClient.open(service.http_port)
                client.vanish()
                return
            case 2:
                client = await GrpcClient.open(service.grpc_port)
            case _:
                client = await WsClient.open(service.http_port)
        await client.message({"type": "configure"})
        await client.audio(speech[:8_000])
        if number % 3:
            client.vanish()
            await client.rest() if client.kind == "grpc" else None
        else:
            await client.end()
            await client.rest()

    for first in range(0, 1000, 5):
        async with asyncio.TaskGroup() as group:
            for number in range(first, first + 5):
                group.create_task(one(number))
        if first % 50 == 0:
            # Those that vanished are noticed by the server in its own time, and lanes are few here.
            await until(lambda: service.recognizer.engine.stats.lanes <= 3)
    await until(lambda: len(service.recognizer.live) == 1 and service.recognizer.engine.stats.lanes == 1)
    service.recognizer.engine.audit()


async def test_a_fault_of_the_core_ends_one_session(
    connect: Connect, speech: bytes, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = set(service.recognizer.live)
    client = await connect()
    await client.configure()
    live = only(service, known)

    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(live._session, "receive_result", broken)
    await client.audio(speech)
    events = await client.rest()
    fatal = next(event for event in events if event["type"] == "error")
    assert fatal["code"] == "internal"
    assert "a bug" not in fatal["message"]
    assert events[-1]["type"] == "closed"
    assert client.status in (1011, "INTERNAL")


async def test_a_fault_of_the_conversation_ends_one_session(
    connect: Connect, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect()
    await client.configure()

    def broken(_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(LiveSession, "flush", broken)
    await client.message({"type": "flush"})
    await client.rest()
    assert client.status in (1011, "INTERNAL")


async def test_lanes_add_up(service: Service) -> None:
    assert len(service.recognizer.live) == 1, "the neighbour"
    assert service.recognizer.engine.stats.lanes == 1
    assert len(service.recognizer._tenants) == 1
    service.recognizer.engine.audit()
