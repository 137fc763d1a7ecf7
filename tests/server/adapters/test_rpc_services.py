"""The gRPC services of Google and Riva through real sockets: what depends on the server, not on a vendor's client."""

import asyncio
import base64
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.json_format import MessageToDict, ParseDict
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.serving import heard_alone, pieces, quiet
from wavelane_server.adapters.google import messages as google
from wavelane_server.adapters.riva import messages as riva
from wavelane_server.service import Service
from wavelane_server.transport import grpc as transport

pytestmark = pytest.mark.asyncio(loop_scope="module")

GOOGLE, RIVA = "/google.cloud.speech.v1.Speech", "/nvidia.riva.asr.RivaSpeechRecognition"
TYPES: dict[str, Any] = {GOOGLE: google, RIVA: riva}
PCM = {
    GOOGLE: {"encoding": "LINEAR16", "sample_rate_hertz": 16_000, "language_code": "en-US"},
    RIVA: {"encoding": "LINEAR_PCM", "sample_rate_hertz": 16_000, "language_code": "en-US"},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(serve: Callable[..., Coroutine[Any, Any, Service]]) -> Service:
    """A server for three lanes at a time, whose clients must not be silent."""
    return await serve(engine__max_sessions=3, limits__idle_timeout_s=2.0, limits__retry_after_s=3)


@asynccontextmanager
async def channel(service: Service) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as opened:
        yield opened


class Stream:
    """One ``StreamingRecognize`` without a client library; its messages are JSON."""

    def __init__(self, opened: grpc.aio.Channel, name: str) -> None:
        self._kind = TYPES[name].StreamingRecognizeRequest
        response = TYPES[name].StreamingRecognizeResponse
        self._call = opened.stream_stream(f"{name}/StreamingRecognize", None, response.FromString)()

    async def send(self, **message: Any) -> None:
        await self._call.write(ParseDict(message, self._kind()).SerializeToString())

    async def audio(self, data: bytes) -> None:
        for piece in pieces(data, 3_200):
            await self._call.write(self._kind(audio_content=piece).SerializeToString())

    async def rest(self) -> list[dict[str, Any]]:
        """What comes until the call ends, and its status."""
        lines = []
        try:
            async for response in self._call:
                lines.append(MessageToDict(response, preserving_proto_field_name=True))
        except grpc.aio.AioRpcError:
            pass
        metadata = dict(await self._call.trailing_metadata() or ())
        status = {"status": (await self._call.code()).name, "message": await self._call.details(), **metadata}
        return [*lines, status]

    async def close(self) -> list[dict[str, Any]]:
        await self._call.done_writing()
        return await self.rest()


async def recognized(service: Service, name: str, audio: bytes, **config: Any) -> list[dict[str, Any]]:
    async with channel(service) as opened:
        stream = Stream(opened, name)
        await stream.send(streaming_config={"config": {**PCM[name], **config}, "interim_results": True})
        await stream.audio(audio)
        return await stream.close()


def finals(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [result for line in lines for result in line.get("results", []) if result.get("is_final")]


def text(lines: list[dict[str, Any]]) -> str:
    return "".join(final["alternatives"][0]["transcript"] for final in finals(lines)).strip()


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.usefixtures("neighbour")
async def test_raw_samples_with_and_without_a_wav_header(service: Service, speech: bytes, name: str) -> None:
    alone = await heard_alone(service, speech)
    assert text(await recognized(service, name, speech)) == alone
    form = struct.pack("<HHIIHH", 1, 1, 16_000, 32_000, 2, 16)
    header = b"RIFF\xff\xff\xff\xffWAVEfmt " + struct.pack("<I", len(form)) + form + b"data"
    wav = header + struct.pack("<I", len(speech)) + speech + b"LIST\x04\0\0\0junk"
    assert text(await recognized(service, name, wav)) == alone
    (refused,) = await recognized(service, name, wav[:3_200], sample_rate_hertz=8_000)
    assert refused["status"] == "INVALID_ARGUMENT"
    assert "match the value in the WAV header (16000)" in refused["message"]


@pytest.mark.parametrize("name", TYPES)
async def test_each_channel_by_itself(service: Service, speech: bytes, name: str) -> None:
    alone = await heard_alone(service, speech)
    stereo = b"".join(b"\0\0" + speech[at : at + 2] for at in range(0, len(speech), 2))
    config = {"audio_channel_count": 2, "enable_separate_recognition_per_channel": True}
    lines = await recognized(service, name, stereo, **config)
    assert text(lines) == alone
    assert {final["channel_tag"] for final in finals(lines)} == {2}
    assert text(await recognized(service, name, stereo, audio_channel_count=2)) == ""


async def test_a_warning_is_metadata_whatever_the_client_wrote(service: Service) -> None:
    lines = await recognized(service, RIVA, bytes(3_200), model="asr\n\u20ac" + "x" * 20_000)
    assert lines[-1]["status"] == "OK"
    assert lines[-1]["wavelane-warning"].startswith("model: asr??xxx")


@pytest.mark.parametrize("name", TYPES)
async def test_a_full_server_refuses_before_any_response(service: Service, name: str) -> None:
    await quiet(service)
    async with channel(service) as opened:
        holders = [Stream(opened, name) for _ in range(3)]
        for holder in holders:
            await holder.send(streaming_config={"config": PCM[name]})
        while len(service.recognizer.live) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        # It says nothing: writing while the server ends the call, grpc.aio may report INTERNAL in place of the status.
        (refused,) = await Stream(opened, name).rest()
        assert refused["status"] == "RESOURCE_EXHAUSTED"
        assert refused["retry-after-ms"] == "3000"
        request = TYPES[name].RecognizeRequest(audio={"content": b"1"} if name == GOOGLE else b"1")
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await opened.unary_unary(f"{name}/Recognize")(request.SerializeToString())
        assert unary.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for holder in holders:
            assert (await holder.close())[-1]["status"] == "OK"
    await quiet(service)


async def test_silent_clients_keep_what_was_heard(service: Service, speech: bytes) -> None:
    async def heard(name: str) -> list[dict[str, Any]]:
        async with channel(service) as opened:
            stream = Stream(opened, name)
            await stream.send(streaming_config={"config": PCM[name]})
            await stream.audio(speech)
            return await stream.rest()

    lines = dict(zip(TYPES, await asyncio.gather(*map(heard, TYPES)), strict=True))
    for name, status, message in (
        (GOOGLE, "OUT_OF_RANGE", "Audio Timeout Error"),
        (RIVA, "DEADLINE_EXCEEDED", "limits.idle_timeout_s"),
    ):
        assert text(lines[name]) == await heard_alone(service, speech)
        assert lines[name][-1]["status"] == status
        assert message in lines[name][-1]["message"]


@pytest.mark.parametrize("name", TYPES)
async def test_a_mistake_ends_the_stream_with_what_was_heard(service: Service, speech: bytes, name: str) -> None:
    async with channel(service) as opened:
        stream = Stream(opened, name)
        await stream.send(streaming_config={"config": PCM[name]})
        await stream.audio(speech)
        await stream.send(streaming_config={})
        lines = await stream.rest()
    assert text(lines) == await heard_alone(service, speech)
    assert lines[-1]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize("name", TYPES)
async def test_a_recording_may_be_larger_than_a_message_of_a_stream(service: Service, name: str) -> None:
    silence = bytes(service.config.limits.max_message_bytes + 2)
    types = TYPES[name]
    request = types.RecognizeRequest(audio={"content": silence} if name == GOOGLE else silence)
    ParseDict({"config": PCM[name]}, request)
    async with channel(service) as opened:
        call = opened.unary_unary(f"{name}/Recognize", None, types.RecognizeResponse.FromString)
        assert not (await call(request.SerializeToString())).results
        stream = Stream(opened, name)
        await stream.send(streaming_config={"config": PCM[name]})
        await stream.send(audio_content=base64.b64encode(silence).decode())
        *_, status = await stream.rest()
    assert status["status"] == "RESOURCE_EXHAUSTED"
    assert "limits.max_message_bytes" in status["message"]


async def test_no_audio_is_nothing_said(service: Service) -> None:
    assert [line.get("status") for line in await recognized(service, RIVA, b"")] == ["OK"]
    billed, status = await recognized(service, GOOGLE, b"")
    assert billed["total_billed_time"] == "0s"
    assert status["status"] == "OK"


async def test_the_end_of_speech_is_told_before_the_end_of_the_utterance(service: Service, speech: bytes) -> None:
    endpointing = {"stop_history": 5_000, "stop_history_eou": 200}
    lines = await recognized(service, RIVA, speech + bytes(64_000), endpointing_config=endpointing)
    results = [result for line in lines for result in line.get("results", [])]
    early = [result for result in results if result.get("stability") == 1]
    assert early
    assert early[-1]["alternatives"][0]["transcript"] == text(lines)
    assert results[-1]["is_final"]


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.usefixtures("neighbour")
async def test_garbage_harms_nobody(service: Service, name: str) -> None:
    configuration = TYPES[name].StreamingRecognizeRequest()
    ParseDict({"streaming_config": {"config": PCM[name]}}, configuration)
    begin = configuration.SerializeToString()

    async def send(configured: bool, messages: list[bytes]) -> None:
        async with asyncio.timeout(5):
            call = opened.stream_stream(f"{name}/StreamingRecognize")()
            # The call may be over before the last message is written.
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                for message in ([begin] if configured else []) + messages:
                    await call.write(message)
                await call.done_writing()
                while await call.read() is not grpc.aio.EOF:
                    pass
            # That is what the client's side says of a message that it could not write any more.
            if await call.details() != "Internal error from Core":
                assert (await call.code()).name in ("OK", "INVALID_ARGUMENT")

    loop = asyncio.get_running_loop()

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.booleans(), st.lists(st.binary(max_size=40), min_size=1, max_size=3))
    def fuzz(configured: bool, messages: list[bytes]) -> None:
        asyncio.run_coroutine_threadsafe(send(configured, messages), loop).result()

    async with channel(service) as opened:
        await asyncio.to_thread(fuzz)
        with pytest.raises(grpc.aio.AioRpcError) as unary:
            await opened.unary_unary(f"{name}/Recognize")(b"\xff\xff")
        assert unary.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert service.metrics.failures.labels("internal")._value.get() == 0


async def test_what_google_has_and_this_server_has_not(service: Service) -> None:
    async with channel(service) as opened:
        with pytest.raises(grpc.aio.AioRpcError, match="not served") as error:
            await opened.unary_unary(f"{GOOGLE}/LongRunningRecognize")(b"")
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_without_their_packages_the_services_are_absent(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def listed(port: int) -> set[str]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            stub = reflection_pb2_grpc.ServerReflectionStub(opened)
            (response,) = [
                response
                async for response in stub.ServerReflectionInfo(
                    iter([reflection_pb2.ServerReflectionRequest(list_services="")])
                )
            ]
            return {each.name for each in response.list_services_response.service}

    vendors = {GOOGLE[1:], RIVA[1:]}
    assert vendors < await listed(service.grpc_port)
    monkeypatch.setattr(transport, "installed", lambda package: False)
    bare = transport.GrpcServer(service.recognizer)
    port = await bare.start("127.0.0.1", 0)
    assert not vendors & await listed(port)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await opened.unary_unary(f"{RIVA}/Recognize")(b"")
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await bare.stop()


async def test_vendors_packages_load_only_for_their_clients() -> None:
    program = (
        "import sys, wavelane_server.service; "
        "print([name for name in ('riva.client', 'google.cloud.speech_v1') if name in sys.modules])"
    )
    done = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
