"""What a client may get wrong: the exact error over each transport, and that everybody else goes on."""

import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from support.serving import heard_alone, pieces, text_of
from support.streamclients import GrpcClient, WsClient
from wavelane.errors import STATUS, ErrorCode
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_server.service import Service

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("neighbour")]

Connect = Callable[..., Coroutine[Any, Any, Any]]


def check_over(client: Any, code: ErrorCode) -> None:
    """The connection ended with the status of this error."""
    if client.kind == "websocket":
        assert client.close_code == STATUS[code].websocket
    else:
        assert client.status == STATUS[code].grpc
        assert client.metadata["wavelane-error-code"] == code.value


async def check_goes_on(client: Any, service: Service, speech: bytes) -> None:
    """The session works as if nothing had been said."""
    for piece in pieces(speech, 6400):
        await client.audio(piece)
    await client.end()
    events = await client.rest()
    assert text_of(events) == await heard_alone(service, speech)
    assert client.status in (1000, "OK")


def error(event: dict[str, Any], code: ErrorCode, *, fatal: bool) -> str:
    assert (event["type"], event.get("code"), event.get("fatal")) == ("error", code.value, fatal), event
    return str(event["message"])


async def test_audio_before_configuration(connect: Connect) -> None:
    client = await connect()
    await client.audio(bytes(640))
    events = await client.rest()
    if client.kind == "websocket":
        assert "send configure first" in error(events[0], ErrorCode.INVALID_MESSAGE, fatal=True)
        assert events[1:] == [{"type": "closed", "received": 0}]
        assert "send configure first" in client.close_reason
    else:
        assert events == []
        assert "send configure first" in client.details
    check_over(client, ErrorCode.INVALID_MESSAGE)


