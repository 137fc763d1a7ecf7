"""sherpa-onnx's streaming protocol without a socket."""

import json
import random
from itertools import chain
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.dialogues import event, final, partial, replay
from wavelane.session.options import parse_options
from wavelane_server.adapters.base import Audio, Configure, End, Fail
from wavelane_server.adapters.handshake import Handshake
from wavelane_server.adapters.sherpa import PROTOCOL
from wavelane_server.adapters.sherpa.adapter import SherpaAdapter


@pytest.mark.parametrize("name", ["sherpa_stream.jsonl", "sherpa_silence.jsonl", "sherpa_errors.jsonl"])
def test_dialogue(name: str) -> None:
    replay(
        name, SherpaAdapter(), read=str, write=lambda message: message if message == "Done!" else json.loads(message)
    )


def test_the_handshake_opens_the_session() -> None:
    (command,) = PROTOCOL.adapter(Handshake(headers={})).begin()
    assert isinstance(command, Configure)
    assert command.once
    assert parse_options(dict(command.values)).encoding == "float32"
    with pytest.raises(Exception, match="no parameters in its URL"):
        PROTOCOL.adapter(Handshake(headers={}, query=(("rate", "8000"),)))


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from(["one", "two", "three"]), max_size=4), max_size=5), st.booleans())
def test_the_last_texts_of_the_segments_are_all_that_was_said(said: list[list[str]], open_end: bool) -> None:
    """That is what clients do: ``text`` of a result replaces what was shown for its ``segment``."""
    adapter = SherpaAdapter()
    messages: list[str] = []
    for utterance, words in enumerate(said):
        for count in range(1, len(words) + 1):
            messages += adapter.send(partial(" ".join(words[:count]), utterance=utterance))
        last = open_end and utterance == len(said) - 1
        messages += adapter.send(final(" ".join(words), utterance=utterance, reason="end" if last else "silence"))
    adapter.receive("Done")
    *results, done = [*messages, *adapter.send(event("Closed", received=16_000))]
    assert done == "Done!"
    shown: dict[int, dict[str, Any]] = {}
    for result in map(json.loads, results):
        shown[result["segment"]] = result
    assert list(shown) == list(range(len(shown)))
    assert " ".join(filter(None, (result["text"] for result in shown.values()))).split() == [*chain(*said)]
    assert [json.loads(result)["is_eof"] for result in results] == [False] * (len(results) - 1) + [True]


@given(st.lists(st.binary(max_size=64) | st.text(max_size=64), max_size=8))
def test_anything_is_commands(messages: list[str | bytes]) -> None:
    adapter = SherpaAdapter()
    for message in messages:
        assert adapter.audio(message) == (message if isinstance(message, bytes) else None)
        for command in adapter.receive(message):
            assert isinstance(command, (Audio, End, Fail))


@given(st.integers(0, 2**32))
def test_done_with_faults_is_an_error(seed: int) -> None:
    rng = random.Random(seed)
    letters = [*"Done"]
    rng.shuffle(letters)
    text = "".join(letters)[rng.randint(0, 2) :] + rng.choice(["", " ", "!", "\n"])
    (command,) = SherpaAdapter().receive(text)
    assert isinstance(command, End if text == "Done" else Fail)
