"""OpenAI's Realtime protocol without a socket."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from support.dialogues import event, final, lines, partial, replay
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import parse_options
from wavelane_server.adapters.base import Audio, Configure, Flush, Reconfigure, Reply
from wavelane_server.adapters.handshake import Handshake
from wavelane_server.adapters.openai.fields import FIELDS, SessionFields
from wavelane_server.adapters.openai.realtime import PROTOCOL, RealtimeAdapter
from wavelane_server.adapters.openai.state import State

DIALOGUES = {"openai_turns.jsonl": False, "openai_manual.jsonl": True, "openai_mistakes.jsonl": False}
RECORDED = [json.dumps(line["client"]) for name in DIALOGUES for line in lines(name) if "client" in line]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", DIALOGUES)
def test_dialogue(name: str) -> None:
    replay(name, RealtimeAdapter("x", beta=DIALOGUES[name]), json.dumps, json.loads)


def leaves(model: type[BaseModel], path: str) -> Iterator[str]:
    """Paths of all fields that a client may set."""
    for name, field in model.model_fields.items():
        inner = [kind for kind in models_in(field.annotation) if kind.model_fields.keys() - {"type", "rate"}]
        if not inner or name == "format":
            yield path + name
        for kind in inner if name != "format" else ():
            yield from leaves(kind, f"{path}{name}.")


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in models_in(part)]


def test_the_table_has_every_field() -> None:
    types = {"type", "audio.input.turn_detection.type"}
    assert set(leaves(SessionFields, "")) - types == set(FIELDS)


VAD = {"type": "server_vad"}
EFFECTS: dict[str, tuple[Any, str]] = {
    "format": ({"type": "audio/pcm", "rate": 8_000}, "sample_rate"),
    "transcription.model": ({"model": "another"}, "model"),
    "transcription.language": ({"language": "en"}, "language"),
    "transcription.languages": ({"languages": ["en"]}, "language"),
    "transcription.keywords": ({"keywords": ["egypt"]}, "hotwords"),
    "transcription.prompt": ({"prompt": "egypt, vatican"}, "hotwords"),
    "noise_reduction.type": ({"type": "far_field"}, "audio"),
    "turn_detection.threshold": ({**VAD, "threshold": 0.9}, "vad"),
    "turn_detection.prefix_padding_ms": ({**VAD, "prefix_padding_ms": 10}, "vad"),
    "turn_detection.silence_duration_ms": ({**VAD, "silence_duration_ms": 300}, "endpoint"),
    "turn_detection.eagerness": ({"type": "semantic_vad", "eagerness": "low"}, "endpoint"),
}


@pytest.mark.parametrize("field", EFFECTS)
def test_each_field_has_its_effect(field: str) -> None:
    value, option = EFFECTS[field]
    fields = SessionFields.model_validate({"audio": {"input": {field.split(".")[0]: value}}})
    plain, values = State().values(), State().updated(fields).values()
    assert {name for name in {*plain, *values} if plain.get(name) != values.get(name)} == {option}
    parse_options(values)
    assert f"audio.input.{field}" in FIELDS


def test_what_is_not_asked_for_stays_as_the_server_has_it() -> None:
    values = State().values()
    assert not {"language", "hotwords", "audio", "model"} & set(values)
    assert parse_options(values).sample_rate == 24_000


def commands(adapter: RealtimeAdapter, **message: Any) -> list[Any]:
    return list(adapter.receive(json.dumps(message)))


def append(adapter: RealtimeAdapter, count: int) -> list[Any]:
    return commands(adapter, type="input_audio_buffer.append", audio=base64.b64encode(bytes(count)).decode())


def test_a_refused_update_changes_nothing() -> None:
    """As the conversation does it: what follows a command that is refused is never reached."""
    adapter = RealtimeAdapter("x")
    session = {"audio": {"input": {"transcription": {"language": "tlh"}}}}
    update = {"type": "session.update", "event_id": "e", "session": session}
    refused = iter(adapter.receive(json.dumps(update)))
    command = next(refused)
    assert isinstance(command, Configure)
    assert command.values["language"] == "tlh"
    del refused
    (told,) = adapter.send(event("Failed", code="invalid_config", message="no", fatal=False))
    assert json.loads(told)["error"]["event_id"] == "e"
    first, second = append(adapter, 4800)
    assert isinstance(first, Configure)
    assert "language" not in first.values
    assert second == Audio(bytes(4800))


def test_audio_after_a_refused_update_opens_the_session_anew_as_it_was() -> None:
    """The one before was closed for the update, whose own could not be opened."""
    adapter = RealtimeAdapter("x")
    (first,) = commands(
        adapter, type="session.update", session={"audio": {"input": {"format": {"type": "audio/pcmu"}}}}
    )
    refused = adapter.receive(
        json.dumps(
            {"type": "session.update", "session": {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}}}
        )
    )
    assert next(refused).values["audio"] == {"noise_suppression": "high"}
    del refused
    again, audio = append(adapter, 800)
    assert again == first
    assert audio == Audio(bytes(800))
    assert append(adapter, 800) == [audio]


@pytest.mark.parametrize("fields", [{"keywords": [1] * 100_000}, {"keywords": [""] * 100_000}, {"x" * 1_000: 1}])
def test_the_error_for_a_huge_update_is_a_sentence(fields: dict[str, Any]) -> None:
    update = {"type": "session.update", "session": {"audio": {"input": {"transcription": fields}}}}
    (reply,) = commands(RealtimeAdapter("x"), **update)
    assert len(reply.message) < 1_000


def test_before_audio_an_update_may_change_anything_and_after_it_what_can() -> None:
    adapter = RealtimeAdapter("x")
    for form in ("audio/pcmu", "audio/pcma"):
        (command,) = commands(adapter, type="session.update", session={"audio": {"input": {"format": {"type": form}}}})
        assert isinstance(command, Configure)
        assert command.afresh
    assert append(adapter, 800) == [Audio(bytes(800))]
    manual = {"audio": {"input": {"turn_detection": None}}}
    (command,) = commands(adapter, type="session.update", session=manual)
    assert isinstance(command, Reconfigure)
    assert command.values["endpoint"]["enabled"] is False
    assert commands(adapter, type="input_audio_buffer.commit") == [Flush()]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["partial", "final", "cut", "commit", "onset"]), st.text("ab ", max_size=6)),
        max_size=12,
    ),
    st.booleans(),
)
def test_joined_deltas_are_the_transcript(steps: list[tuple[str, str]], manual: bool) -> None:
    """Each item is told of once, in order; its deltas add up to its transcript; speech that starts also stops."""
    adapter, told = RealtimeAdapter("x"), list[dict[str, Any]]()
    detection = None if manual else {"type": "server_vad"}
    list(adapter.receive(json.dumps({"type": "session.update", "session": turns(detection)})))
    clock, shown = 0, ""

    def hear(outgoing: Any) -> None:
        told.extend(map(json.loads, adapter.send(outgoing)))

    hear(event("Ready", session="s", model=MODEL, config=None))
    for step, text in [*steps, ("commit", "")]:
        clock += 16_000
        words = " ".join(text.split())
        if step == "partial":
            shown += words if len(shown) < 20 else ""
            hear(partial(shown + "?", len(shown), start=clock))
        elif step == "onset":
            hear(event("SpeechStarted", at=clock))
        elif step == "commit":
            append(adapter, 4800)
            commands(adapter, type="input_audio_buffer.commit")
            if shown:
                hear(written(shown, "flush", clock))
                shown = ""
            hear(event("Flushed", at=clock))
        else:
            reason = "max_utterance" if step == "cut" else "silence"
            if manual and step == "final":
                continue
            hear(event("Endpoint", at=clock, reason=reason))
            hear(written(shown + words, reason, clock))
            shown = ""
    deltas: dict[str, str] = {}
    started, stopped, done = [], [], []
    for message in told:
        item = message.get("item_id", "")
        match message["type"].rsplit(".", 1)[1]:
            case "delta":
                assert item not in done
                deltas[item] = deltas.get(item, "") + message["delta"]
            case "speech_started":
                started.append(item)
            case "speech_stopped":
                stopped.append(item)
            case "committed":
                assert message["previous_item_id"] == (done[-1] if done else None)
            case "completed":
                assert message["transcript"] == deltas.get(item, "")
                done.append(item)
    assert len(set(done)) == len(done)
    # Speech that began after the last turn is still being spoken.
    assert stopped == [item for item in started if item in done]
    assert not (manual and started)


MODEL = {"name": "m", "languages": ["en"], "lookaheads": [6], "default_lookahead": 6, "head": "ctc"}


def turns(detection: object) -> dict[str, Any]:
    return {"audio": {"input": {"turn_detection": detection}}}


def written(text: str, reason: str, at: int) -> Any:
    return event("Final", alternatives=[[[[text, 0, 0, 0.5]] if text else [], None]], reason=reason, start=at, end=at)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(),
        JSON.map(json.dumps),
        st.sampled_from(RECORDED).flatmap(
            lambda text: st.tuples(st.integers(0, len(text)), st.integers(0, 9), st.text(max_size=3)).map(
                lambda cut: text[: cut[0]] + cut[2] + text[cut[0] + cut[1] :]
            )
        ),
        st.binary(max_size=50),
    )
)
def test_any_message_gives_commands_or_an_error_event(message: str | bytes) -> None:
    adapter = RealtimeAdapter("x")
    for command in adapter.receive(message):
        assert isinstance(command, Configure | Reconfigure | Audio | Flush | Reply)
        if isinstance(command, Reply):
            told = json.loads(command.message)
            assert told["type"] in ("error", "input_audio_buffer.cleared")


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*SessionFields.model_fields, "other"]), JSON))
def test_any_session_is_options_or_an_error_that_names_a_field(session: dict[str, Any]) -> None:
    for command in commands(RealtimeAdapter("x"), type="session.update", session=session):
        if isinstance(command, Reply):
            assert json.loads(command.message)["error"]["param"].startswith("session")
        else:
            assert isinstance(command, Configure)
            parse_options(command.values)


def test_keys_and_subprotocols() -> None:
    browser = Handshake(
        headers={}, subprotocols=("realtime", "openai-insecure-api-key.sk-1", "openai-beta.realtime-v1")
    )
    assert PROTOCOL.key(browser) == "sk-1"
    assert PROTOCOL.subprotocol(browser) == "realtime"
    assert PROTOCOL.key(Handshake(headers={"authorization": "Bearer sk-2"})) == "sk-2"
    assert PROTOCOL.subprotocol(Handshake(headers={})) is None
    adapter = PROTOCOL.adapter(browser)
    (created,) = adapter.begin()
    assert isinstance(created, Reply)
    assert json.loads(created.message)["type"] == "transcription_session.created"
    assert adapter.begin() == [created]


@pytest.mark.parametrize(("query", "said"), [(("intent", "conversation"), "transcribes"), (("voice", "x"), "unknown")])
def test_what_the_address_may_not_ask_for(query: tuple[str, str], said: str) -> None:
    with pytest.raises(WavelaneError, match=said) as caught:
        PROTOCOL.adapter(Handshake(headers={}, query=(query,)))
    refusal = PROTOCOL.refuse(caught.value, 2)
    assert (refusal.status, refusal.body["error"]["type"]) == (400, "invalid_request_error")


def test_refusals_have_openais_codes() -> None:
    refusal = PROTOCOL.refuse(WavelaneError(ErrorCode.UNAUTHENTICATED, "who?"), 2)
    assert (refusal.status, refusal.body["error"]["code"]) == (401, "invalid_api_key")
    refusal = PROTOCOL.refuse(WavelaneError(ErrorCode.OVERLOADED, "full"), 2)
    assert (refusal.status, refusal.body["error"]["type"]) == (503, "server_error")
    assert refusal.headers["Retry-After"] == "2"


def test_final_of_a_failure_without_text_is_a_failed_transcription() -> None:
    adapter = RealtimeAdapter("x")
    adapter.send(event("Failed", code="internal", message="a fault", fatal=True))
    told = [json.loads(message) for message in adapter.send(final("", reason="failure"))]
    (failed,) = (message for message in told if message["type"].endswith("transcription.failed"))
    assert failed["error"]["message"] == "a fault"


def test_a_turn_of_which_nothing_was_told_has_its_own_time() -> None:
    """A server without a detector knows no onsets, and a slow client misses partials."""
    adapter = RealtimeAdapter("x")
    for at, text in ((16_000, "one"), (48_000, ""), (64_000, "two")):
        adapter.send(event("Endpoint", at=at + 8_000, reason="silence"))
        told = [json.loads(message) for message in adapter.send(final(text, start=at, end=at + 1_600))]
        kinds = [message["type"].rsplit(".", 1)[1] for message in told]
        if not text:
            assert told == []
            continue
        assert kinds == ["speech_started", "speech_stopped", "committed", "added", "delta", "completed", "done"]
        assert told[0]["audio_start_ms"] == at // 16 - 300
        assert told[1]["audio_end_ms"] == at // 16 + 500
        assert told[5]["usage"]["seconds"] == 0.8
