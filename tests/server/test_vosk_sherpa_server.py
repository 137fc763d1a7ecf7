"""vosk-server's and sherpa-onnx's protocols over a socket: clients that do not wait, do not read, or talk nonsense."""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.serving import heard_alone, pieces, quiet
from support.words import much_alike
from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = json.dumps({"config": {"sample_rate": 16_000}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(serve: Callable[..., Coroutine[Any, Any, Service]]) -> Service:
    return await serve(
        server__vosk_port=0,
        server__sherpa_port=0,
        limits__idle_timeout_s=1.5,
        limits__send_timeout_s=0.5,
        limits__send_buffer=16,
        limits__backpressure_ms=200,
    )


def connect(service: Service, path: str, **options: Any) -> open_websocket:
    return open_websocket(f"ws://127.0.0.1:{service.http_port}{path}", compression=None, proxy=None, **options)


async def rest(socket: ClientConnection) -> tuple[list[str], int, str]:
    """Messages until the close, its code and reason."""
    messages = []
    with suppress(ConnectionClosed):
        while True:
            messages.append(str(await socket.recv()))
    assert socket.close_code is not None
    return messages, socket.close_code, socket.close_reason or ""


def floats(speech: bytes) -> bytes:
    return (np.frombuffer(speech, "<i2") / np.float32(32_768)).astype("<f4").tobytes()


def vosk_words(answers: list[str]) -> str:
    return " ".join(filter(None, (json.loads(answer).get("text") for answer in answers)))


async def test_who_sends_all_before_it_reads_has_every_answer(service: Service, speech: bytes) -> None:
    async with connect(service, "/") as socket:
        await socket.send(CONFIG)
        parts = pieces(speech, 640)
        for part in parts:
            await socket.send(part)
        await socket.send('{"reset":1}')
        for part in parts:
            await socket.send(part)
        await socket.send('{"eof":1}')
        answers, code, _ = await rest(socket)
    words = await heard_alone(service, speech)
    assert (len(answers), code) == (2 * len(parts) + 2, 1000)
    assert much_alike(vosk_words(answers), f"{words} {words}")
    # The answer to the reset comes where it belongs: no answer to what was sent later is before it.
    told = [json.loads(answer).get("text", "") for answer in answers[len(parts) // 2 : len(parts) + 1]]
    assert any(much_alike(text, words) for text in told)


async def test_an_answer_does_not_wait_for_the_recogniser(service: Service, speech: bytes) -> None:
    async with connect(service, "/") as socket:
        await socket.send(CONFIG)
        # Far less than a chunk of the model: nothing is recognised of it, and it is answered.
        await socket.send(speech[:2])
        assert json.loads(await socket.recv()) == {"partial": ""}


@pytest.mark.parametrize("path", ["/", "/sherpa"])
async def test_who_does_not_read_harms_nobody(service: Service, path: str, speech: bytes) -> None:
    async with connect(service, path, max_queue=1) as socket:
        socket.transport.pause_reading()
        data = speech if path == "/" else floats(speech)
        for part in pieces(data, 32):
            await socket.send(part)
        assert await asyncio.wait_for(heard_alone(service, speech), 10)
        socket.transport.abort()
    await quiet(service)


FAULTS = {
    "vosk text": ("/", ["hello"], 4400, "a text message must be JSON"),
    "vosk object": ("/", ['{"type": "configure"}'], 4400, "a text message is"),
    "vosk option": ("/", ['{"config": {"spk": 1}}'], 4400, "unknown option 'spk'"),
    "vosk rate": ("/", ['{"config": {"sample_rate": 4000}}', b"ab"], 4400, "sample_rate"),
    "vosk model": ("/", ['{"config": {"model": "/models/de"}}', b"ab"], 4400, "model: this server serves"),
    "vosk late config": ("/", [b"ab", CONFIG], 4400, "the options are fixed by the first audio"),
    "sherpa text": ("/sherpa", ["hello"], 4400, "the only text message is Done"),
    "sherpa NaN": ("/sherpa", [b"\xff" * 64], 4422, "NaN"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_closes_with_its_reason(service: Service, fault: str, speech: bytes) -> None:
    path, messages, expected, begin = FAULTS[fault]
    async with connect(service, "/sherpa") as neighbour, connect(service, path) as socket:
        await neighbour.send(floats(speech[:64_000]))
        for message in messages:
            await socket.send(message)
        _, code, reason = await rest(socket)
        assert code == expected
        assert begin in reason
        await neighbour.send(floats(speech[64_000:]))
        await neighbour.send("Done")
        results, code, _ = await rest(neighbour)
    assert (results[-1], code) == ("Done!", 1000)
    finals = [result for result in map(json.loads, results[:-1]) if result["is_final"]]
    assert " ".join(final["text"] for final in finals).strip() == await heard_alone(service, speech)
    await quiet(service)


@pytest.mark.parametrize("path", ["/", "/sherpa"])
async def test_messages_with_faults_harm_nobody_else(service: Service, path: str, speech: bytes) -> None:
    """Whatever a session ends with, it ends."""
    rng = random.Random(7)
    texts = [CONFIG, '{"eof" : 1}', '{"reset" : 1}', "Done"]
    async with connect(service, "/") as neighbour:
        await neighbour.send(CONFIG)
        answers = []
        for part in pieces(speech, 12_800):
            await neighbour.send(part)
            answers.append(str(await neighbour.recv()))
            async with connect(service, path) as socket:
                with suppress(ConnectionClosed):
                    for _ in range(rng.randint(1, 6)):
                        text = bytearray(rng.choice(texts).encode())
                        text[rng.randrange(len(text))] = rng.choice(b'{}[]":1e \\nDx')
                        await socket.send(text.decode() if rng.random() < 0.3 else rng.randbytes(rng.randint(0, 400)))
                    await socket.send("Done" if path == "/sherpa" else '{"eof" : 1}')
                _, code, _ = await rest(socket)
                assert code in (1000, 4400, 4422)
        await neighbour.send('{"eof" : 1}')
        more, _, _ = await rest(neighbour)
    assert vosk_words([*answers, *more]) == await heard_alone(service, speech)


async def test_silence_ends_a_session(service: Service) -> None:
    async with connect(service, "/") as vosk, connect(service, "/sherpa") as sherpa:
        await vosk.send(CONFIG)
        for socket in (vosk, sherpa):
            _, code, reason = await rest(socket)
            assert code == 4408
            assert "nothing came from the client" in reason


@pytest.mark.parametrize("path", ["/", "/sherpa"])
async def test_what_was_heard_is_told_before_a_session_ends_early(service: Service, path: str, speech: bytes) -> None:
    async with connect(service, path) as socket:
        if path == "/":
            await socket.send(CONFIG)
        await socket.send(speech if path == "/" else floats(speech))
        await socket.recv()
        (live,) = service.recognizer.live
        while live.received < len(speech) // 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        live.fail(WavelaneError(ErrorCode.SHUTTING_DOWN, "going down"))
        messages, code, reason = await rest(socket)
    assert (code, reason) == (1012, "going down")
    assert "Done!" not in messages
    told = [json.loads(message) for message in messages]
    finals = [message["text"] for message in told if message.get("is_final", "text" in message)]
    assert " ".join(finals).strip() == await heard_alone(service, speech)


@pytest.mark.parametrize("path", ["/", "/sherpa"])
async def test_refusals(service: Service, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await connect(service, f"{path}?model=small")
    assert refused.value.response.status_code == 400
    assert b"no parameters in its URL" in refused.value.response.body
    service.recognizer.draining = True
    try:
        with pytest.raises(InvalidStatus) as refused:
            await connect(service, path)
        assert refused.value.response.status_code == 503
    finally:
        service.recognizer.draining = False
    with pytest.raises(InvalidStatus) as refused:
        await connect(service, path, origin="https://evil.example")
    assert refused.value.response.status_code == 403


async def test_each_port_has_its_protocol_and_the_page_stays(service: Service) -> None:
    vosk, sherpa = (f"ws://127.0.0.1:{service.more_ports[name]}" for name in ("vosk_port", "sherpa_port"))
    async with open_websocket(vosk) as socket:
        await socket.send('{"eof" : 1}')
        assert await rest(socket) == (['{\n  "text" : ""\n}'], 1000, "")
    async with open_websocket(sherpa) as socket:
        await socket.send("Done")
        messages, code, _ = await rest(socket)
        assert (messages[-1], code) == ("Done!", 1000)
    async with httpx.AsyncClient() as client:
        page = await client.get(f"http://127.0.0.1:{service.http_port}/")
    assert page.headers["content-type"].startswith("text/html")
