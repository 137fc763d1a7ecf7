"""The message sequence of sherpa-onnx's own streaming client against a real server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.server import Server

Run = Callable[..., list[dict[str, Any]]]
COMMANDS = "commands.flac"


def test_a_file_has_the_words_of_the_native_protocol(
    interop_server: Server, key: str, run_client: Run, wav: Callable[..., Path], native_words: Callable[..., list[str]]
) -> None:
    *results, done = run_client("sherpa_file.py", f"{interop_server.ws}/sherpa", wav(COMMANDS), key)
    assert done == {"done": True}
    finals = [result for result in results if result["is_final"]]
    words = native_words(COMMANDS)
    assert " ".join(final["text"] for final in finals).split() == words
    assert [token.strip() for final in finals for token in final["tokens"]] == words
    segments = [result["segment"] for result in results]
    assert segments == sorted(segments)
    assert segments[-1] == len(finals) - 1 >= 1
    assert [result["is_eof"] for result in results] == [False] * (len(results) - 1) + [True]
    assert any(result["text"] and not result["is_final"] for result in results)
    times = [final["start_time"] + time for final in finals for time in final["timestamps"]]
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 5.1


def test_a_key_is_asked_for(interop_server: Server) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            connect(f"{interop_server.ws}/sherpa", additional_headers=headers)
        assert refused.value.response.status_code == 401
