"""The HTTP side: files in, transcripts out, and what is around it."""

import asyncio
import io
import json
import struct
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import pytest_asyncio

from support.encode import encode
from support.serving import heard_alone, quiet
from support.streamclients import WsClient
from wavelane_server.adapters.schema import message_schema
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/audio/transcriptions"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def http(service: Service) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def wav(speech: bytes) -> bytes:
    return as_wav(speech)


@pytest.fixture(scope="session")
def opus(speech_file: Path) -> bytes:
    return speech_file.read_bytes()


def as_wav(audio: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(audio)
    return buffer.getvalue()


async def post(http: httpx.AsyncClient, data: bytes, name: str = "speech.wav", **fields: Any) -> httpx.Response:
    return await http.post(PATH, files={"file": (name, data)}, data=fields)


async def test_json_is_what_the_stream_gives(
    http: httpx.AsyncClient, service: Service, wav: bytes, speech: bytes
) -> None:
    answer = await post(http, wav)
    assert answer.status_code == 200
    assert answer.json() == {"text": await heard_alone(service, speech)}
    await quiet(service)


async def test_opus_in_ogg(http: httpx.AsyncClient, opus: bytes) -> None:
    answer = await post(http, opus, "speech.opus")
    assert answer.json()["text"]


async def test_verbose_json(http: httpx.AsyncClient, wav: bytes, speech: bytes) -> None:
    body = (
        await post(http, wav, response_format="verbose_json", **{"timestamp_granularities[]": ["word", "segment"]})
    ).json()
    assert body["task"] == "transcribe"
    assert body["duration"] == pytest.approx(len(speech) / 32_000, abs=1e-3)
    assert " ".join(segment["text"] for segment in body["segments"]) == body["text"]
    assert " ".join(word["word"] for word in body["words"]) == body["text"]
    for item in (*body["segments"], *body["words"]):
        assert 0 <= item["start"] < item["end"] <= body["duration"] + 0.1
        assert 0 <= item["confidence"] <= 1
    assert "words" not in (await post(http, wav, response_format="verbose_json")).json()


async def test_text_and_subtitles(http: httpx.AsyncClient, wav: bytes) -> None:
    text = (await post(http, wav, response_format="text")).text
    srt = await post(http, wav, response_format="srt")
    vtt = await post(http, wav, response_format="vtt")
    assert srt.headers["content-type"].startswith("application/x-subrip")
    assert vtt.headers["content-type"].startswith("text/vtt")
    assert vtt.text.startswith("WEBVTT\n\n00:00:0")
    number, times, said = srt.text.split("\n")[:3]
    assert (number, said) == ("1", text.strip())
    assert times.count(",") == 2
    assert " --> " in times


async def test_vad_and_lookahead_are_taken(http: httpx.AsyncClient, wav: bytes) -> None:
    assert (await post(http, wav, vad="off", lookahead="13", model="wavelane-en-small", language="en")).json()["text"]


async def test_text_is_written_as_asked_for(http: httpx.AsyncClient, wav: bytes) -> None:
    plain = (await post(http, wav)).json()["text"]
    first = plain.split()[0]
    asked = json.dumps({"punctuation": True, "capitals": True, "replace": {first: "xylophone"}})
    written = (await post(http, wav, text=asked)).json()["text"]
    assert written.split()[0].rstrip(",.?").lower() == "xylophone"
    assert written[0].isupper()
    assert written[-1] in ".?"


async def test_a_stream_grows_to_what_comes_at_once(http: httpx.AsyncClient, service: Service, wav: bytes) -> None:
    whole = (await post(http, wav)).json()["text"]
    events = []
    async with http.stream(
        "POST", PATH, files={"file": ("speech.wav", wav)}, data={"stream": "true", "include[]": "logprobs"}
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
    *deltas, done = events
    assert len(deltas) > 1
    assert {delta["type"] for delta in deltas} == {"transcript.text.delta"}
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == whole
    assert "".join(token["token"] for token in done["logprobs"]) == whole
    await quiet(service)


async def test_a_stream_that_fails_says_so(http: httpx.AsyncClient, service: Service, speech: bytes) -> None:
    answer = await post(http, b"hello", stream="true")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_audio")
    # 25 s of mu-law, speech first, are more than the limit of 20 s.
    samples = np.frombuffer(speech, "<i2")[::2].astype(np.float32) / 32768
    spoken = encode("mulaw", "pcm_mulaw", 8_000, samples[None])
    form = struct.pack("<HHIIHHH", 7, 1, 8_000, 8_000, 1, 8, 0)
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x12\0\0\0" + form + b"data\xff\xff\xff\xff"
    answer = await post(http, header + spoken + b"\xff" * (196_000 - len(spoken)), stream="true")
    assert answer.status_code == 200
    assert "transcript.text.delta" in answer.text
    last = json.loads(answer.text.rstrip().rsplit("data: ", 1)[1])
    assert last["error"]["code"] == "message_too_big"
    assert "transcript.text.done" not in answer.text
    await quiet(service)


async def test_a_listener_who_leaves(http: httpx.AsyncClient, service: Service, speech: bytes) -> None:
    """Its lane is free at once."""
    body = as_wav(speech[:60_000] * 3)
    async with http.stream("POST", PATH, files={"file": ("a.wav", body)}, data={"stream": "true"}) as answer:
        await anext(answer.aiter_lines())
    await quiet(service)


async def test_names_and_hints_of_openai(http: httpx.AsyncClient, service: Service, wav: bytes) -> None:
    plain = (await post(http, wav)).json()
    fields = {
        "model": "gpt-4o-mini-transcribe",
        "temperature": "0",
        "prompt": "",
        "language": "en",
        "keywords[]": ["received", "messengers"],
        "chunking_strategy[type]": "server_vad",
        "chunking_strategy[prefix_padding_ms]": "500",
        "include[]": "logprobs",
    }
    body = (await post(http, wav, **fields)).json()
    assert "".join(token["token"] for token in body["logprobs"]) == body["text"]
    assert all(token["logprob"] <= 0 for token in body["logprobs"])
    assert body["text"] != plain["text"], "the words to expect are not favoured"
    await quiet(service)


BAD_FORMS: dict[str, tuple[dict[str, str], int, str, str]] = {
    "unknown field": ({"temprature": "0"}, 400, "invalid_config", "unknown field temprature; known are file"),
    "unknown format": ({"response_format": "yaml"}, 400, "invalid_config", "response_format is one of json"),
    "unknown model": ({"model": "my-model"}, 400, "invalid_config", "not 'my-model'"),
    "unknown language": ({"language": "tlh"}, 400, "invalid_config", "not 'tlh'"),
    "lookahead that the model lacks": ({"lookahead": "5"}, 400, "invalid_config", "was trained for"),
    "lookahead that is no number": ({"lookahead": "soon"}, 400, "invalid_config", "lookahead: "),
    "lookahead of too many digits": ({"lookahead": "9" * 5_000}, 400, "invalid_config", "lookahead: "),
    "text that is no JSON": ({"text": "itn"}, 400, "invalid_config", "text is a JSON object like"),
    "text that is no object": ({"text": "5"}, 400, "invalid_config", "text: "),
    "unknown detector": ({"vad": "ears"}, 400, "invalid_config", "vad.kind: "),
    "chance": ({"temperature": "0.8"}, 400, "invalid_config", "temperature: "),
    "a prompt in sentences": ({"prompt": "The speaker reads from a book."}, 400, "invalid_config", "prompt: "),
    "two languages": ({"languages[]": ["en", "de"]}, 400, "invalid_config", "One language"),  # type: ignore[dict-item]
    "speakers": ({"known_speaker_names[]": "Ann"}, 400, "invalid_config", "not told apart"),
    "diarized_json": ({"response_format": "diarized_json"}, 400, "invalid_config", "response_format is one of json"),
    "a stream of subtitles": ({"stream": "true", "response_format": "srt"}, 400, "invalid_config", "stream needs"),
    "a stream or not": ({"stream": "perhaps"}, 400, "invalid_config", "true or false"),
    "logprobs of subtitles": ({"include[]": "logprobs", "response_format": "vtt"}, 400, "invalid_config", "json"),
    "chunks of no kind": ({"chunking_strategy": "manual"}, 400, "invalid_config", "chunking_strategy is auto"),
    "silence in words": (
        {"chunking_strategy[type]": "server_vad", "chunking_strategy[silence_duration_ms]": "long"},
        400,
        "invalid_config",
        "Invalid type for 'chunking_strategy.silence_duration_ms'",
    ),
    "granularity without times": ({"timestamp_granularities[]": "word"}, 400, "invalid_config", "verbose_json"),
}


@pytest.mark.parametrize("case", BAD_FORMS)
async def test_bad_forms(http: httpx.AsyncClient, service: Service, wav: bytes, case: str) -> None:
    fields, status, code, said = BAD_FORMS[case]
    answer = await post(http, wav, **fields)
    assert answer.status_code == status
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == (code, "invalid_request_error")
    assert said in error["message"]
    assert error["param"] is None or error["param"].split(".")[0] in "".join(fields)
    await quiet(service)


async def test_no_file(http: httpx.AsyncClient) -> None:
    for answer in (
        await http.post(PATH, data={"response_format": "json"}),
        await http.post(PATH, files={"response_format": (None, "json")}),
        await http.post(PATH, content=b"RIFF", headers={"content-type": "audio/wav"}),
        await http.post(PATH, content=b"--x", headers={"content-type": "multipart/form-data"}),
        await http.post(PATH, content=b"no boundary here", headers={"content-type": "multipart/form-data; boundary=x"}),
    ):
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["code"] == "invalid_message"


async def test_a_file_that_is_no_audio(http: httpx.AsyncClient, service: Service) -> None:
    for data in (b"", b"hello", b"this is no audio " * 1000, b"RIFF\xff\xff\xff\xffWAVEfmt "):
        answer = await post(http, data)
        assert answer.status_code == 400, (data[:20], answer.text)
        assert answer.json()["error"]["code"] == "invalid_audio"
    await quiet(service)


async def test_a_truncated_file_gives_what_it_has(http: httpx.AsyncClient, opus: bytes) -> None:
    body = (await post(http, opus[: len(opus) * 3 // 4], "speech.opus")).json()
    assert body["text"]


async def test_a_file_that_is_too_big(http: httpx.AsyncClient, service: Service) -> None:
    answer = await post(http, as_wav(bytes(300_000)))
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "message_too_big"
    assert "larger than 200000 bytes (setting limits.max_upload_bytes)" in answer.json()["error"]["message"]

    async def unannounced() -> AsyncIterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        for _ in range(10):
            yield bytes(30_000)

    answer = await http.post(PATH, content=unannounced(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413
    await quiet(service)


async def test_a_file_that_is_too_long(http: httpx.AsyncClient, service: Service) -> None:
    """25 s in few bytes: mu-law at 8 kHz within 200 kB."""
    form = struct.pack("<HHIIHHH", 7, 1, 8_000, 8_000, 1, 8, 0)
    header = b"RIFF\xff\xff\xff\xffWAVEfmt \x12\0\0\0" + form + b"data\xff\xff\xff\xff"
    answer = await post(http, header + b"\xff" * 196_000)
    assert answer.status_code == 413
    assert "more than 20 s of audio (setting limits.max_audio_seconds)" in answer.json()["error"]["message"]
    await quiet(service)


async def test_an_upload_that_stalls(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
    writer.write(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        "Content-Length: 1000\r\n\r\n--x\r\n".encode()
    )
    async with asyncio.timeout(30):
        answer = await reader.readuntil(b"\r\n")
    assert b" 408 " in answer
    writer.close()


async def test_a_client_that_leaves_amid_its_upload_is_no_fault(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
    writer.write(b"POST /v1/listen HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nRIFF")
    await asyncio.sleep(0.1)
    writer.transport.abort()
    async with asyncio.timeout(30):
        while service._http.server_state.tasks:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    assert not caplog.records


async def test_a_client_that_leaves(service: Service, speech: bytes) -> None:
    """Its lane is free long before its file would have been recognised."""
    body = as_wav(speech[:60_000] * 3)
    form = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + body + b"\r\n--x--\r\n"
    _, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
    writer.write(
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=x\r\n"
        f"Content-Length: {len(form)}\r\n\r\n".encode()
        + form
    )
    async with asyncio.timeout(30):
        while not service.recognizer.live:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    (live,) = service.recognizer.live
    writer.transport.abort()
    await quiet(service)
    assert not live._session.closed


async def test_models(http: httpx.AsyncClient, service: Service) -> None:
    body = (await http.get("/v1/models")).json()
    assert body["object"] == "list"
    (model,) = body["data"]
    spec = service.recognizer.engine.spec
    assert (model["id"], model["lookaheads"]) == (spec.name, list(spec.lookaheads))


async def test_schema(http: httpx.AsyncClient) -> None:
    assert (await http.get("/v1/schema")).json() == message_schema()


async def test_metrics(http: httpx.AsyncClient, service: Service, speech: bytes) -> None:
    client = await WsClient.open(service.http_port)
    await client.configure()
    for at in range(0, len(speech), 3200):
        await client.audio(speech[at : at + 3200])
    await client.end()
    await client.rest()
    await asyncio.sleep(0.3)
    text = (await http.get("/metrics")).text
    values = {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}
    for name in (
        "wavelane_sessions_opened_total",
        "wavelane_audio_received_seconds_total",
        "wavelane_batch_rows_count",
        "wavelane_step_seconds_count",
        "wavelane_wait_seconds_count",
        "wavelane_lag_seconds_count",
        "wavelane_partial_latency_seconds_count",
        "wavelane_final_latency_seconds_count",
        "wavelane_event_loop_delay_seconds_count",
        "process_resident_memory_bytes",
    ):
        assert values[name] > 0, name
    assert values["wavelane_sessions"] == values["wavelane_lanes"] == 0
    assert values["wavelane_lanes_limit"] == 8
    assert values["wavelane_final_latency_seconds_sum"] / values["wavelane_final_latency_seconds_count"] < 2


async def test_the_page_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    answer = await http.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = await http.get("/", headers={"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304


async def test_what_is_not_there(http: httpx.AsyncClient) -> None:
    answer = await http.get("/v2/nothing")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
    answer = await http.get(PATH)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert (await http.get("/../config.py")).status_code == 404
    assert (await http.get("/%2e%2e/config.py")).status_code == 404
