"""nvidia-riva-client hears what the native protocol hears."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.server import Server

OPUS = {"encoding": "OGGOPUS", "language_code": "en-US", "verbatim_transcripts": True}
PARAKEET = "parakeet-1.1b-en-US-asr-streaming-silero-vad-sortformer"
EGYPT, COMMANDS = "libri_egypt.opus", "commands.flac"

JOBS: dict[str, dict[str, Any]] = {
    "interim": {"method": "stream", "file": EGYPT, "options": {**OPUS, "enable_word_time_offsets": True}},
    "written": {
        "method": "stream",
        "file": COMMANDS,
        "options": {
            "encoding": "FLAC",
            "model": PARAKEET,
            "enable_automatic_punctuation": True,
            "endpointing_config": {"stop_history": 320},
        },
    },
    "recognize": {"method": "recognize", "file": "libri_lemon.opus", "options": {**OPUS, "max_alternatives": 4}},
    "force": {"method": "force", "file": EGYPT, "options": OPUS},
    "models": {"method": "models", "file": EGYPT, "options": {}},
    "bad_key": {"method": "stream", "file": EGYPT, "options": OPUS},
    "bad_key_models": {"method": "models", "file": EGYPT, "options": {}},
    "bad_option": {"method": "stream", "file": EGYPT, "options": {**OPUS, "custom_configuration": {"speed": "11"}}},
    "bad_language": {"method": "recognize", "file": EGYPT, "options": {**OPUS, "language_code": "xx-XX"}},
}


@pytest.fixture(scope="module")
def said(
    interop_server: Server,
    key: str,
    speech_path: Callable[[str], Path],
    run_client: Callable[..., list[dict[str, Any]]],
) -> dict[str, list[dict[str, Any]]]:
    """What the client's user sees of each job."""
    jobs = {
        name: {**job, "file": str(speech_path(job["file"])), "key": "wrong" if name.startswith("bad_key") else key}
        for name, job in JOBS.items()
    }
    lines = run_client("riva_asr.py", interop_server.grpc, json.dumps(jobs))
    return {name: [line for line in lines if line["job"] == name] for name in JOBS}


def results(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [result for line in lines for result in line.get("results", [])]


def words(lines: list[dict[str, Any]], *, live: bool = True) -> list[str]:
    """Of finals; transcripts are made to be written one after the other."""
    finals = [result for result in results(lines) if result.get("is_final") or not live]
    return "".join(result["alternatives"][0]["transcript"] for result in finals).split()


def test_interim_results_and_words_with_times(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    assert said["interim"][-1]["status"] == "OK"
    *interims, final = results(said["interim"])
    assert final["is_final"]
    assert words(said["interim"]) == native_words(EGYPT)
    assert interims
    for interim in interims:
        assert 0 <= interim.get("stability", 0) < 1
        assert not interim.get("is_final")
    processed = [result["audio_processed"] for result in (*interims, final)]
    assert processed == sorted(processed)
    assert processed[-1] == pytest.approx(3.6, abs=0.1)
    best = final["alternatives"][0]
    assert [word["word"] for word in best["words"]] == best["transcript"].split()
    times = [word[name] for word in best["words"] for name in ("start_time", "end_time")]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 3_700


def test_written_text_and_endpointing(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    options = {
        "text": {"itn": True, "punctuation": True, "capitals": True},
        "endpoint": {"silence_ms": 320},
    }
    assert words(said["written"]) == native_words(COMMANDS, **options)
    assert sum(result.get("is_final", False) for result in results(said["written"])) > 1


def test_a_recording_with_alternatives(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    options = {"alternatives": 4, "decoding": {"method": "beam", "beam": 8}}
    response, status = said["recognize"]
    assert status["status"] == "OK"
    assert words([response], live=False) == native_words("libri_lemon.opus", **options)
    assert 1 < len(response["results"][0]["alternatives"]) <= 4


def test_a_forced_end_of_utterance(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    *responses, status = said["force"]
    assert status["status"] == "OK"
    assert words(responses) == native_words(EGYPT)
    # The client closed only because the final had come.
    assert responses[-1]["results"][0]["is_final"]


def test_what_is_served(said: dict[str, list[dict[str, Any]]]) -> None:
    response, status = said["models"]
    assert status["status"] == "OK"
    online = [config for config in response["model_config"] if config["parameters"]["type"] == "online"]
    assert [config["parameters"]["language_code"] for config in online] == ["en"]
    assert online[0]["model_name"] == "wavelane-en-small"


@pytest.mark.parametrize(
    ("job", "code", "message"),
    [
        ("bad_key", "UNAUTHENTICATED", "API key"),
        ("bad_key_models", "UNAUTHENTICATED", "API key"),
        ("bad_option", "INVALID_ARGUMENT", "speed:11"),
        ("bad_language", "INVALID_ARGUMENT", "xx-XX"),
    ],
)
def test_errors(said: dict[str, list[dict[str, Any]]], job: str, code: str, message: str) -> None:
    (status,) = said[job]
    assert status["status"] == code
    assert message in status["message"]
    assert status["metadata"]["wavelane-error-code"]


def test_any_number_of_front_ends(
    any_server: Server,
    speech_path: Callable[[str], Path],
    run_client: Callable[..., list[dict[str, Any]]],
    native_words: Callable[..., list[str]],
) -> None:
    jobs = {
        name: {**JOBS[name], "file": str(speech_path(JOBS[name]["file"])), "key": ""} for name in ("force", "models")
    }
    lines = run_client("riva_asr.py", any_server.grpc, json.dumps(jobs))
    assert [line["status"] for line in lines if "status" in line] == ["OK", "OK"]
    assert words([line for line in lines if line["job"] == "force"]) == native_words(EGYPT)


@pytest.mark.frameworks
def test_livekit(
    interop_server: Server,
    key: str,
    run_client: Callable[..., list[dict[str, Any]]],
    frameworks_python: str,
    linear16: Callable[..., Path],
    native_words: Callable[..., list[str]],
) -> None:
    file = linear16(EGYPT)
    events = run_client("livekit_stt.py", "riva", interop_server.grpc, key, file, python=frameworks_python)
    kinds = [event["event"] for event in events if event["event"] != "recognition_usage"]
    assert (kinds[0], kinds[-1]) == ("start_of_speech", "end_of_speech")
    assert kinds.count("interim_transcript") > 1
    (final,) = (event for event in events if event["event"] == "final_transcript")
    written = {"itn": True, "punctuation": True, "capitals": True}
    assert final["text"].split() == native_words(EGYPT, text=written)
    assert 3 < final["end"] < 3.7


@pytest.mark.frameworks
@pytest.mark.parametrize("service", ["riva", "riva_recorded"])
def test_pipecat(
    interop_server: Server,
    key: str,
    run_client: Callable[..., list[dict[str, Any]]],
    frameworks_python: str,
    linear16: Callable[..., Path],
    native_words: Callable[..., list[str]],
    tmp_path: Path,
    service: str,
) -> None:
    file = tmp_path / "speech"
    file.write_bytes(linear16(EGYPT).read_bytes() + bytes(64_000))
    frames = run_client("pipecat_stt.py", service, interop_server.grpc, key, file, python=frameworks_python)
    if service == "riva":
        assert [frame["frame"] for frame in frames].count("InterimTranscriptionFrame") > 1
    (final,) = (frame["text"] for frame in frames if frame["frame"] == "TranscriptionFrame")
    text = {"itn": service != "riva", "punctuation": True, "capitals": True}
    options = {"endpoint": {"silence_ms": 320}} if service == "riva" else {}
    assert final.split() == native_words(EGYPT, text=text, **options)
