"""google-cloud-speech, synchronous and asynchronous, hears what the native protocol hears."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.server import Server

OPUS = {"encoding": "OGG_OPUS", "sample_rate_hertz": 48_000, "language_code": "en-US"}
PCM = {"encoding": "LINEAR16", "sample_rate_hertz": 16_000, "language_code": "en-US"}
WRITTEN = {"text": {"itn": True}}
"""Google always writes numbers as figures."""


def streamed(client: str, config: dict[str, Any], file: str = "libri_egypt.opus", **more: Any) -> dict[str, Any]:
    return {
        "client": client,
        "method": "stream",
        "file": file,
        "steps": more.pop("steps", ["audio"]),
        "options": {"config": config, **more},
    }


JOBS: dict[str, dict[str, Any]] = {
    "interim": streamed("sync", {**OPUS, "enable_word_time_offsets": True}, interim_results=True),
    "async": streamed("async", {**OPUS, "encoding": "FLAC", "model": "latest_long"}, "commands.flac"),
    "alternatives": streamed(
        "async", {**OPUS, "max_alternatives": 5, "speech_contexts": [{"phrases": ["egypt"], "boost": 10}]}
    ),
    "recognize": {"client": "sync", "method": "recognize", "file": "libri_lemon.opus", "options": OPUS},
    "recognize_async": {"client": "async", "method": "recognize", "file": "libri_simmer.opus", "options": OPUS},
    "activity": streamed("sync", OPUS, enable_voice_activity_events=True),
    "single": streamed("sync", {**OPUS, "encoding": "FLAC"}, "commands.flac", single_utterance=True),
    "timeout": streamed(
        "sync",
        PCM,
        enable_voice_activity_events=True,
        voice_activity_timeout={"speech_start_timeout": "2s"},
        steps=[5, 5],
    ),
    "bad_key": streamed("sync", OPUS),
    "bad_key_header": {"client": "async", "method": "recognize", "file": "libri_egypt.opus", "options": OPUS},
    "bad_encoding": streamed("sync", {**OPUS, "encoding": "AMR"}),
    "bad_language": {
        "client": "async",
        "method": "recognize",
        "file": "libri_egypt.opus",
        "options": {**OPUS, "language_code": "xx-XX"},
    },
    "bad_recording": {"client": "sync", "method": "recognize", "file": "manifest.jsonl", "options": OPUS},
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
    lines = run_client("google_speech.py", interop_server.grpc, json.dumps(jobs))
    return {name: [line for line in lines if line["job"] == name] for name in JOBS}


def words(lines: list[dict[str, Any]], *, final: bool = True) -> list[str]:
    results = [result for line in lines for result in line.get("results", []) if result.get("is_final") or not final]
    return "".join(result["alternatives"][0]["transcript"] for result in results).split()


def test_interim_results_and_words_with_times(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    *responses, billed, status = said["interim"]
    assert status["status"] == "OK"
    assert billed["total_billed_time"] == "4s"
    assert words(responses) == native_words("libri_egypt.opus", **WRITTEN)
    interims = [line["results"] for line in responses if not line["results"][0].get("is_final")]
    assert interims
    assert responses[-1]["results"][0]["is_final"]
    final = responses[-1]["results"][0]["alternatives"][0]
    stable = ""
    for results in interims:
        stabilities = [round(result["stability"], 2) for result in results]
        assert stabilities in ([0.01], [0.9], [0.9, 0.01])
        kept = results[0]["alternatives"][0]["transcript"] if stabilities[0] == 0.9 else ""
        assert kept.startswith(stable)
        assert final["transcript"].startswith(kept)
        stable = kept
    assert stable
    assert [word["word"] for word in final["words"]] == final["transcript"].split()
    times = [float(word[name].removesuffix("s")) for word in final["words"] for name in ("start_time", "end_time")]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 3.7


@pytest.mark.parametrize(
    ("job", "file"),
    [
        ("async", "commands.flac"),
        ("recognize", "libri_lemon.opus"),
        ("recognize_async", "libri_simmer.opus"),
        ("activity", "libri_egypt.opus"),
    ],
)
def test_same_words_as_the_native_protocol(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]], job: str, file: str
) -> None:
    assert said[job][-1]["status"] == "OK"
    assert words(said[job], final=not job.startswith("recognize")) == native_words(file, **WRITTEN)


def test_a_model_of_googles_is_a_warning(said: dict[str, list[dict[str, Any]]]) -> None:
    assert "latest_long" in said["async"][-1]["metadata"]["wavelane-warning"]


def test_alternatives_with_favoured_phrases(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    options = {"alternatives": 5, "decoding": {"method": "beam", "beam": 8}, "hotwords": ["egypt"], **WRITTEN}
    assert words(said["alternatives"]) == native_words("libri_egypt.opus", **options)
    (result,) = (line["results"][0] for line in said["alternatives"] if line.get("results"))
    found = [alternative["transcript"] for alternative in result["alternatives"]]
    assert 1 < len(found) <= 5
    assert len(set(found)) == len(found)


def test_speech_begins_and_ends(said: dict[str, list[dict[str, Any]]]) -> None:
    begun = next(line for line in said["activity"] if line.get("speech_event_type"))
    assert begun["speech_event_type"] == 2  # SPEECH_ACTIVITY_BEGIN
    assert 0 < float(begun["speech_event_time"].removesuffix("s")) < 1
    assert said["activity"].index(begun) < len(said["activity"]) - 3


def test_a_single_utterance_ends_the_stream(
    said: dict[str, list[dict[str, Any]]], native_words: Callable[..., list[str]]
) -> None:
    events = [line.get("speech_event_type") for line in said["single"] if "status" not in line]
    assert events == [1, None, None]  # END_OF_SINGLE_UTTERANCE, its final, what is billed
    heard, every = words(said["single"]), native_words("commands.flac", **WRITTEN)
    assert heard == every[: len(heard)]
    assert 0 < len(heard) < len(every)
    assert said["single"][-1]["status"] == "OK"


def test_silence_for_too_long_ends_the_stream(said: dict[str, list[dict[str, Any]]]) -> None:
    timeout, _, status = said["timeout"]
    assert (timeout["speech_event_type"], timeout["speech_event_time"]) == (4, "2s")  # SPEECH_ACTIVITY_TIMEOUT
    assert status["status"] == "OK"


@pytest.mark.parametrize(
    ("job", "code", "message"),
    [
        ("bad_key", "UNAUTHENTICATED", "API key"),
        ("bad_key_header", "UNAUTHENTICATED", "API key"),
        ("bad_encoding", "INVALID_ARGUMENT", "bad encoding"),
        ("bad_language", "INVALID_ARGUMENT", "xx-XX"),
        ("bad_recording", "INVALID_ARGUMENT", "audio"),
    ],
)
def test_errors(said: dict[str, list[dict[str, Any]]], job: str, code: str, message: str) -> None:
    (status,) = said[job]
    assert status["status"] == code
    assert message in status["message"]
    assert status["metadata"]["wavelane-error-code"]
