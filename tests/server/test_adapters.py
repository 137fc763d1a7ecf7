"""Bytes in, messages out: each protocol without a socket."""

import dataclasses
import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.errors import STATUS, ErrorCode, WavelaneError
from wavelane.events import (
    Alternative,
    AudioIssue,
    Closed,
    Endpoint,
    Event,
    Failed,
    Final,
    Flushed,
    Intent,
    LookaheadChanged,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from wavelane.session.options import MUTABLE, SessionOptions, parse_options
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_server.adapters.base import (
    Audio,
    Configure,
    Configured,
    Correct,
    Corrected,
    End,
    Flush,
    KeepAlive,
    ModelInfo,
    Outgoing,
    Ready,
    Reconfigure,
    close_reason,
)
from wavelane_server.adapters.native import EVENT_TYPES, NativeAdapter
from wavelane_server.adapters.protobuf import ProtobufAdapter
from wavelane_server.adapters.schema import message_schema

WORD = Word(text="héllo", start=1600, end=3200, confidence=0.75)
OPTIONS = SessionOptions(model="m", language="en", lookahead=6, channel="separate", channels=2)
AUTO = SessionOptions(model="m", language="en", lookahead="auto", lookahead_min=0, lookahead_max=13)
EVENTS: list[Outgoing] = [
    Ready(
        session="s",
        config=OPTIONS,
        model=ModelInfo(name="m", languages=("en",), lookaheads=(6, 0), default_lookahead=6, head="ctc"),
    ),
    Configured(config=AUTO),
    Corrected(channel=1, utterance=4, hotword=True, stored=False),
    SpeechStarted(channel=1, at=2**40),
    SpeechStopped(channel=0, at=7),
    Partial(channel=0, utterance=3, text="héllo", stable=2, words=(WORD,), start=0, processed=9, lag_ms=80),
    Endpoint(channel=0, utterance=3, at=4, reason="no_text"),
    Final(
        channel=0,
        utterance=3,
        alternatives=(Alternative(text="héllo", confidence=0.75, words=(WORD,), spoken="hello"),),
        start=0,
        end=4,
        processed=9,
        lag_ms=0,
        reason="max_utterance",
    ),
    Final(
        channel=0,
        utterance=4,
        alternatives=(Alternative(text="zoom in", confidence=0.5, words=()),),
        start=0,
        end=4,
        processed=9,
        lag_ms=0,
        reason="silence",
        intent=Intent(name="zoom", slots={"way": "in", "by": "two"}, score=0.5, sentence="zoom in by two"),
    ),
    LookaheadChanged(channel=1, at=2**40, lookahead=13),
    AudioIssue(channel=1, at=2**40, problem="too_quiet", active=True, level_dbfs=-57.5, clipped=0.0),
    Flushed(at=3),
    Failed(code=ErrorCode.OVERLOADED, message="no", fatal=True),
    Closed(received=12),
]


def test_every_event_has_a_message() -> None:
    assert {type(event) for event in EVENTS} == set(EVENT_TYPES)
    assert {*get_args(Event), Ready, Configured, Corrected} == set(EVENT_TYPES)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: EVENT_TYPES[type(event)])
def test_json_has_the_fields_of_the_event(event: Any) -> None:
    (text,) = NativeAdapter().send(event)
    message = json.loads(text)
    assert message.pop("type") == EVENT_TYPES[type(event)]
    expected = dataclasses.asdict(event)
    if "config" in expected:
        expected["config"] = event.config.model_dump(mode="json")
        assert parse_options(message["config"]) == event.config
    assert message == json.loads(json.dumps(expected))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: EVENT_TYPES[type(event)])
def test_json_fits_the_schema(event: Any) -> None:
    (text,) = NativeAdapter().send(event)
    definitions = message_schema()["$defs"]
    check(json.loads(text), definitions["ServerMessage"], definitions)


