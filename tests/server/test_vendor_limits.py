"""Limits of the server as clients of OpenAI and AssemblyAI meet them."""

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.serving import quiet
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATHS = {"openai": "/v1/realtime?intent=transcription", "assemblyai": "/v3/ws?sample_rate=16000"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(serve: Callable[..., Coroutine[Any, Any, Service]]) -> Service:
    """A server with one lane, and no patience."""
    return await serve(limits__idle_timeout_s=1.0, engine__max_sessions=1)


def opened(service: Service, vendor: str) -> connect:
    return connect(f"ws://127.0.0.1:{service.http_port}{PATHS[vendor]}", proxy=None)


async def rest(client: ClientConnection) -> tuple[list[dict[str, Any]], int | None]:
    """All messages to come, and the code of the end."""
    messages = []
    try:
        async with asyncio.timeout(10):
            while True:
                messages.append(json.loads(await client.recv()))
    except ConnectionClosed:
        return messages, client.close_code


def update(**fields: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"audio": {"input": fields}}})


async def test_the_last_lane_is_enough_for_any_number_of_updates(small: Service, speech: bytes) -> None:
    async with opened(small, "openai") as client:
        for rate in (8_000, 24_000, 16_000):
            await client.send(update(format={"type": "audio/pcm", "rate": rate}, turn_detection=None))
        await client.send(update(transcription={"language": "tlh"}))
        audio = base64.b64encode(speech).decode()
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await client.send('{"type": "input_audio_buffer.commit"}')
        kinds, last = [], {"type": ""}
        async with asyncio.timeout(20):
            while last["type"] != "conversation.item.input_audio_transcription.completed":
                last = json.loads(await client.recv())
                kinds.append(last["type"])
        assert kinds[:5] == ["session.created", *["session.updated"] * 3, "error"]
        assert last["transcript"]
    await quiet(small)


async def test_a_full_server(small: Service) -> None:
    async with opened(small, "assemblyai") as client:
        assert json.loads(await client.recv())["type"] == "Begin"
        for vendor, code in (("openai", "overloaded"), ("assemblyai", 3009)):
            with pytest.raises(InvalidStatus) as caught:
                await opened(small, vendor)
            response = caught.value.response
            assert (response.status_code, response.headers["retry-after"]) == (503, "2")
            body = json.loads(response.body)
            assert (body["error"]["code"] if vendor == "openai" else body["error_code"]) == code
    await quiet(small)


async def test_a_client_that_says_nothing(small: Service, speech: bytes) -> None:
    """What it said before is not lost."""
    async with opened(small, "assemblyai") as client:
        await client.send(speech)
        messages, code = await rest(client)
        kinds = [message["type"] for message in messages]
        assert code == 4031
        error = messages[kinds.index("Error")]
        assert error["error_code"] == 4031
        assert "limits.idle_timeout_s" in error["error"]
        assert messages[-1]["end_of_turn"]
        assert "Termination" not in kinds
    async with opened(small, "openai") as client:
        audio = base64.b64encode(speech).decode()
        await client.send(update(format={"type": "audio/pcm", "rate": 16_000}, turn_detection=None))
        await client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        messages, code = await rest(client)
        assert code == 4408
        (error,) = (message["error"] for message in messages if message["type"] == "error")
        assert error["code"] == "session_expired"
        (done,) = (message for message in messages if message["type"].endswith("transcription.completed"))
        assert done["transcript"]
    await quiet(small)
