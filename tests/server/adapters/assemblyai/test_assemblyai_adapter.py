"""AssemblyAI's streaming protocol without a socket."""

import json
from contextlib import suppress
from typing import Any

import pytest
from assemblyai.streaming.v3 import models
from hypothesis import given, settings
from hypothesis import strategies as st

from support.dialogues import event, final, lines, partial, replay
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import parse_options, reconfigure
from wavelane_server.adapters.assemblyai.adapter import CODES, PROTOCOL, AssemblyAIAdapter
from wavelane_server.adapters.assemblyai.options import ALWAYS, MUTABLE, REFUSED, WARNED, Parameters, sorted_out
from wavelane_server.adapters.base import Audio, Command, Configure, Fail, Reconfigure, Reply
from wavelane_server.adapters.handshake import Handshake

DIALOGUES: dict[str, dict[str, str]] = {
    "assemblyai_turns.jsonl": {
        "sample_rate": "8000",
        "encoding": "pcm_mulaw",
        "keyterms_prompt": '["egypt"]',
        "prompt": "be nice",
        "speech_model": "universal-streaming-english",
    },
    "assemblyai_formatted.jsonl": {
        "format_turns": "true",
        "encoding": "ogg_opus",
        "language_codes": '["en"]',
        "vad_threshold": "0.8",
        "turn_left_pad_ms": "100",
        "voice_focus": "far-field",
        "filter_profanity": "true",
    },
}
RECORDED = [
    json.dumps(line["client"])
    for name in DIALOGUES
    for line in lines(name)
    if "client" in line and "bytes" not in line["client"]
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({*Parameters.model_fields, *WARNED, *REFUSED, *ALWAYS})


def adapter(**query: str) -> AssemblyAIAdapter:
    effective, warned = sorted_out(query.items())
    return AssemblyAIAdapter(Parameters().updated(effective), warned, clock=iter([10.0, 73.4]).__next__)


def begun(**query: str) -> Command:
    """What the address opens."""
    (command,) = PROTOCOL.adapter(Handshake(headers={}, query=tuple(query.items()))).begin()
    return command


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    replay(name, adapter(**DIALOGUES[name]), json.dumps, json.loads)


def test_every_parameter_of_the_vendors_client_is_known() -> None:
    theirs = set(models.StreamingParameters.model_fields) | set(models.StreamingSessionParameters.model_fields)
    old = {"min_end_of_turn_silence_when_confident", "noise_suppression_model", "noise_suppression_threshold"}
    assert theirs - old <= set(NAMES)
    assert len(NAMES) == sum(map(len, (Parameters.model_fields, WARNED, REFUSED, ALWAYS))), "one is in two classes"


def test_what_is_not_asked_for_stays_as_the_server_has_it() -> None:
    command = begun()
    assert isinstance(command, Configure)
    assert command.once
    assert not {"language", "hotwords", "audio", "text", "vad"} & set(command.values)


EFFECTS: dict[str, tuple[str, str]] = {
    "sample_rate": ("8000", "sample_rate"),
    "encoding": ("pcm_mulaw", "encoding"),
    "format_turns": ("true", "text"),
    "speech_model": ("u3-rt-pro", "text"),
    "include_partial_turns": ("false", "partials"),
    "keyterms_prompt": ('["egypt"]', "hotwords"),
    "language_code": ("en", "language"),
    "language_codes": ('["en"]', "language"),
    "end_of_turn_confidence_threshold": ("1.0", "endpoint"),
    "min_turn_silence": ("100", "endpoint"),
    "max_turn_silence": ("400", "endpoint"),
    "vad_threshold": ("0.9", "vad"),
    "turn_left_pad_ms": ("10", "vad"),
    "voice_focus": ("near-field", "audio"),
    "filter_profanity": ("true", "text"),
}


def test_each_parameter_has_its_effect() -> None:
    assert {*EFFECTS, "formatted_finals"} == set(Parameters.model_fields)
    plain = begun()
    assert isinstance(plain, Configure)
    for name, (value, option) in EFFECTS.items():
        command = begun(**{name: value})
        assert isinstance(command, Configure)
        changed = {key for key in {*command.values, *plain.values} if command.values.get(key) != plain.values.get(key)}
        assert changed == {option}, name
        parse_options(command.values)


@pytest.mark.parametrize(
    ("query", "silence"),
    [
        ({}, 752),
        ({"end_of_turn_confidence_threshold": "0"}, 400),
        ({"end_of_turn_confidence_threshold": "1"}, 1280),
        ({"min_turn_silence": "10", "max_turn_silence": "10"}, 100),
        ({"min_end_of_turn_silence_when_confident": "200", "end_of_turn_confidence_threshold": "0"}, 200),
        ({"max_turn_silence": "300"}, 300),
    ],
)
def test_how_much_silence_ends_a_turn(query: dict[str, str], silence: int) -> None:
    command = begun(**query)
    assert isinstance(command, Configure)
    assert command.values["endpoint"]["silence_ms"] == silence


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"sample_rate": "fast"}, "sample_rate: "),
        ({"encoding": "opus"}, "ogg_opus"),
        ({"encoding": "mp3"}, "encoding: "),
        ({"speaker_labels": "true"}, "speakers are not told apart"),
        ({"redact_pii": "true"}, "nothing is redacted"),
        ({"sampel_rate": "8000"}, "sampel_rate: unknown parameter"),
        ({"language_codes": '["en", "de"]'}, "one language"),
        ({"keyterms_prompt": "[1]"}, "keyterms_prompt"),
    ],
)
def test_a_bad_address_is_told_in_the_vendors_way(query: dict[str, str], said: str) -> None:
    command = begun(**query)
    assert isinstance(command, Fail)
    assert said in command.error.message
    rejection = AssemblyAIAdapter(Parameters(), []).reject(command.error)
    assert rejection.close_code == 3006
    error = models.ErrorEvent.model_validate_json(rejection.messages[0])
    assert (error.error_code, error.error) == (3006, command.error.message)


