"""Wyoming without a socket."""

import random
from collections.abc import Mapping
from contextlib import suppress
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.dialogues import event, final, lines, partial, replay, told
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import parse_options
from wavelane_server.adapters.base import Audio, Configure, ModelInfo
from wavelane_server.adapters.wyoming import Event, WyomingAdapter, encode, parse_header, with_body
from wavelane_server.adapters.wyoming.options import OPTIONS
from wavelane_server.adapters.wyoming.program import describe

MODEL = ModelInfo(name="m", languages=("en", "de"), lookaheads=(6,), default_lookahead=6, head="ctc")
DIALOGUES = ["wyoming_home_assistant.jsonl", "wyoming_names.jsonl", "wyoming_errors.jsonl"]
RECORDED = [line["client"] for name in DIALOGUES for line in lines(name) if "client" in line]
FORMAT = {"rate": 16_000, "width": 2, "channels": 1}
LIMIT = 1000


def adapter() -> WyomingAdapter:
    return WyomingAdapter(lambda: describe(MODEL), str.isascii, most_phrases=4)


def read(message: Mapping[str, Any]) -> Event:
    return Event(message["type"], message["data"], bytes(message["payload"]))


def write(message: bytes) -> list[Any]:
    line, _, rest = message.partition(b"\n")
    header = parse_header(line, LIMIT)
    assert (len(rest), header.payload_length) == (header.data_length, 0)
    found = with_body(header, rest, b"")
    return [found.type, found.data]


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    replay(name, adapter(), read=read, write=write)


def test_what_this_server_says_of_itself() -> None:
    (name, fields), *_ = (told(command) for command in adapter().receive(Event("describe", {})))
    assert name == "Reply"
    kind, data = write(fields["message"].encode())
    assert kind == "info"
    (program,) = data["asr"]
    assert program["installed"]
    assert program["supports_transcript_streaming"]
    assert [(model["name"], model["languages"]) for model in program["models"]] == [("m", ["en", "de"])]


def test_while_the_model_is_being_loaded_nothing_is_known() -> None:
    def loading() -> Mapping[str, Any]:
        raise WavelaneError(ErrorCode.OVERLOADED, "still loading")

    (command,) = WyomingAdapter(loading, str.isascii, 0).receive(Event("describe", {}))
    assert told(command) == ["Fail", {"error": ["overloaded", "still loading"]}]


def test_every_member_of_transcribe_is_known() -> None:
    values = {"name": "m", "language": "en", "context": {}, "vad_sensitivity": "default"}
    transcribe = adapter()
    assert (
        transcribe.receive(Event("transcribe", {**values, "transcript_names": ["a"], "transcript_terms": None})) == []
    )
    (command,) = transcribe.receive(Event("audio-start", FORMAT))
    assert isinstance(command, Configure)
    options = parse_options(dict(command.values))
    assert (options.model, options.language, [word.phrase for word in options.hotwords]) == ("m", "en", ["a"])
    assert set(OPTIONS) == {*values, "transcript_names", "transcript_terms"}


def test_there_are_only_so_many_phrases() -> None:
    names = {"transcript_names": ["a", "b"], "transcript_terms": ["c", "d", "e"]}
    (command,) = adapter().receive(Event("transcribe", names))
    name, fields = told(command)
    assert name == "Fail"
    assert "5 phrases are more than this server's limit of 4 (setting lm.max_hotwords)" in fields["error"][1]


@given(st.binary(max_size=80), st.lists(st.integers(0, 80), max_size=6))
def test_samples_of_32_bits_are_the_same_however_they_are_cut(data: bytes, cuts: list[int]) -> None:
    wide = {**FORMAT, "width": 4}
    bounds = [0, *sorted(cuts), len(data)]
    listener = adapter()
    listener.receive(Event("audio-start", wide))
    found = b""
    chunks = [data[at:end] for at, end in pairwise(bounds)]
    for message in [*(Event("audio-chunk", wide, chunk) for chunk in chunks), Event("audio-stop", {})]:
        found += b"".join(command.data for command in listener.receive(message) if isinstance(command, Audio))
    whole = len(data) - len(data) % 4
    exact = np.frombuffer(data[:whole], "<i4").astype(np.float64) / 2**31
    assert np.array_equal(np.frombuffer(found[:whole], "<f4"), exact.astype(np.float32))
    assert found[whole:] == data[whole:]  # for the session to find fault with


