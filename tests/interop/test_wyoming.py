"""The official package `wyoming` against a real server, as Home Assistant uses it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.server import Server
from support.words import much_alike

Run = Callable[..., list[dict[str, Any]]]
Words = Callable[..., list[str]]
COMMANDS, EGYPT = "commands.flac", "libri_egypt.opus"


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event["data"] for event in events if event["type"] == kind]


def test_two_commands_over_one_connection(
    server: Server, run_client: Run, wav: Callable[..., Path], native_words: Words
) -> None:
    transcribe = json.dumps({"language": "en", "context": {"room": "kitchen"}})
    paths = (wav(COMMANDS), wav(EGYPT))
    info, *events = run_client("wyoming_file.py", "127.0.0.1", server.port("wyoming"), transcribe, *paths)
    (program,) = info["data"]["asr"]
    assert [model["languages"] for model in program["models"]] == [["en"]]
    end = [event["type"] for event in events].index("transcript-stop") + 1
    for name, told in ((COMMANDS, events[:end]), (EGYPT, events[end:])):
        kinds = [event["type"] for event in told if not event["type"].startswith("voice")]
        chunks = of(told, "transcript-chunk")
        assert kinds == ["transcript-start", *["transcript-chunk"] * len(chunks), "transcript", "transcript-stop"]
        assert len(chunks) > 1
        (transcript,) = of(told, "transcript")
        assert transcript["text"] == "".join(chunk["text"] for chunk in chunks)
        assert much_alike(transcript["text"], native_words(name))
        assert transcript["context"] == {"room": "kitchen"}
        started, stopped = of(told, "voice-started"), of(told, "voice-stopped")
        assert 0 < started[0]["timestamp"] < 1000
        assert all(before["timestamp"] < after["timestamp"] for before, after in zip(started, stopped, strict=False))


def test_names_are_favoured(server: Server, run_client: Run, wav: Callable[..., Path], native_words: Words) -> None:
    names = {"transcript_names": ["vatican", "messengers of egypt", "Küche 7"], "transcript_terms": ["arms"]}
    arguments = ("127.0.0.1", server.port("wyoming"), json.dumps(names), wav(EGYPT))
    (transcript,) = of(run_client("wyoming_file.py", *arguments), "transcript")
    hotwords = [{"phrase": phrase, "boost": 2} for phrase in names["transcript_names"][:2]]
    assert transcript["text"].split() == native_words(EGYPT, hotwords=[*hotwords, {"phrase": "arms", "boost": 1}])
    assert transcript["text"].split() != native_words(EGYPT)


def test_an_error_ends_the_connection(server: Server, run_client: Run, wav: Callable[..., Path]) -> None:
    arguments = ("127.0.0.1", server.port("wyoming"), json.dumps({"language": "fr"}), wav(COMMANDS))
    _, error = run_client("wyoming_file.py", *arguments)
    assert error["type"] == "error"
    assert error["data"]["code"] == "invalid_config"
    assert "'fr'" in error["data"]["text"]
