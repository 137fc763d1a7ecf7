"""OpenAI's own clients against a real server: the Realtime API's transcription, and files."""

import base64
import json
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.encode import encode
from support.server import Server
from wavelane.audio.resample import Resampler

RECORDING = "commands.flac"
TRANSCRIPTION = "conversation.item.input_audio_transcription."
TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    f"{TRANSCRIPTION}completed",
    "conversation.item.done",
]
SERVER_VAD = {"vad": {"pre_roll_ms": 300}, "endpoint": {"silence_ms": 500, "no_text_ms": 500}}
"""What OpenAI's defaults come to."""


def session(turns: object = "default", rate: int = 16_000, **more: Any) -> dict[str, Any]:
    audio: dict[str, Any] = {"format": {"type": "audio/pcm", "rate": rate}, **more}
    if turns != "default":
        audio["turn_detection"] = turns
    return {"type": "transcription", "audio": {"input": audio}}


def plan(until: str, count: int = 1, **values: Any) -> str:
    return json.dumps({"until": until, "count": count, **values})


def transcript(events: list[dict[str, Any]]) -> list[str]:
    done = [event for event in events if event["type"] == f"{TRANSCRIPTION}completed"]
    return [word for event in done for word in event["transcript"].split()]


def check(events: list[dict[str, Any]]) -> None:
    """What holds for every dialogue: deltas add up, items have one transcript each, in the order of their commits."""
    deltas: dict[str, str] = {}
    committed, completed = [], []
    for event in events:
        if event["type"] == f"{TRANSCRIPTION}delta":
            deltas[event["item_id"]] = deltas.get(event["item_id"], "") + event["delta"]
        elif event["type"] == "input_audio_buffer.committed":
            assert event["previous_item_id"] == (committed[-1] if committed else None)
            committed.append(event["item_id"])
        elif event["type"] == f"{TRANSCRIPTION}completed":
            assert event["transcript"] == deltas.get(event["item_id"], "")
            assert event["usage"]["type"] == "duration"
            completed.append(event["item_id"])
    assert completed == committed
    assert len({event["event_id"] for event in events}) == len(events)


