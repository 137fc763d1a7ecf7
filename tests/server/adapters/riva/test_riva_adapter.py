"""NVIDIA Riva without a socket: recorded dialogues, options, and messages of any kind."""

from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given, settings
from hypothesis import strategies as st

from support.rpcdialogue import DIALOGUES, lines, replay
from support.rpcfuzz import HOST, messages, mutated
from wavelane.errors import WavelaneError
from wavelane.session.options import SessionOptions, parse_options
from wavelane_server.adapters.base import Audio, Command, Configure, Fail, Flush, KeepAlive
from wavelane_server.adapters.recognition import Host
from wavelane_server.adapters.riva import recording
from wavelane_server.adapters.riva.adapter import RivaAdapter, rejection
from wavelane_server.adapters.riva.messages import RecognizeRequest, StreamingRecognizeRequest, asr
from wavelane_server.adapters.riva.options import RECOGNITION, forced, streaming

RECORDED = [
    ParseDict(line["client"], StreamingRecognizeRequest()).SerializeToString()
    for path in DIALOGUES.glob("riva_*.jsonl")
    for line in lines(path.name)
    if "client" in line
]
RAW = {"encoding": "LINEAR_PCM", "sample_rate_hertz": 16_000, "language_code": "en-US", "verbatim_transcripts": True}
WRITTEN = {"itn": False}
SILENT = Host(spec=HOST.spec, defaults=SessionOptions.model_validate({"vad": {"kind": "off"}}))


def ask(config: dict[str, Any], host: Host = HOST) -> Any:
    return streaming(ParseDict({"config": {**RAW, **config}}, asr.StreamingRecognitionConfig()), host)


@pytest.mark.parametrize("name", sorted(path.name for path in DIALOGUES.glob("riva_*.jsonl")))
def test_recorded_dialogues(name: str) -> None:
    adapter = RivaAdapter(HOST)
    for line in lines(name):
        assert replay(adapter, StreamingRecognizeRequest, line) == line


def test_every_field_of_the_configuration_has_its_place() -> None:
    assert set(RECOGNITION) == {field.name for field in asr.RecognitionConfig.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ({}, {"text": WRITTEN, "encoding": "linear16", "sample_rate": 16_000, "channels": 1, "language": "en-US"}),
        ({"verbatim_transcripts": False}, {"text": {"itn": True}}),
        ({"language_code": "", "verbatim_transcripts": False}, {"text": {"itn": True}}),
        ({"enable_automatic_punctuation": True}, {"text": {**WRITTEN, "punctuation": True, "capitals": True}}),
        ({"profanity_filter": True}, {"text": {**WRITTEN, "profanity": "mask"}}),
        ({"max_alternatives": 4}, {"alternatives": 4, "decoding": {"method": "beam", "beam": 8}}),
        ({"encoding": "ALAW"}, {"encoding": "alaw"}),
        ({"encoding": "ENCODING_UNSPECIFIED"}, {"encoding": "container"}),
        ({"endpointing_config": {"stop_history": 320, "stop_threshold": -1.0}}, {"endpoint": {"silence_ms": 320}}),
        (
            {"endpointing_config": {"start_history": 200, "stop_history_eou": 240}},
            {"vad": {"min_speech_ms": 200, "min_silence_ms": 240}},
        ),
        (
            {"custom_configuration": {"neural_vad.onset": "0.65"}},
            {"vad": {"kind": "silero", "threshold": 0.65}},
        ),
        ({"custom_configuration": {"enable_vad_endpointing": "false"}}, {"vad": {"kind": "off"}}),
    ],
)
def test_options_take_effect(config: dict[str, Any], values: dict[str, Any]) -> None:
    asked = ask(config)
    assert {name: asked.values[name] for name in values} == values
    parse_options(asked.values)
    assert not asked.warnings