BROKEN = {
    "broken JSON": ('{"type": "flush"', "must be JSON"),
    "text where audio is due": ("RIFF....WAVEfmt", "audio goes in binary messages"),
    "not an object": ("[1, 2]", "JSON object"),
    "a number": ("17", "JSON object"),
    "no type": ('{"encoding": "linear16"}', "has no type"),
    "unknown type": ('{"type": "finish"}', "unknown type 'finish'; one of configure"),
    "type of a wrong type": ('{"type": {"a": 1}}', "unknown type"),
    "a field too many": ('{"type": "flush", "now": true}', "flush takes no fields, got 'now'"),
    "deep nesting": ("[" * 100_000, "depth limit exceeded"),
    "half of a surrogate pair": ('{"type": "configure", "text": {"replace": {"\\ud800": ""}}}', "surrogate"),
    "empty": ("", "must be JSON"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_broken_text(service: Service, speech: bytes, case: str, when: str) -> None:
    text, said = BROKEN[case]
    client = await WsClient.open(service.http_port)
    if when == "after":
        await client.configure()
    await client.text(text)
    assert said in error(await client.next(), ErrorCode.INVALID_MESSAGE, fatal=False)
    if when == "before":
        await client.configure()
    await check_goes_on(client, service, speech)


async def test_text_that_is_not_utf8_closes_the_connection(service: Service) -> None:
    client = await WsClient.open(service.http_port)
    await client.configure()
    await client.socket.send(b"\xff\xfe", text=True)
    await client.rest()
    assert client.close_code == 1007


async def test_an_empty_request(service: Service, speech: bytes) -> None:
    client = await GrpcClient.open(service.grpc_port)
    await client.request(pb.StreamRequest())
    assert "set one of" in error(await client.next(), ErrorCode.INVALID_MESSAGE, fatal=False)
    await client.configure()
    await check_goes_on(client, service, speech)


async def test_bytes_that_are_no_request_at_all(service: Service) -> None:
    import grpc

    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        call = channel.stream_stream("/wavelane.v1.SpeechRecognizer/Stream")()
        await call.write(b"\xff" * 100)
        assert await call.code() == grpc.StatusCode.INVALID_ARGUMENT


CONFIGURATIONS = {
    "unknown option": ({"sampel_rate": 8000}, "sampel_rate: unknown option"),
    "unknown nested option": ({"vad": {"aggressiveness": 3}}, "vad.aggressiveness: unknown option"),
    "wrong type": ({"sample_rate": "fast"}, "sample_rate: "),
    "wrong nested type": ({"vad": "off"}, "vad: "),
    "rate too low": ({"sample_rate": 4000}, "sample_rate: Input should be greater than or equal to 8000"),
    "rate too high": ({"sample_rate": 192_000}, "less than or equal to 96000"),
    "unknown encoding": ({"encoding": "opus"}, "encoding: Input should be"),
    "too many channels": ({"channels": 9}, "channels: Input should be less than or equal to 8"),
    "a channel that is not there": ({"channels": 2, "channel": 2}, "no channel 2 in 2"),
    "a lookahead that the model lacks": ({"lookahead": 5}, "was trained for"),
    "a language that the model lacks": ({"language": "tlh"}, "not 'tlh'"),
    "another model": ({"model": "whisper-1"}, "not 'whisper-1'"),
    "alternatives that the decoder lacks": ({"alternatives": 4}, "ask for 1"),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
async def test_bad_configuration(service: Service, speech: bytes, case: str) -> None:
    options, said = CONFIGURATIONS[case]
    client = await WsClient.open(service.http_port)
    await client.message({"type": "configure", **options})
    assert said in error(await client.next(), ErrorCode.INVALID_CONFIG, fatal=False)
    await client.configure()
    await check_goes_on(client, service, speech)


async def test_bad_configuration_over_grpc(service: Service, speech: bytes) -> None:
    client = await GrpcClient.open(service.grpc_port)
    for fields, said in (
        ({"sample_rate": 4000}, "greater than or equal to 8000"),
        ({"lookahead": 5}, "was trained for"),
        ({"vad": {"threshold": 2.0}}, "vad.threshold"),
        ({"channel": "mode_unspecified"}, "channel"),
    ):
        await client.message({"type": "configure", **fields})
        assert said in error(await client.next(), ErrorCode.INVALID_CONFIG, fatal=False)
    await client.request(pb.StreamRequest(configure=pb.Configure(encoding=77)))  # type: ignore[arg-type]
    assert "encoding" in error(await client.next(), ErrorCode.INVALID_CONFIG, fatal=False)
    await client.configure()
    await check_goes_on(client, service, speech)


async def test_two_configurations(connect: Connect, service: Service, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    await client.message({"type": "configure", "sample_rate": 8000})
    assert "configured already" in error(await client.next(), ErrorCode.INVALID_MESSAGE, fatal=False)
    await check_goes_on(client, service, speech)


@pytest.mark.parametrize("kind", ["flush", "end", "reconfigure"])
async def test_orders_before_configuration(connect: Connect, service: Service, speech: bytes, kind: str) -> None:
    client = await connect()
    await client.message({"type": kind})
    assert f"{kind} came before" in error(await client.next(), ErrorCode.INVALID_MESSAGE, fatal=False)
    await client.configure()
    await check_goes_on(client, service, speech)


async def test_reconfiguring_what_is_fixed(service: Service, speech: bytes) -> None:
    client = await WsClient.open(service.http_port)
    await client.configure()
    await client.message({"type": "reconfigure", "sample_rate": 8000})
    assert "sample_rate cannot change" in error(await client.next(), ErrorCode.INVALID_CONFIG, fatal=False)
    await client.message({"type": "reconfigure", "lookahead": 5})
    assert "was trained for" in error(await client.next(), ErrorCode.INVALID_CONFIG, fatal=False)
    await check_goes_on(client, service, speech)


async def test_reconfigure(connect: Connect) -> None:
    client = await connect()
    ready = await client.configure()
    await client.message({"type": "reconfigure", "partials": False, "endpoint": {"silence_ms": 900}})
    configured = await client.next()
    assert configured["type"] == "configured"
    assert configured["config"]["partials"] is False
    endpoint = {**ready["config"]["endpoint"], "silence_ms": 900}
    assert configured["config"] == {**ready["config"], "partials": False, "endpoint": endpoint}
    await client.end()
    assert [event["type"] for event in await client.rest()] == ["closed"]


async def test_audio_after_end(connect: Connect, service: Service, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    await client.audio(speech)  # in one message, so that there is work left while the next ones arrive
    await client.end()
    await client.audio(speech[:640])
    await client.message({"type": "flush"})
    events = await client.rest()
    told = [event for event in events if event["type"] == "error"]
    assert "audio after end was ignored" in error(told[0], ErrorCode.INVALID_MESSAGE, fatal=False)
    assert "flush after end was ignored" in error(told[1], ErrorCode.INVALID_MESSAGE, fatal=False)
    assert text_of(events) == await heard_alone(service, speech)
    assert client.status in (1000, "OK")


async def test_flush_answers_and_goes_on(connect: Connect, service: Service, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    await client.audio(speech)
    await client.message({"type": "flush"})
    events = []
    while (event := await client.next())["type"] != "flushed":
        events.append(event)
    assert event["at"] == len(speech) // 2
    assert text_of(events) == await heard_alone(service, speech)
    await client.audio(speech)
    await client.end()
    assert text_of(await client.rest())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_samples_that_are_no_numbers(connect: Connect, value: float) -> None:
    client = await connect()
    await client.configure(encoding="float32")
    await client.audio(struct.pack("<320f", *([0.0] * 319), value))
    events = await client.rest()
    error(events[0], ErrorCode.INVALID_AUDIO, fatal=True)
    assert events[-1]["type"] == "closed"
    check_over(client, ErrorCode.INVALID_AUDIO)


async def test_an_odd_byte_waits_for_its_other_half(connect: Connect, service: Service, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    for piece in pieces(speech, 4321):
        await client.audio(piece)
    await client.end()
    assert text_of(await client.rest()) == await heard_alone(service, speech)


async def test_a_sample_cut_in_half_at_the_end(connect: Connect, service: Service, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    await client.audio(speech + b"\x00")
    await client.end()
    events = await client.rest()
    told = next(event for event in events if event["type"] == "error")
    error(told, ErrorCode.INVALID_AUDIO, fatal=False)
    assert text_of(events) == await heard_alone(service, speech)
    assert client.status in (1000, "OK")


async def test_ten_megabytes_in_one_message(connect: Connect, speech: bytes) -> None:
    client = await connect()
    await client.configure()
    await client.audio(speech)
    await client.audio(bytes(10_000_000))
    events = await client.rest()
    fatal = next(event for event in events if event["type"] == "error")
    message = error(fatal, ErrorCode.MESSAGE_TOO_BIG, fatal=True)
    assert "limit of 1048576 bytes (setting limits.max_message_bytes)" in message
    assert text_of(events), "what came before it is final"
    assert events[-1] == {"type": "closed", "received": len(speech) // 2}
    check_over(client, ErrorCode.MESSAGE_TOO_BIG)


async def test_a_message_that_no_transport_reads(connect: Connect) -> None:
    client = await connect()
    await client.configure()
    await client.audio(bytes(20_000_000))
    await client.rest()
    assert client.status in (1009, "RESOURCE_EXHAUSTED")


async def test_a_corrupt_container(connect: Connect) -> None:
    client = await connect()
    await client.configure(encoding="container")
    await client.audio(b"this is no audio " * 1000)
    await client.end()
    events = await client.rest()
    told = next(event for event in events if event["type"] == "error")
    assert told["code"] == "invalid_audio"
    assert events[-1]["type"] == "closed"


async def test_more_audio_in_one_message_than_may_wait(connect: Connect, speech: bytes) -> None:
    client = await connect()
    await client.configure(vad={"kind": "off"})
    await client.audio(speech * 4)
    events = await client.rest()
    fatal = next(event for event in events if event["type"] == "error")
    assert "the limit is 6 s (setting engine.max_backlog_seconds)" in error(
        fatal, ErrorCode.BACKLOG_EXCEEDED, fatal=True
    )
    assert text_of(events), "what was heard is final"
    assert events[-1] == {"type": "closed", "received": 4 * len(speech) // 2}
    check_over(client, ErrorCode.BACKLOG_EXCEEDED)
