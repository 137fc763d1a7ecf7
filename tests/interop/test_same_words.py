"""One recording through every protocol, each with its vendor's own client: the words are always the same."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support.server import Server

RECORDING = "libri_egypt.opus"

Lines = list[dict[str, Any]]


def bare(text: str) -> list[str]:
    """Words without capitals and punctuation, which the turns of Deepgram always have."""
    return [word.strip(".,?") for word in text.lower().split()]


def google(lines: Lines) -> str:
    return "".join(
        result["alternatives"][0]["transcript"]
        for line in lines
        for result in line.get("results", [])
        if result.get("is_final")
    )


def deepgram(lines: Lines) -> str:
    return " ".join(line["channel"]["alternatives"][0]["transcript"] for line in lines if line.get("is_final"))


def deepgram_turns(lines: Lines) -> str:
    return " ".join(line["transcript"] for line in lines if line.get("event") == "EndOfTurn")


def openai(lines: Lines) -> str:
    return " ".join(line["transcript"] for line in lines if line["type"].endswith("transcription.completed"))


def assemblyai(lines: Lines) -> str:
    return " ".join(line["transcript"] for line in lines if line.get("end_of_turn"))


def vosk(lines: Lines) -> str:
    return " ".join(line["json"].get("text", "") for line in lines)


def sherpa(lines: Lines) -> str:
    return " ".join(line["text"] for line in lines if line.get("is_final"))


def wyoming(lines: Lines) -> str:
    return " ".join(line["data"]["text"] for line in lines if line["type"] == "transcript")


def test_every_protocol_gives_the_same_words(
    interop_server: Server,
    server: Server,
    key: str,
    run_client: Callable[..., Lines],
    linear16: Callable[..., Path],
    wav: Callable[..., Path],
    native_words: Callable[..., list[str]],
) -> None:
    raw, whole = linear16(RECORDING), wav(RECORDING)
    ws, http, grpc = interop_server.ws, interop_server.http, interop_server.grpc
    pcm = {"encoding": "LINEAR16", "sample_rate_hertz": 16_000, "language_code": "en-US"}
    stream = {"client": "sync", "method": "stream", "file": str(raw), "key": key, "steps": ["audio"]}
    session = {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16_000}, "turn_detection": None}}}
    commit = {
        "until": "conversation.item.input_audio_transcription.completed",
        "session": {"type": "transcription", **session},
        "after": [{"type": "input_audio_buffer.commit"}],
    }
    riva = {"job": {**stream, "options": {**pcm, "encoding": "LINEAR_PCM"}}}
    linear = {"encoding": "linear16", "sample_rate": 16_000}
    sent = json.dumps(["audio", "close_stream"])
    clients: dict[str, tuple[Callable[[Lines], str], str, tuple[object, ...]]] = {
        "google": (google, "google_speech.py", (grpc, json.dumps({"job": {**stream, "options": {"config": pcm}}}))),
        "riva": (google, "riva_asr.py", (grpc, json.dumps(riva))),
        "deepgram": (
            deepgram,
            "deepgram_listen.py",
            ("sync", "v1", ws, key, raw, json.dumps({**linear, "model": "nova-3"}), sent),
        ),
        "deepgram turns": (
            deepgram_turns,
            "deepgram_listen.py",
            ("sync", "v2", ws, key, raw, json.dumps({**linear, "model": "flux-general-en"}), sent),
        ),
        "openai": (openai, "openai_realtime.py", ("sync", http, key, raw, json.dumps(commit))),
        "assemblyai": (assemblyai, "assemblyai_v3.py", (ws, key, raw, "{}")),
        "vosk": (vosk, "vosk_file.py", (ws, whole, "{}", key)),
        "sherpa-onnx": (sherpa, "sherpa_file.py", (f"{ws}/sherpa", whole, key)),
        "wyoming": (wyoming, "wyoming_file.py", ("127.0.0.1", server.port("wyoming"), "{}", whole)),
    }
    with ThreadPoolExecutor(len(clients)) as pool:
        running = {name: pool.submit(run_client, script, *told) for name, (_, script, told) in clients.items()}
    heard = {name: bare(clients[name][0](lines.result())) for name, lines in running.items()}
    assert heard == dict.fromkeys(clients, native_words(raw, **linear))
