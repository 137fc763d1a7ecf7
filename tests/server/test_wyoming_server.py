"""Wyoming over a socket: any cut of the bytes, many transcriptions, and clients that do not behave."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import pytest_asyncio

from support.serving import heard_alone, quiet
from support.wyomingclient import FORMAT, WyomingClient, packet, recording
from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.loading import load_config
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

Open = Callable[[], Coroutine[Any, Any, WyomingClient]]
CONNECTIONS = 6


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(serve: Callable[..., Coroutine[Any, Any, Service]]) -> Service:
    return await serve(
        server__wyoming_port=0,
        limits__idle_timeout_s=1.5,
        limits__send_timeout_s=0.5,
        limits__send_buffer=16,
        limits__max_message_bytes=65_536,
        limits__max_connections=CONNECTIONS,
    )


@pytest_asyncio.fixture(loop_scope="module")
async def connect(service: Service) -> AsyncIterator[Open]:
    """Opens connections; all are closed, and their lanes are back, at the end."""
    clients: list[WyomingClient] = []

    async def open_one() -> WyomingClient:
        clients.append(await WyomingClient.open(service.more_ports["wyoming_port"]))
        return clients[-1]

    yield open_one
    for client in clients:
        client.close()
    await quiet(service)


async def test_any_cut_of_the_bytes_is_the_same(service: Service, connect: Open, speech: bytes) -> None:
    words = await heard_alone(service, speech)
    data, rng = recording(speech, language="en"), random.Random(5)
    client = await connect()
    cuts = sorted(rng.sample(range(len(data)), 60))
    # Within a line, between a line and its data, in the middle of a sample, and one byte alone.
    for at, end in zip([0, 1, 40, 41, *cuts], [1, 40, 41, *cuts, len(data)], strict=True):
        await client.send(data[at:end] if end > at else b"")
        await asyncio.sleep(0)
    assert (await client.until("transcript"))["text"] == words


async def test_everything_at_once(service: Service, connect: Open, speech: bytes) -> None:
    words = await heard_alone(service, speech)
    client = await connect()
    await client.send(
        packet("describe")
        + recording(speech, chunk=30_000, context={"turn": 1})
        + packet("ping", {"text": "still here?"})
    )
    await client.send(recording(speech, chunk=642, language="en-US") + packet("surprise", payload=b"?"))
    client.writer.write_eof()
    events = await client.rest()
    told = [(kind, data) for kind, data in events if kind in ("info", "transcript", "pong", "error")]
    assert [kind for kind, _ in told] == ["info", "transcript", "pong", "transcript"]
    assert told[1][1] == {"text": words, "context": {"turn": 1}}
    assert told[2][1] == {"text": "still here?"}
    assert told[3][1] == {"text": words, "language": "en-US"}


async def test_an_event_within_a_transcription_is_answered(connect: Open, speech: bytes) -> None:
    client = await connect()
    await client.send(packet("audio-start", FORMAT) + packet("audio-chunk", FORMAT, speech[:3200]) + packet("describe"))
    assert (await client.until("info"))["asr"][0]["models"]
    await client.send(packet("audio-stop"))
    assert await client.until("transcript") == {"text": ""}


async def test_32_bits_two_channels_and_no_stop(service: Service, connect: Open, speech: bytes) -> None:
    wide = b"".join(2 * (bytes(2) + speech[at : at + 2]) for at in range(0, len(speech), 2))
    form = {"rate": 16_000, "width": 4, "channels": 2}
    client = await connect()
    for at in range(0, len(wide), 20_001):
        await client.send(packet("audio-chunk", form, wide[at : at + 20_001]))
    client.writer.write_eof()
    assert (await client.until("transcript"))["text"] == await heard_alone(service, speech)


@pytest.mark.parametrize("width", [2, 4])
async def test_half_a_sample_at_the_end_is_told(connect: Open, width: int) -> None:
    form = {**FORMAT, "width": width}
    client = await connect()
    await client.send(packet("audio-chunk", form, bytes(3201)) + packet("audio-stop"))
    assert (await client.until("error"))["code"] == "invalid_audio"
    assert await client.until("transcript") == {"text": ""}


LIMIT = 65_536
FAULTS = {
    "no json": (b"GET / HTTP/1.1\r\n\r\n", "invalid_message"),
    "no object": (b"[]\n", "invalid_message"),
    "no type": (b"{}\n", "invalid_message"),
    "zeros": (bytes(1000) + b"\n", "invalid_message"),
    "endless line": (b"x" * 200_000, "message_too_big"),
    "much data": (b'{"type": "ping", "data_length": 65537}\n', "message_too_big"),
    "much payload": (packet("audio-chunk", FORMAT, bytes(LIMIT + 1)), "message_too_big"),
    "much within": (packet("audio-start", FORMAT) + packet("audio-chunk", FORMAT, bytes(LIMIT + 1)), "message_too_big"),
    "a language": (recording(bytes(3200), language="tlh"), "invalid_config"),
    "a model": (recording(bytes(3200), name="whisper"), "invalid_config"),
    "a rate": (packet("audio-start", {**FORMAT, "rate": 4000}), "invalid_config"),
    "a width": (packet("audio-start", {**FORMAT, "width": 3}), "invalid_config"),
    "stop": (packet("audio-stop"), "invalid_message"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_told_and_harms_nobody_else(
    service: Service, connect: Open, speech: bytes, fault: str
) -> None:
    data, code = FAULTS[fault]
    neighbour, client = await connect(), await connect()
    await neighbour.send(recording(speech[:64_000])[: -len(packet("audio-stop"))])
    await client.send(data)
    *_, (kind, error) = await client.rest()
    assert (kind, error["code"]) == ("error", code)
    await neighbour.send(packet("audio-chunk", FORMAT, speech[64_000:]) + packet("audio-stop"))
    assert (await neighbour.until("transcript"))["text"] == await heard_alone(service, speech)


async def test_bytes_with_faults_harm_nobody_else(service: Service, connect: Open, speech: bytes) -> None:
    """Any answer is good, as long as there is an end."""
    rng, port = random.Random(7), service.more_ports["wyoming_port"]
    whole = recording(speech[:32_000], chunk=1600, language="en")
    neighbour = await connect()
    for at in range(0, len(speech), 6_400):
        await neighbour.send(packet("audio-chunk", FORMAT, speech[at : at + 6_400]))
        data = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        client = await WyomingClient.open(port)
        await client.send(bytes(data))
        client.writer.write_eof()
        assert {kind for kind, _ in await client.rest()} & {"error", "transcript"}
        client.close()
    await neighbour.send(packet("audio-stop"))
    assert (await neighbour.until("transcript"))["text"] == await heard_alone(service, speech)


async def test_who_still_sends_gets_to_read_the_error(connect: Open) -> None:
    client = await connect()
    await client.send(packet("transcribe", {"language": "tlh"}) + packet("audio-start", FORMAT))
    for _ in range(40):
        await client.send(packet("audio-chunk", FORMAT, bytes(60_000)))
    (kind, error), *more = await client.rest()
    assert (kind, more) == ("error", [])
    assert "tlh" in error["text"]


async def test_silence_ends_a_transcription_and_not_a_connection(connect: Open) -> None:
    talking, halting, idle = await connect(), await connect(), await connect()
    await talking.send(packet("transcribe"))
    await halting.send(packet("ping", {"text": "hello"})[:-3])
    for client in (talking, halting):
        *_, (kind, error) = await client.rest()
        assert (kind, error["code"]) == ("error", "idle_timeout")
    await idle.send(packet("ping", {"text": "hello"}))
    assert await idle.until("pong") == {"text": "hello"}


async def test_who_never_reads_is_closed(service: Service, connect: Open, speech: bytes) -> None:
    client, neighbour = await connect(), await connect()
    client.writer.transport.pause_reading()

    async def flood() -> None:
        async with asyncio.timeout(20):
            while True:
                await client.send(packet("describe") * 1000)

    with pytest.raises(OSError):
        await flood()
    await neighbour.send(recording(speech))
    assert (await neighbour.until("transcript"))["text"] == await heard_alone(service, speech)


async def test_who_vanishes_frees_the_lane(service: Service, connect: Open, speech: bytes) -> None:
    client = await connect()
    await client.send(recording(speech)[:60_000])
    await client.until("transcript-chunk")
    assert len(service.recognizer.live) == 1
    client.writer.transport.abort()
    await quiet(service)


async def test_a_session_that_fails_has_no_transcript(service: Service, connect: Open, speech: bytes) -> None:
    client = await connect()
    await client.send(recording(speech)[: -len(packet("audio-stop"))])
    await client.until("transcript-chunk")
    for live in service.recognizer.live:
        live.fail(WavelaneError(ErrorCode.SHUTTING_DOWN, "going down"))
    events = await client.rest()
    assert [data for kind, data in events if kind == "error"] == [{"text": "going down", "code": "shutting_down"}]
    assert "transcript" not in [kind for kind, _ in events]


async def test_refusals(service: Service, connect: Open) -> None:
    service.recognizer.draining = True
    try:
        client = await connect()
        await client.send(packet("transcribe"))
        assert [(kind, data["code"]) for kind, data in await client.rest()] == [("error", "shutting_down")]
    finally:
        service.recognizer.draining = False
    clients = [await connect() for _ in range(CONNECTIONS + 1)]
    assert (await clients[-1].until("error"))["code"] == "overloaded"


async def test_there_is_no_port_for_everybody_beside_keys(tmp_path: Any) -> None:
    keys = tmp_path / "keys"
    keys.write_text("k\n")
    with pytest.raises(WavelaneError, match="has no place for an API key") as refused:
        load_config(flags={"server.wyoming_port": 0, "auth.keys_file": keys})
    assert refused.value.code is ErrorCode.INVALID_CONFIG