def test_endpointing_by_speech_needs_a_detector() -> None:
    for config in (
        {"endpointing_config": {"stop_history_eou": 240}},
        {"custom_configuration": {"enable_vad_endpointing": "true"}},
    ):
        assert ask(config, SILENT).values["vad"]["kind"] == "webrtc"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"sample_rate_hertz": 0}, "sample_rate_hertz"),
        ({"encoding": 99}, "encoding"),
        ({"max_alternatives": 31}, "max_alternatives"),
        ({"diarization_config": {"enable_speaker_diarization": True}}, "speakers"),
        ({"endpointing_config": {"stop_threshold": 0.9}}, "stop_threshold"),
        ({"custom_configuration": {"speed": "11"}}, "speed:11"),
        ({"custom_configuration": {"apply_partial_itn": "false"}}, "apply_partial_itn"),
        ({"custom_configuration": {"neural_vad.onset": "high"}}, "number"),
        ({"custom_configuration": {"enable_vad_endpointing": "perhaps"}}, "true or false"),
        ({"model": "gpt"}, "Unavailable model requested"),
        ({"audio_channel_count": -1}, "audio_channel_count"),
        ({"speech_contexts": [{"phrases": [" "]}]}, "empty"),
    ],
)
def test_what_cannot_take_effect_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(WavelaneError, match=words) as refused:
        ask(config)
    assert refused.value.status.grpc == "INVALID_ARGUMENT"


def test_errors_name_the_clients_options() -> None:
    asked = ask({"endpointing_config": {"start_history": 5_000}, "speech_contexts": [{"phrases": ["x" * 201]}]})
    with pytest.raises(WavelaneError) as refused:
        parse_options(asked.values)
    made = rejection(refused.value)
    assert "vad" not in made.reason
    assert "hotwords" not in made.reason
    assert "endpointing_config.start_history: " in made.reason
    assert "speech_contexts: " in made.reason


def test_runtime_configuration() -> None:
    assert forced({"force_eou": "true"})
    assert not forced({"force_eou": "0"})
    assert not forced({})
    for wrong in ({"force_eou": "now"}, {"other": "true"}):
        with pytest.raises(WavelaneError, match="runtime_config"):
            forced(wrong)


def test_too_short_a_silence_is_the_shortest() -> None:
    asked = ask({"endpointing_config": {"stop_history": 40}})
    assert asked.values["endpoint"] == {"silence_ms": 100}
    assert asked.warnings == ["endpointing_config.stop_history: 40 counts as 100"]


def test_what_is_served() -> None:
    for name, count in (("", 2), ("m", 2), ("other", 0)):
        request = asr.RivaSpeechRecognitionConfigRequest(model_name=name).SerializeToString()
        configs = recording.served(request, HOST.spec).model_config
        assert len(configs) == count
    online = [c for c in recording.served(b"", HOST.spec).model_config if c.parameters["type"] == "online"]
    assert [(c.model_name, c.parameters["language_code"]) for c in online] == [("m", "en")]


def test_recordings() -> None:
    with pytest.raises(WavelaneError, match="no audio"):
        recording.ask(ParseDict({"config": RAW}, RecognizeRequest()).SerializeToString(), HOST)
    request = ParseDict({"config": {"encoding": "FLAC"}, "audio": "ZkxhQw==", "id": {"value": "7"}}, RecognizeRequest())
    asked, audio = recording.ask(request.SerializeToString(), HOST)
    assert (asked.values["encoding"], asked.request_id, audio) == ("container", "7", b"fLaC")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(messages(StreamingRecognizeRequest) | mutated(StreamingRecognizeRequest, RECORDED), min_size=1, max_size=4)
)
def test_messages_of_any_kind_are_commands(requests: list[Any]) -> None:
    adapter = RivaAdapter(HOST)
    for request in requests:
        if request is not None:
            check(adapter.receive(request))


def check(commands: list[Command]) -> None:
    for command in commands:
        assert isinstance(command, Audio | Configure | Fail | Flush | KeepAlive)
        if isinstance(command, Configure):
            with suppress(WavelaneError):
                parse_options(dict(command.values))
