"""AssemblyAI's own client against a real server."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.server import Server

RECORDING = "commands.flac"
SILENCE_MS = 752
"""That ends a turn by the vendor's defaults: 400 + 0.4 * (1280 - 400)."""


def run(
    run_client: Callable[..., list[dict[str, Any]]], server: Server, key: str, path: Path, **plan: Any
) -> list[dict[str, Any]]:
    return run_client("assemblyai_v3.py", server.ws, key, path, json.dumps(plan))


def finals(events: list[dict[str, Any]], *, formatted: bool = False) -> list[str]:
    turns = [event for event in events if event["type"] == "Turn" and event["end_of_turn"]]
    return [word for turn in turns if turn["turn_is_formatted"] == formatted for word in turn["transcript"].split()]


def test_turns(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    path = linear16(RECORDING)
    begin, *turns, termination = run(run_client, interop_server, key, path, messages=["keep_alive"])
    assert (begin["type"], termination["type"]) == ("Begin", "Termination")
    # Nothing is lost at the end: the last words have no silence behind them.
    endpoint = {"silence_ms": SILENCE_MS, "no_text_ms": SILENCE_MS}
    assert finals(turns) == native_words(path, encoding="linear16", endpoint=endpoint)
    seconds = path.stat().st_size / 32_000
    assert termination["audio_duration_seconds"] == round(seconds)
    started, partials, order = False, 0, 0
    for event in turns:
        if event["type"] == "SpeechStarted":
            assert not started
            started = True
            continue
        assert started
        assert event["turn_order"] == order
        said = [word["text"] for word in event["words"] if word["word_is_final"]]
        assert event["transcript"].split() == said
        times = [time for word in event["words"] for time in (word["start"], word["end"])]
        assert times == sorted(times)
        assert not times or times[-1] <= seconds * 1000 + 1
        if event["end_of_turn"]:
            started, order = False, order + 1
        else:
            partials += 1
    assert partials > 1


def test_formatted_turns_and_a_forced_end(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    """The forced end comes before the client says that it has finished: it waits for both turns."""
    path = linear16("libri_lemon.opus")
    update = {"max_turn_silence": 3000, "min_turn_silence": 3000, "format_turns": True, "agent_context": "How much?"}
    events = run(run_client, interop_server, key, path, update=update, messages=["force_endpoint"], wait=2)
    spoken, written = finals(events), finals(events, formatted=True)
    assert spoken == native_words(path, encoding="linear16", endpoint={"silence_ms": 3000, "no_text_ms": 3000})
    assert written != spoken
    assert written[0][0].isupper()
    assert written[-1][-1] in ".?"
    (warning,) = (event for event in events if event["type"] == "Warning")
    assert warning["warning"].startswith("agent_context has no effect here")


def test_words_to_expect_in_opus(
    interop_server: Server,
    key: str,
    speech_path: Callable[[str], Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    name, expected = "libri_egypt.opus", ["vatican", "egypt"]
    parameters = {"encoding": "ogg_opus", "keyterms_prompt": expected}
    heard = finals(run(run_client, interop_server, key, speech_path(name), parameters=parameters))
    options: dict[str, Any] = {"endpoint": {"silence_ms": SILENCE_MS, "no_text_ms": SILENCE_MS}}
    assert heard == native_words(name, hotwords=expected, **options)
    assert heard != native_words(name, **options)


def test_what_is_refused(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
) -> None:
    (error,) = run(run_client, interop_server, key, linear16(RECORDING), parameters={"language_code": "tlh"})
    assert error["code"] == 3006
    assert "not 'tlh'" in error["message"]


def test_a_wrong_key(
    interop_server: Server, linear16: Callable[..., Path], run_client: Callable[..., list[dict[str, Any]]]
) -> None:
    (error,) = run(run_client, interop_server, "wrong", linear16(RECORDING))
    assert error == {"type": "Raised", "message": "WebSocket handshake rejected (HTTP 401)", "code": 401}
    with pytest.raises(InvalidStatus):
        connect(f"{interop_server.ws}/v3/ws?sample_rate=16000&token=wrong", proxy=None)


def test_garbage_harms_nobody(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    native_words: Callable[..., list[str]],
) -> None:
    path = linear16(RECORDING)
    url = f"{interop_server.ws}/v3/ws?sample_rate=16000&token={key}&"
    with connect(url + "encoding=pcm_s16le", proxy=None) as good, connect(url, proxy=None) as bad:
        audio = path.read_bytes()
        good.send(audio[: len(audio) // 4 * 2])
        for mistake in ("{", "[]", '{"type": "Start"}', '{"type": "Terminate", "now": 1}', b"\x01" * 999, b""):
            bad.send(mistake)
        bad.send('{"type": "Terminate"}')
        kinds = [json.loads(message)["type"] for message in bad]
        # One of the warnings is about half a sample at the end.
        assert kinds == ["Begin", *["Warning"] * 5, "Termination"]
        assert bad.protocol.close_code == 1000
        good.send(audio[len(audio) // 4 * 2 :])
        good.send('{"type": "Terminate"}')
        events = [json.loads(message) for message in good]
        endpoint = {"silence_ms": SILENCE_MS, "no_text_ms": SILENCE_MS}
        assert finals(events) == native_words(path, encoding="linear16", endpoint=endpoint)


@pytest.mark.node
def test_node(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    path = linear16(RECORDING)
    events = run_client("assemblyai_stream.mjs", interop_server.ws, key, path)
    assert not any(event["type"] == "error" for event in events)
    endpoint = {"silence_ms": SILENCE_MS, "no_text_ms": SILENCE_MS}
    assert finals(events) == native_words(path, encoding="linear16", endpoint=endpoint, hotwords=["left"])
    assert finals(events, formatted=True)[0][0].isupper()


@pytest.mark.frameworks
@pytest.mark.parametrize("framework", ["livekit", "pipecat"])
def test_voice_frameworks(
    interop_server: Server,
    key: str,
    linear16: Callable[..., Path],
    tmp_path: Path,
    run_client: Callable[..., list[dict[str, Any]]],
    frameworks_python: str,
    native_words: Callable[..., list[str]],
    framework: str,
) -> None:
    """Their default models write every turn in its final form."""
    path = tmp_path / "speech"
    path.write_bytes(linear16("libri_egypt.opus").read_bytes() + bytes(64_000))
    script = f"{framework}_stt.py"
    events = run_client(script, "assemblyai", interop_server.http, key, path, python=frameworks_python)
    names = [event.get("frame") or event["event"] for event in events]
    final = {"livekit": "final_transcript", "pipecat": "TranscriptionFrame"}[framework]
    text = " ".join(event["text"] for name, event in zip(names, events, strict=True) if name == final)
    style = {"itn": True, "punctuation": True, "capitals": True}
    endpoint = {"silence_ms": 100, "no_text_ms": 100}
    assert text.split() == native_words(path, encoding="linear16", text=style, endpoint=endpoint)
    assert "ErrorFrame" not in names
    assert {"livekit": "interim_transcript", "pipecat": "InterimTranscriptionFrame"}[framework] in names
