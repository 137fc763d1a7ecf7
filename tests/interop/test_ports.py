"""Protocols with ports of their own, on servers of one process and of several."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from support.server import Server

COMMANDS = "commands.flac"


def test_every_port_gives_the_words_of_the_native_protocol(
    any_server: Server,
    run_client: Callable[..., list[dict[str, Any]]],
    wav: Callable[..., Path],
    native_words: Callable[..., list[str]],
) -> None:
    path, host = wav(COMMANDS), "127.0.0.1"
    with ThreadPoolExecutor() as pool:
        vosk = pool.submit(run_client, "vosk_file.py", f"ws://{host}:{any_server.port('vosk')}", path)
        sherpa = pool.submit(run_client, "sherpa_file.py", f"ws://{host}:{any_server.port('sherpa')}", path)
        wyoming = pool.submit(run_client, "wyoming_file.py", host, any_server.port("wyoming"), "{}", path)
    texts = {
        "vosk": [line["json"].get("text", "") for line in vosk.result()],
        "sherpa": [line["text"] for line in sherpa.result() if line.get("is_final")],
        "wyoming": [line["data"]["text"] for line in wyoming.result() if line["type"] == "transcript"],
    }
    expected = native_words(COMMANDS)
    assert {name: " ".join(said).split() for name, said in texts.items()} == dict.fromkeys(texts, expected)
