"""Events on the wire: JSON and protobuf, against the server's own encoders."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    Alternative,
    AudioIssue,
    Closed,
    Endpoint,
    Failed,
    Final,
    Flushed,
    LookaheadChanged,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from wavelane.session.options import SessionOptions, parse_options
from wavelane_client.grpc import decode_options, decode_response, encode_options
from wavelane_client.messages import Configured, ModelInfo, Ready, decode, encode
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_server.adapters.native import NativeAdapter
from wavelane_server.adapters.protobuf import ProtobufAdapter

ticks = st.integers(0, 2**40)
small = st.integers(0, 2**20)
text = st.text(st.characters(codec="utf-8"), max_size=20)
probability = st.floats(0, 1)
words = st.lists(st.builds(Word, text=text, start=ticks, end=ticks, confidence=probability), max_size=3).map(tuple)
reasons = st.sampled_from(["silence", "no_text", "max_utterance", "flush", "end", "failure"])
alternatives = st.lists(
    st.builds(Alternative, text=text, confidence=probability, words=words), min_size=1, max_size=3
).map(tuple)
session_events = st.one_of(
    st.builds(SpeechStarted, channel=small, at=ticks),
    st.builds(SpeechStopped, channel=small, at=ticks),
    st.builds(
        Partial,
        channel=small,
        utterance=small,
        text=text,
        stable=small,
        words=words,
        start=ticks,
        processed=ticks,
        lag_ms=small,
    ),
    st.builds(
        Final,
        channel=small,
        utterance=small,
        alternatives=alternatives,
        start=ticks,
        end=ticks,
        processed=ticks,
        lag_ms=small,
        reason=reasons,
    ),
    st.builds(Endpoint, channel=small, utterance=small, at=ticks, reason=reasons),
    st.builds(LookaheadChanged, channel=small, at=ticks, lookahead=small),
    st.builds(
        AudioIssue,
        channel=small,
        at=ticks,
        problem=st.sampled_from(["clipping", "no_signal", "too_quiet"]),
        active=st.booleans(),
        level_dbfs=st.floats(-100, 0),
        clipped=st.floats(0, 1),
    ),
    st.builds(Flushed, at=ticks),
    st.builds(Failed, code=st.sampled_from(ErrorCode), message=text, fatal=st.booleans()),
    st.builds(Closed, received=ticks),
)
configs = st.dictionaries(text, st.none() | st.booleans() | small | text, max_size=3)
models = st.builds(
    ModelInfo,
    name=text,
    languages=st.lists(text, max_size=2).map(tuple),
    lookaheads=st.lists(small, max_size=3).map(tuple),
    default_lookahead=small,
    head=text,
)
connection_events = st.one_of(
    st.builds(Configured, config=configs),
    st.builds(Ready, session=text, version=small, clock_rate=small, config=configs, model=models),
)


@given(session_events | connection_events)
def test_json_round_trip(event):
    assert decode(json.loads(json.dumps(encode(event)))) == event


@given(session_events)
def test_the_servers_json_is_the_same(event):
    (message,) = NativeAdapter().send(event)
    assert json.loads(message) == encode(event)


@given(session_events)
def test_the_servers_protobuf_gives_the_same_event(event):
    (response,) = ProtobufAdapter().send(event)
    assert decode_response(pb.StreamResponse.FromString(response.SerializeToString())) == event


@given(session_events)
def test_words_can_be_left_out(event):
    light = decode(encode(event), words=False)
    if isinstance(event, Partial):
        assert isinstance(light, Partial)
        assert (light.text, light.words) == (event.text, ())
    elif isinstance(event, Final):
        assert isinstance(light, Final)
        assert (light.text, light.words) == (event.text, ())
    else:
        assert light == event


def test_types_and_fields_of_a_newer_server_are_ignored():
    assert decode({"type": "translation", "text": "x"}) is None
    assert decode({"type": "closed", "received": 1, "cost": 2}) == Closed(received=1)
    assert decode({"type": "error", "code": "from_the_future", "message": "m", "fatal": True}) == Failed(
        code=ErrorCode.INTERNAL, message="m", fatal=True
    )
    assert decode_response(pb.StreamResponse()) is None


@pytest.mark.parametrize(
    "message",
    [
        {"type": "closed"},
        {"type": "partial", "channel": "x"},
        {"type": "ready", "model": 1},
        {"type": "final", "alternatives": []},
    ],
)
def test_messages_that_lack_something(message):
    with pytest.raises(WavelaneError, match="does not follow protocol version 1") as caught:
        decode(message)
    assert caught.value.code is ErrorCode.INTERNAL


@pytest.mark.parametrize("channel", ["mix", "separate", 0, 3])
@pytest.mark.parametrize("encoding", ["linear16", "float32", "mulaw", "alaw", "container"])
def test_options_through_protobuf(channel, encoding):
    options = parse_options(
        {
            "channel": channel,
            "encoding": encoding,
            "vad": {"kind": "silero", "threshold": 0.25},
            "endpoint": {"enabled": False},
            "language": "de",
        }
    )
    message = encode_options(pb.Configure(), options.model_dump())
    assert decode_options(message) == options.model_dump(mode="json")
    assert message.HasField("language")
    assert not message.HasField("model")


def test_a_lookahead_that_the_server_chooses_through_protobuf():
    options = parse_options({"lookahead": "auto", "lookahead_max": 13})
    message = encode_options(pb.Configure(), options.model_dump())
    assert (message.lookahead_auto, message.HasField("lookahead"), message.lookahead_max) == (True, False, 13)
    assert decode_options(message) == options.model_dump(mode="json")
    with pytest.raises(WavelaneError, match="lookahead_auto: unknown option"):
        encode_options(pb.Configure(), {"lookahead_auto": True})


def test_hotwords_through_protobuf():
    options = parse_options({"lm": "general", "lm_weight": 0.5, "hotwords": ["new york", {"phrase": "x", "boost": 4}]})
    assert decode_options(encode_options(pb.Configure(), options.model_dump())) == options.model_dump(mode="json")
    assert encode_options(pb.Reconfigure(), {"hotwords": ["a"]}).hotwords.phrases[0].phrase == "a"
    assert encode_options(pb.Reconfigure(), {"hotwords": []}).HasField("hotwords")
    for wrong, fault in ((["a", 5], "hotwords: "), ([{"phrase": 5}], "hotwords.phrase: "), ([{"x": 1}], "hotwords.x")):
        with pytest.raises(WavelaneError, match=fault):
            encode_options(pb.Configure(), {"hotwords": wrong})


def test_the_protobuf_has_every_option():
    # `auto` is a value of lookahead in JSON and a field of its own here.
    assert {field.name for field in pb.Configure.DESCRIPTOR.fields} == {*SessionOptions.model_fields, "lookahead_auto"}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"sample_rat": 8000}, "sample_rat"),
        ({"sample_rate": "fast"}, "sample_rate"),
        ({"sample_rate": -1}, "sample_rate"),
        ({"encoding": "mp3"}, "encoding"),
        ({"vad": {"kind": "x"}}, r"vad\.kind"),
        ({"vad": {"knd": "off"}}, r"vad\.knd"),
        ({"vad": "off"}, "vad"),
        ({"channel": "left"}, "channel"),
    ],
)
def test_options_that_protobuf_cannot_carry_are_refused_before_they_are_sent(options, fault):
    with pytest.raises(WavelaneError, match=f"^{fault}: ") as caught:
        encode_options(pb.Configure(), options)
    assert caught.value.code is ErrorCode.INVALID_CONFIG


def test_fixed_options_cannot_be_reconfigured():
    with pytest.raises(WavelaneError, match="sample_rate: unknown option, or one that cannot change now"):
        encode_options(pb.Reconfigure(), {"sample_rate": 8000})