def test_turns_of_the_detector(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    path = linear16(RECORDING)
    words = native_words(path, encoding="linear16", **SERVER_VAD)
    # What is answered in the order of the audio marks the end.
    after = [{"type": "input_audio_buffer.commit"}, {"type": "input_audio_buffer.clear"}]
    wanted = plan("input_audio_buffer.cleared", session=session(), after=after)
    events = run_client("openai_realtime.py", "async", interop_server.http, key, path, wanted)
    created, updated, *rest, _ = events
    assert (created["type"], updated["type"]) == ("session.created", "session.updated")
    assert created["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24_000}
    assert updated["session"]["audio"]["input"]["format"]["rate"] == 16_000
    check(events)
    assert transcript(events) == words
    kinds = [event["type"] for event in rest if event["type"] != f"{TRANSCRIPTION}delta"]
    turns = len(kinds) // len(TURN)
    assert turns > 1
    assert kinds == TURN * turns
    times = [event.get("audio_start_ms", event.get("audio_end_ms")) for event in rest]
    times = [time for time in times if time is not None]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] <= path.stat().st_size / 32


def test_the_synchronous_client_commits_by_itself_and_wants_probabilities(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    path = linear16(RECORDING)
    manual = {**session(None), "include": ["item.input_audio_transcription.logprobs"]}
    commit = {"type": "input_audio_buffer.commit"}
    wanted = plan(f"{TRANSCRIPTION}completed", session=manual, after=[commit, {**commit, "event_id": "again"}])
    events = run_client("openai_realtime.py", "sync", interop_server.http, key, path, wanted)
    check(events)
    (error,) = (event["error"] for event in events if event["type"] == "error")
    assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "again")
    assert not any("speech" in event["type"] for event in events)
    options = {"vad": SERVER_VAD["vad"], "endpoint": {"enabled": False, "silence_ms": 500, "no_text_ms": 500}}
    assert transcript(events) == native_words(path, encoding="linear16", **options)
    tokens = events[-1]["logprobs"]
    assert "".join(token["token"] for token in tokens) == events[-1]["transcript"]
    assert all(token["logprob"] <= 0 for token in tokens)


@pytest.mark.parametrize("form", ["audio/pcm", "audio/pcma"])
def test_the_formats_of_the_api(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    tmp_path: Path,
    run_client: Callable[..., list[dict[str, Any]]],
    form: str,
) -> None:
    samples = np.frombuffer(linear16(RECORDING).read_bytes(), "<i2").astype(np.float32) / 32768
    rate = 24_000 if form == "audio/pcm" else 8_000
    resampler = Resampler(16_000, rate)
    samples = np.concatenate([resampler.push(samples), resampler.flush()])
    raw = {"audio/pcm": "s16le", "audio/pcma": "alaw"}[form]
    path = tmp_path / "audio"
    path.write_bytes(encode(raw, f"pcm_{raw}", rate, samples[None]))
    # No word of the rate: what the API's clients send without it is 24 kHz.
    wanted = plan(
        f"{TRANSCRIPTION}completed",
        session={"type": "transcription", "audio": {"input": {"format": {"type": form}, "turn_detection": None}}},
        after=[{"type": "input_audio_buffer.commit"}],
    )
    events = run_client("openai_realtime.py", "async", interop_server.http, key, path, wanted)
    check(events)
    assert {"left", "five"} <= set(transcript(events))


def test_words_to_expect_and_clearing(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    path = linear16("libri_egypt.opus")
    hints = {"model": "gpt-4o-transcribe", "language": "en", "keywords": ["received", "messengers"]}
    silence = {"type": "input_audio_buffer.append", "audio": base64.b64encode(bytes(9_600)).decode()}
    after = [{"type": "input_audio_buffer.commit"}, silence, {"type": "input_audio_buffer.clear"}]
    wanted = plan("input_audio_buffer.cleared", session=session(None, transcription=hints), after=after)
    events = run_client("openai_realtime.py", "async", interop_server.http, key, path, wanted)
    check(events)
    options = {"vad": SERVER_VAD["vad"], "endpoint": {"enabled": False, "silence_ms": 500, "no_text_ms": 500}}
    expected = native_words(path, encoding="linear16", hotwords=hints["keywords"], **options)
    assert transcript(events) == expected != native_words(path, encoding="linear16", **options)


def test_an_update_that_cannot_be(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
) -> None:
    wanted = plan("error", session=session(transcription={"language": "tlh"}))
    *_, error = run_client("openai_realtime.py", "sync", interop_server.http, key, linear16(RECORDING), wanted)
    assert error["error"]["event_id"] == "mine"
    assert "not 'tlh'" in error["error"]["message"]
    assert error["error"]["param"] == "session.audio.input.transcription.language"


def realtime(server: Server, *subprotocols: str, **headers: str) -> Any:
    url = f"{server.ws}/v1/realtime?intent=transcription"
    return connect(url, additional_headers=headers, subprotocols=list(subprotocols) or None, proxy=None)  # type: ignore[arg-type]


def test_keys(interop_server: Server, key: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        realtime(interop_server, Authorization="Bearer wrong")
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body)["error"]["code"] == "invalid_api_key"
    with realtime(interop_server, "realtime", f"openai-insecure-api-key.{key}", "openai-beta.realtime-v1") as browser:
        assert browser.subprotocol == "realtime"
        assert json.loads(browser.recv())["type"] == "transcription_session.created"
        update = {"input_audio_format": "g711_ulaw", "turn_detection": None}
        browser.send(json.dumps({"type": "transcription_session.update", "session": update}))
        updated = json.loads(browser.recv())
        assert updated["type"] == "transcription_session.updated"
        assert updated["session"]["input_audio_format"] == "g711_ulaw"


def test_a_long_silence_is_an_item(interop_server: Server, key: str) -> None:
    """On the clock of the audio, so that it does not matter how fast it comes."""
    with realtime(interop_server, Authorization=f"Bearer {key}") as client:
        update = session({"type": "server_vad", "idle_timeout_ms": 1_500})
        client.send(json.dumps({"type": "session.update", "session": update}))
        for _ in range(40):
            audio = base64.b64encode(bytes(3_200)).decode()
            client.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        client.send('{"type":"input_audio_buffer.clear"}')
        events = []
        while not events or events[-1]["type"] != "input_audio_buffer.cleared":
            events.append(json.loads(client.recv(20)))
    check(events)
    times = [
        (event["audio_start_ms"], event["audio_end_ms"])
        for event in events
        if event["type"] == "input_audio_buffer.timeout_triggered"
    ]
    assert len(times) == 2
    assert all(1_500 <= end - start < 1_700 for start, end in times)
    assert times[1][0] == times[0][1]


def test_garbage_harms_nobody(interop_server: Server, key: str, linear16: Callable[..., Path]) -> None:
    """A neighbour hears what it would hear alone, and the server answers each mistake."""
    authorization = f"Bearer {key}"
    audio = linear16(RECORDING).read_bytes()
    with (
        realtime(interop_server, Authorization=authorization) as good,
        realtime(interop_server, Authorization=authorization) as bad,
    ):
        update = json.dumps({"type": "session.update", "session": session(None)})
        good.send(update)
        for message in (
            "{",
            "[]",
            '{"type": 1}',
            b"\0" * 999,
            '{"type":"input_audio_buffer.append","audio":"?"}',
            update,
        ):
            bad.send(message)
        bad.send('{"type":"input_audio_buffer.append","audio":"' + base64.b64encode(bytes(999)).decode() + '"}')
        bad.send('{"type":"session.update","session":{"audio":{"input":{"format":{"type":"audio/pcma"}}}}}')
        kinds = [json.loads(bad.recv())["type"] for _ in range(8)]
        assert kinds == ["session.created", *["error"] * 5, "session.updated", "error"]
        append = {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}
        good.send(json.dumps(append))
        good.send('{"type":"input_audio_buffer.commit"}')
        while (event := json.loads(good.recv()))["type"] != f"{TRANSCRIPTION}completed":
            assert event["type"] != "error", event
        assert event["transcript"].split()[0] == "go"


def test_files(
    interop_server: Server,
    key: str,
    speech_path: Callable[[str], Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    questions: list[dict[str, Any]] = [
        {"model": "whisper-1", "language": "en", "temperature": 0, "response_format": "json"},
        {"model": "whisper-1", "response_format": "verbose_json", "timestamp_granularities": ["word", "segment"]},
        {"model": "gpt-4o-transcribe", "stream": True, "include": ["logprobs"], "chunking_strategy": "auto"},
        {"model": "gpt-4o-transcribe", "prompt": "Somebody reads from a very old book."},
    ]
    path = speech_path("libri_egypt.opus")
    words = native_words("libri_egypt.opus")
    answers = run_client("openai_files.py", interop_server.http, key, path, json.dumps(questions))
    plain, verbose, *deltas, done, error = answers
    assert plain["text"].split() == words
    assert [word["word"] for word in verbose["words"]] == words
    assert len(deltas) > 1
    assert [delta["type"] for delta in deltas] == ["transcript.text.delta"] * len(deltas)
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == " ".join(words)
    assert (error["raised"], error["param"], error["type"]) == ("BadRequestError", "prompt", "invalid_request_error")


def test_files_without_a_key(interop_server: Server, speech_path: Callable[[str], Path]) -> None:
    with speech_path(RECORDING).open("rb") as file:
        answer = httpx.post(
            f"{interop_server.http}/v1/audio/transcriptions", files={"file": file}, data={"model": "whisper-1"}
        )
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.node
def test_node(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    speech_path: Callable[[str], Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    path, file = linear16(RECORDING), speech_path("libri_egypt.opus")
    events = run_client("openai_clients.mjs", interop_server.http, key, path, file)
    realtime = [event for event in events if not event["type"].startswith("transcript.")]
    check(realtime)
    options = {"vad": SERVER_VAD["vad"], "endpoint": {"enabled": False, "silence_ms": 500, "no_text_ms": 500}}
    assert transcript(realtime) == native_words(path, encoding="linear16", **options)
    *deltas, done = (event for event in events if event["type"].startswith("transcript."))
    assert "".join(delta["delta"] for delta in deltas) == done["text"]
    endpoint = {"silence_ms": 500, "no_text_ms": 500}
    assert done["text"].split() == native_words("libri_egypt.opus", endpoint=endpoint)


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["livekit", "pipecat"])
@pytest.mark.parametrize("kind", ["openai", "openai_file"])
def test_voice_frameworks(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    tmp_path: Path,
    run_client: Callable[..., list[dict[str, Any]]],
    frameworks_python: str,
    native_words: Callable[..., list[str]],
    framework: str,
    kind: str,
) -> None:
    path = tmp_path / "speech"
    path.write_bytes(linear16("libri_egypt.opus").read_bytes() + bytes(64_000))
    script = f"{framework}_stt.py"
    events = run_client(script, kind, interop_server.http, key, path, python=frameworks_python)
    names = [event.get("frame") or event["event"] for event in events]
    final = {"livekit": "final_transcript", "pipecat": "TranscriptionFrame"}[framework]
    heard, words = events[names.index(final)]["text"].split(), native_words(path, encoding="linear16")
    # For the Realtime API they resample to 24 kHz, so that a word or two may be heard otherwise.
    assert heard == words if kind == "openai_file" else SequenceMatcher(None, heard, words).ratio() > 0.7
    assert "ErrorFrame" not in names
    if kind == "openai":
        assert {"livekit": "interim_transcript", "pipecat": "InterimTranscriptionFrame"}[framework] in names
