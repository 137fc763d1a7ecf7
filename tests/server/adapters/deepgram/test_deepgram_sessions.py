"""The rules of a stream as Deepgram's clients see them: time-outs, overload, and the limits of a recording."""

import asyncio
import json

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.serving import pieces, quiet
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAW = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000"


async def open_stream(service: Service, path: str = RAW) -> ClientConnection:
    return await connect(f"ws://127.0.0.1:{service.http_port}{path}", proxy=None)


async def rest(socket: ClientConnection) -> list[str]:
    """Types of all messages to the end of the connection; those that name the request name the handshake's."""
    assert socket.response is not None
    types = []
    try:
        while True:
            message = json.loads(await socket.recv())
            assert message.get("request_id") in (None, socket.response.headers["dg-request-id"])
            types.append(message["type"])
    except ConnectionClosed:
        return types


async def test_a_silent_client_is_told_and_closed(service: Service) -> None:
    first, second = await open_stream(service), await open_stream(service, "/v2/listen?model=flux-general-en")
    assert await rest(first) == ["Error", "Metadata"]
    assert await rest(second) == ["Connected", "Error"]
    for socket in (first, second):
        assert socket.close_code == 1011
        assert str(socket.close_reason).startswith("NET-0001: nothing came from the client for 1 s")
    await quiet(service)


async def test_keep_alive_and_nothing_lost(service: Service, speech: bytes) -> None:
    socket = await open_stream(service)
    for piece in pieces(speech, 8_000):
        await socket.send(piece)
    for _ in range(4):
        await asyncio.sleep(0.4)
        await socket.send('{"type": "KeepAlive"}')
    await socket.send('{"type": "CloseStream"}')
    assert await rest(socket) == ["Results", "Metadata"]
    assert socket.close_code == 1000
    await quiet(service)


async def test_an_empty_message_ends_the_audio(service: Service, speech: bytes) -> None:
    socket = await open_stream(service)
    await socket.send(speech)
    await socket.send(b"")
    assert await rest(socket) == ["Results", "Metadata"]
    await quiet(service)


async def test_overload_is_told_before_the_handshake(service: Service) -> None:
    sockets = [await open_stream(service) for _ in range(8)]
    with pytest.raises(InvalidStatus) as refused:
        await open_stream(service)
    response = refused.value.response
    assert response.status_code == 429
    assert json.loads(response.body or b"")["err_code"] == "TOO_MANY_REQUESTS"
    assert response.headers["Retry-After"]
    for socket in sockets:
        await socket.close()
    await quiet(service)


@pytest.mark.parametrize(
    ("query", "content_type", "size", "status", "why"),
    [
        ("", "application/json", 2, 400, "fetches nothing from a url"),
        ("", "audio/wav", 0, 400, "the file is empty"),
        ("", "audio/wav", 300_000, 413, "larger than 200000 bytes"),
        ("?language=tlh", "audio/wav", 2, 400, "language: "),
        ("?interim_results=true", "audio/wav", 2, 400, "unknown query parameter interim_results"),
        ("?%00%0a%7f=1", "audio/wav", 2, 400, "unknown query parameter \0"),
    ],
)
async def test_recordings_that_are_refused(
    service: Service, query: str, content_type: str, size: int, status: int, why: str
) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}") as client:
        headers = {"Content-Type": content_type}
        answer = await client.post(f"/v1/listen{query}", content=bytes(size), headers=headers)
    assert answer.status_code == status
    assert why in answer.json()["err_msg"]
    assert answer.json()["request_id"] == answer.headers["dg-request-id"]


async def test_a_recording_of_two_channels(service: Service, speech: bytes) -> None:
    query = "encoding=linear16&sample_rate=16000&channels=2&multichannel=true&utterances=true&extra=who:me"
    half = bytes(len(speech))
    both = b"".join(a + b for a, b in zip(pieces(half, 2), pieces(speech, 2), strict=True))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:
        answer = (await client.post(f"/v1/listen?{query}", content=both[:200_000])).json()
    silent, heard = (channel["alternatives"][0] for channel in answer["results"]["channels"])
    assert (silent["transcript"], silent["words"], silent["confidence"]) == ("", [], 0)
    utterances = answer["results"]["utterances"]
    assert " ".join(utterance["transcript"] for utterance in utterances) == heard["transcript"] != ""
    assert {utterance["channel"] for utterance in utterances} == {1}
    assert (answer["metadata"]["channels"], answer["metadata"]["extra"]) == (2, {"who": "me"})