def check(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> None:
    """As much of JSON schema as ours uses."""
    if "$ref" in schema:
        check(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
        return
    for group in ("oneOf", "anyOf"):
        if group in schema:
            fitting = [choice for choice in schema[group] if fits(value, choice, definitions)]
            assert fitting, (value, schema)
            assert group == "anyOf" or len(fitting) == 1
    if "const" in schema:
        assert value == schema["const"]
    if "enum" in schema:
        assert value in schema["enum"]
    kind = schema.get("type")
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    if kind in kinds:
        assert isinstance(value, kinds[kind]), (value, schema)  # type: ignore[arg-type]
    if kind == "object":
        assert set(schema.get("required", ())) <= set(value)
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        assert set(value) <= set(known) or isinstance(others, dict), "a field that the schema does not know"
        for name, inner in value.items():
            check(inner, known.get(name, others), definitions)
    if kind == "array":
        for item in value:
            check(item, schema["items"], definitions)


def fits(value: Any, schema: dict[str, Any], definitions: dict[str, Any]) -> bool:
    try:
        check(value, schema, definitions)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: EVENT_TYPES[type(event)])
def test_protobuf_has_the_fields_of_the_event(event: Any) -> None:
    (message,) = ProtobufAdapter().send(event)
    message = pb.StreamResponse.FromString(message.SerializeToString())
    assert message.WhichOneof("response") == EVENT_TYPES[type(event)]
    body = getattr(message, EVENT_TYPES[type(event)])
    assert {field.name for field in body.DESCRIPTOR.fields} == {field.name for field in dataclasses.fields(event)}
    for field in dataclasses.fields(event):
        compare(getattr(event, field.name), getattr(body, field.name), field.name)


def compare(ours: Any, theirs: Any, name: str) -> None:
    if name == "config":
        again = ProtobufAdapter().receive(pb.StreamRequest(configure=theirs))
        assert isinstance(again[0], Configure)
        assert parse_options(again[0].values) == ours
    elif name == "reason":
        assert pb.Reason.Name(theirs) == f"REASON_{ours.upper()}"
    elif name == "problem":
        assert pb.AudioProblem.Name(theirs) == ours.upper()
    elif name == "slots":
        assert {slot.name: slot.value for slot in theirs} == ours
    elif ours is None:
        # Left out: nothing but defaults.
        assert theirs == type(theirs)()
    elif dataclasses.is_dataclass(ours):
        for field in dataclasses.fields(ours):
            compare(getattr(ours, field.name), getattr(theirs, field.name), field.name)
    elif isinstance(ours, tuple) and ours and dataclasses.is_dataclass(ours[0]):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            compare(mine, other, "")
    else:
        assert (list(theirs) if isinstance(ours, tuple) else theirs) == (
            list(ours) if isinstance(ours, tuple) else ours
        )


def test_protobuf_mirrors_the_options() -> None:
    # `auto` is a value of lookahead in JSON and a field of its own here.
    assert {field.name for field in pb.Configure.DESCRIPTOR.fields} == {*SessionOptions.model_fields, "lookahead_auto"}
    assert {field.name for field in pb.Reconfigure.DESCRIPTOR.fields} == {*MUTABLE, "lookahead_auto"}
    numbers = {field.name: field.number for field in pb.Configure.DESCRIPTOR.fields}
    assert all(numbers[field.name] == field.number for field in pb.Reconfigure.DESCRIPTOR.fields)
    for name, message in (
        ("vad", pb.VadOptions),
        ("endpoint", pb.EndpointOptions),
        ("audio", pb.AudioOptions),
        ("text", pb.TextOptions),
    ):
        options: Any = SessionOptions.model_fields[name].annotation
        assert {field.name for field in message.DESCRIPTOR.fields} == set(options.model_fields)


def test_commands_of_json() -> None:
    adapter = NativeAdapter()
    assert adapter.receive(b"\x00\x01") == [Audio(b"\x00\x01")]
    assert adapter.receive('{"type":"configure","encoding":"mulaw"}') == [Configure({"encoding": "mulaw"})]
    assert adapter.receive('{"type":"reconfigure","words":false}') == [Reconfigure({"words": False})]
    assert adapter.receive('{"type":"flush"}') == [Flush()]
    assert adapter.receive('{"type":"end"}') == [End()]
    assert adapter.receive('{"type":"keepalive"}') == [KeepAlive()]
    correct = {"utterance": 0, "was": "jon", "should_be": "John"}
    assert adapter.receive(json.dumps({"type": "correct", **correct})) == [Correct(correct)]


def test_commands_of_protobuf() -> None:
    adapter = ProtobufAdapter()
    configure = pb.Configure(
        encoding="MULAW",
        sample_rate=8000,
        channel=pb.ChannelSelection(index=0),
        partials=False,
        vad=pb.VadOptions(kind="OFF", mode=0),
        endpoint=pb.EndpointOptions(silence_ms=700),
    )
    assert adapter.receive(pb.StreamRequest(configure=configure)) == [
        Configure(
            {
                "encoding": "mulaw",
                "sample_rate": 8000,
                "channel": 0,
                "partials": False,
                "vad": {"kind": "off", "mode": 0},
                "endpoint": {"silence_ms": 700},
            }
        )
    ]
    reconfigure = pb.Reconfigure(language="en", words=False)
    assert adapter.receive(pb.StreamRequest(reconfigure=reconfigure)) == [
        Reconfigure({"language": "en", "words": False})
    ]
    hotwords = pb.Hotwords(phrases=[pb.Hotword(phrase="new york"), pb.Hotword(phrase="aleppo", boost=4)])
    assert adapter.receive(pb.StreamRequest(reconfigure=pb.Reconfigure(lm="off", hotwords=hotwords))) == [
        Reconfigure({"lm": "off", "hotwords": [{"phrase": "new york"}, {"phrase": "aleppo", "boost": 4.0}]})
    ]
    assert adapter.receive(pb.StreamRequest(reconfigure=pb.Reconfigure(hotwords=pb.Hotwords()))) == [
        Reconfigure({"hotwords": []})
    ]
    auto = pb.Reconfigure(lookahead_auto=True, lookahead_min=0)
    assert adapter.receive(pb.StreamRequest(reconfigure=auto)) == [
        Reconfigure({"lookahead": "auto", "lookahead_min": 0})
    ]
    with pytest.raises(WavelaneError, match="lookahead and lookahead_auto exclude each other"):
        adapter.receive(pb.StreamRequest(configure=pb.Configure(lookahead=6, lookahead_auto=True)))
    assert adapter.receive(pb.StreamRequest(audio=b"\x01")) == [Audio(b"\x01")]
    assert adapter.receive(pb.StreamRequest(audio=b"")) == [Audio(b"")]
    assert adapter.receive(pb.StreamRequest(flush=pb.Flush())) == [Flush()]
    assert adapter.receive(pb.StreamRequest(end=pb.End())) == [End()]
    assert adapter.receive(pb.StreamRequest(keepalive=pb.KeepAlive())) == [KeepAlive()]
    correct = {"utterance": 0, "was": "jon", "should_be": "John"}
    assert adapter.receive(pb.StreamRequest(correct=pb.Correct(**correct))) == [Correct(correct)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.text() | JSON.map(json.dumps) | JSON.map(lambda value: json.dumps({"type": "flush", "x": value})))
def test_no_text_breaks_the_adapter(text: str) -> None:
    with pytest.raises(WavelaneError) as error:
        NativeAdapter().receive(text)
    assert error.value.code is ErrorCode.INVALID_MESSAGE


@pytest.mark.parametrize("code", ErrorCode)
def test_rejections_carry_the_status(code: ErrorCode) -> None:
    error = WavelaneError(code, "ü" * 200)
    for adapter in (NativeAdapter(), ProtobufAdapter()):
        rejection: Any = adapter.reject(error)  # type: ignore[attr-defined]
        assert (rejection.close_code, rejection.http, rejection.grpc) == (
            STATUS[code].websocket,
            STATUS[code].http,
            STATUS[code].grpc,
        )
        # A close frame takes little, the status of a call all.
        assert rejection.reason == ("ü" * 61 if isinstance(adapter, NativeAdapter) else error.message)
        assert len(rejection.messages) == 1


def test_a_close_reason_is_cut_between_characters() -> None:
    assert close_reason("short") == "short"
    assert close_reason("a" + "ü" * 100) == "a" + "ü" * 61