@given(st.lists(st.lists(st.sampled_from(["one", "two", "three"]), max_size=4), max_size=5), st.randoms())
def test_the_chunks_together_are_the_transcript(said: list[list[str]], rng: random.Random) -> None:
    listener = adapter()
    messages: list[bytes] = []
    for utterance, words in enumerate(said):
        stable = 0
        for count in range(1, len(words) + 1):
            text = " ".join(words[:count])
            stable = rng.randint(stable, len(text))
            messages += listener.send(partial(text, stable, utterance=utterance))
        messages += listener.send(final(" ".join(words), utterance=utterance))
    messages += listener.send(event("Closed", received=0))
    (start, _), *chunks, (name, transcript), (stop, _) = map(write, messages)
    assert (start, name, stop) == ("transcript-start", "transcript", "transcript-stop")
    assert transcript["text"] == "".join(data["text"] for _, data in chunks) == " ".join(chain(*said))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(sorted({line["type"] for line in RECORDED})) | st.text(max_size=9)
NAMES = st.sampled_from([*OPTIONS, *FORMAT, "timestamp", "text"]) | st.text(max_size=9)


@settings(max_examples=20)
@given(st.lists(st.builds(Event, TYPES, st.dictionaries(NAMES, JSON, max_size=4), st.binary(max_size=16)), max_size=8))
def test_anything_is_commands(messages: list[Event]) -> None:
    listener = adapter()
    for message in messages:
        for command in listener.receive(message):
            told(command)


@given(st.binary(max_size=64) | JSON.map(repr).map(str.encode), st.binary(max_size=64))
def test_any_bytes_are_an_event_or_an_error(line: bytes, data: bytes) -> None:
    with suppress(WavelaneError):
        encode(with_body(parse_header(line, LIMIT), data, b""))


@given(st.integers(0, 2**32))
def test_recorded_events_with_faults_are_events_or_errors(seed: int) -> None:
    rng = random.Random(seed)
    listener = adapter()
    for message in rng.sample(RECORDED, 4):
        text = bytearray(encode(read(message)))
        for _ in range(rng.randint(1, 3)):
            text[rng.randrange(len(text))] = rng.randrange(256)
        line, _, rest = bytes(text).partition(b"\n")
        try:
            header = parse_header(line, LIMIT)
            found = with_body(header, rest[: header.data_length], rest[header.data_length :])
        except WavelaneError:
            continue
        listener.receive(found)


@settings(max_examples=20)
@given(TYPES, st.dictionaries(NAMES, JSON.filter(lambda value: value == value), max_size=4), st.binary(max_size=16))
def test_an_event_is_what_its_bytes_say(kind: str, data: dict[str, Any], payload: bytes) -> None:
    line, _, rest = encode(Event(kind, data, payload)).partition(b"\n")
    header = parse_header(line, 10**6)
    body = header.data_length
    assert encode(with_body(header, rest[:body], rest[body:])) == encode(Event(kind, data, payload))


@pytest.mark.parametrize("member", ["data_length", "payload_length"])
def test_lengths_are_bounded(member: str) -> None:
    faults = {LIMIT: None, LIMIT + 1: "message_too_big", -1: "invalid_message", '"1"': "invalid_message"}
    for length, code in faults.items():
        line = f'{{"type": "x", "{member}": {length}}}'.encode()
        if code is None:
            assert getattr(parse_header(line, LIMIT), member) == LIMIT
            continue
        with pytest.raises(WavelaneError) as refused:
            parse_header(line, LIMIT)
        assert refused.value.code.value == code
        assert member in refused.value.message