def test_off_is_always_right() -> None:
    command = begun(**dict.fromkeys((*WARNED, *REFUSED), "false"), token="t")
    assert isinstance(command, Configure)
    command = begun(speech_model="u3-rt-pro", formatted_finals="false")
    assert isinstance(command, Configure)
    assert "text" not in command.values


def test_a_list_may_repeat_or_be_json() -> None:
    for query in ([("keyterms_prompt", '["a", "b"]')], [("keyterms_prompt", "a"), ("keyterms_prompt", "b")]):
        effective, _ = sorted_out(query)
        assert Parameters().updated(effective).keyterms_prompt == ["a", "b"]


def test_an_update_changes_what_can() -> None:
    mine = adapter()
    values: dict[str, Any] = {
        "format_turns": True,
        "keyterms_prompt": ["a"],
        "language_codes": ["en"],
        "end_of_turn_confidence_threshold": 1.0,
        "min_turn_silence": 100,
        "max_turn_silence": 400,
        "filter_profanity": True,
    }
    assert set(values) == MUTABLE
    (command,) = mine.receive(json.dumps({"type": "UpdateConfiguration", **values}))
    assert isinstance(command, Reconfigure)
    options = reconfigure(parse_options({}), dict(command.values))
    assert (options.text.punctuation, options.endpoint.silence_ms, options.language) == (True, 400, "en")
    with pytest.raises(WavelaneError, match=r"vad_threshold: cannot change"):
        list(mine.receive(json.dumps({"type": "UpdateConfiguration", "vad_threshold": 0.1})))
    assert list(mine.receive(json.dumps({"type": "UpdateConfiguration", **values}))) == []
    assert list(mine.receive('{"type": "UpdateConfiguration", "language_codes": []}')) == [
        Reconfigure({"language": None})
    ]
    (command,) = mine.receive(json.dumps({"type": "UpdateConfiguration", "continuous_partials": False}))
    assert isinstance(command, Reply)
    assert "continuous_partials has no effect" in command.message


MUTATED = st.sampled_from(RECORDED).flatmap(
    lambda text: st.tuples(st.integers(0, len(text)), st.integers(0, 9), st.text(max_size=3)).map(
        lambda cut: text[: cut[0]] + cut[2] + text[cut[0] + cut[1] :]
    )
)
UPDATES = st.dictionaries(st.sampled_from([*NAMES, "other"]), JSON).map(
    lambda values: json.dumps({**values, "type": "UpdateConfiguration"})
)


@settings(max_examples=60, deadline=None)
@given(st.one_of(st.text(), JSON.map(json.dumps), MUTATED, UPDATES, st.binary(max_size=50)))
def test_any_message_gives_commands_or_an_error(message: str | bytes) -> None:
    commands = list[Command]()
    with suppress(WavelaneError):
        commands.extend(adapter().receive(message))
    for command in commands:
        if isinstance(message, bytes):
            assert command == Audio(message)
        if isinstance(command, Reply):
            models.WarningEvent.model_validate_json(command.message)
        if isinstance(command, Reconfigure):
            reconfigure(parse_options({}), dict(command.values))


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*NAMES, "other"]), st.one_of(st.text(), JSON.map(json.dumps))))
def test_any_address_opens_a_session_or_is_refused_by_name(query: dict[str, str]) -> None:
    command = begun(**query)
    if isinstance(command, Fail):
        assert any(name in command.error.message for name in query)
    else:
        assert isinstance(command, Configure)
        parse_options(command.values)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["onset", "partial", "final", "empty", "flush"]), max_size=12))
def test_turns_count_up_and_speech_that_starts_ends(steps: list[str]) -> None:
    mine, told = adapter(), list[dict[str, Any]]()
    for clock, step in enumerate([*steps, "flush"], 1):
        at = clock * 16_000
        if step == "onset":
            events = [event("SpeechStarted", at=at)]
        elif step == "partial":
            events = [partial("a b", 2, start=at)]
        elif step == "flush":
            events = [final("a", reason="flush", start=at), event("Flushed", at=at)]
        else:
            reason = "silence" if step == "final" else "no_text"
            ended = event("Endpoint", at=at, reason=reason)
            events = [ended, final("a b" if step == "final" else "", reason=reason, start=at)]
        for item in events:
            told.extend(map(json.loads, mine.send(item)))
    speaking, order = False, 0
    for message in told:
        if message["type"] == "SpeechStarted":
            assert not speaking
            speaking = True
        else:
            assert speaking
            assert models.TurnEvent.model_validate(message).turn_order == order
            if message["end_of_turn"]:
                speaking, order = False, order + 1


def test_the_vendors_codes() -> None:
    assert set(CODES.values()) <= set(models.StreamingErrorCodes)
    assert PROTOCOL.key(Handshake(headers={"authorization": "abc"})) == "abc"
    assert PROTOCOL.key(Handshake(headers={}, query=(("token", "t"),))) == "t"
    refusal = PROTOCOL.refuse(WavelaneError(ErrorCode.UNAUTHENTICATED, "who?"), 2)
    assert (refusal.status, refusal.body) == (401, {"error_code": 4001, "error": "who?"})
