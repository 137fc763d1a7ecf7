"""Google Cloud Speech v1 without a socket: recorded dialogues, options, and messages of any kind."""

from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from support.rpcdialogue import DIALOGUES, lines, replay
from support.rpcfuzz import HOST, messages, mutated
from wavelane.errors import STATUS, ErrorCode, WavelaneError
from wavelane.events import Endpoint
from wavelane.session.options import SessionOptions, parse_options
from wavelane_server.adapters.base import Audio, Command, Configure, End, Fail, KeepAlive
from wavelane_server.adapters.google import recording
from wavelane_server.adapters.google.adapter import AUDIO_TIMEOUT, MOST_LATE, GoogleAdapter, rejection
from wavelane_server.adapters.google.messages import (
    RecognitionConfig,
    RecognizeRequest,
    StreamingRecognitionConfig,
    StreamingRecognizeRequest,
)
from wavelane_server.adapters.google.options import RECOGNITION, STREAMING, streaming
from wavelane_server.adapters.recognition import Host

RECORDED = [
    ParseDict(line["client"], StreamingRecognizeRequest()).SerializeToString()
    for path in DIALOGUES.glob("google_*.jsonl")
    for line in lines(path.name)
    if "client" in line
]
RAW = {"encoding": "LINEAR16", "sample_rate_hertz": 16_000, "language_code": "en-US"}


def ask(config: dict[str, Any], host: Host = HOST, **more: Any) -> Any:
    return streaming(ParseDict({"config": {**RAW, **config}, **more}, StreamingRecognitionConfig()), host)


@pytest.mark.parametrize("name", sorted(path.name for path in DIALOGUES.glob("google_*.jsonl")))
def test_recorded_dialogues(name: str) -> None:
    adapter = GoogleAdapter(HOST)
    for line in lines(name):
        assert replay(adapter, StreamingRecognizeRequest, line) == line


def test_every_field_of_the_configuration_has_its_place() -> None:
    assert set(RECOGNITION) == {field.name for field in RecognitionConfig.DESCRIPTOR.fields}
    assert set(STREAMING) == {field.name for field in StreamingRecognitionConfig.DESCRIPTOR.fields}


@pytest.mark.parametrize(
    ("config", "values"),
    [
        ({"enable_automatic_punctuation": True}, {"text": {"itn": True, "punctuation": True, "capitals": True}}),
        ({"profanity_filter": True}, {"text": {"itn": True, "profanity": "mask"}}),
        ({"max_alternatives": 1}, {}),
        ({"max_alternatives": 3}, {"alternatives": 3, "decoding": {"method": "beam", "beam": 8}}),
        ({"max_alternatives": 30}, {"alternatives": 16, "decoding": {"method": "beam", "beam": 16}}),
        ({"speech_contexts": [{"phrases": ["a", "b"], "boost": 20}]}, {"hotwords": [("a", 2.0), ("b", 2.0)]}),
        (
            {"adaptation": {"phrase_sets": [{"phrases": [{"value": "a", "boost": 5}, {"value": "b"}], "boost": 10}]}},
            {"hotwords": [("a", 0.5), ("b", 1.0)]},
        ),
        (
            {"transcript_normalization": {"entries": [{"search": "wave lane", "replace": "Wavelane"}]}},
            {"text": {"itn": True, "replace": {"wave lane": "Wavelane"}}},
        ),
        ({"audio_channel_count": 2}, {"channels": 2, "channel": 0}),
        (
            {"audio_channel_count": 2, "enable_separate_recognition_per_channel": True},
            {"channels": 2, "channel": "separate"},
        ),
        ({"enable_word_confidence": True}, {"words": True}),
        ({"encoding": "MP3"}, {"encoding": "container"}),
        ({"alternative_language_codes": ["en-GB"]}, {"language": "en-US"}),
        ({"diarization_config": {"enable_speaker_diarization": False, "max_speaker_count": 4}}, {}),
    ],
)
def test_options_take_effect(config: dict[str, Any], values: dict[str, Any]) -> None:
    asked = ask(config)
    if "hotwords" in values:
        values = {"hotwords": [{"phrase": phrase, "boost": boost} for phrase, boost in values["hotwords"]]}
    assert {name: asked.values[name] for name in values} == values
    parse_options(asked.values)
    assert not asked.warnings


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"sample_rate_hertz": 0}, "bad sample rate hertz"),
        ({"sample_rate_hertz": 4_000}, "bad sample rate hertz"),
        ({"encoding": "SPEEX_WITH_HEADER_BYTE"}, "bad encoding"),
        ({"language_code": ""}, "bad language code"),
        ({"alternative_language_codes": ["de-DE"]}, "alternative_language_codes"),
        ({"max_alternatives": 31}, "max_alternatives"),
        ({"speech_contexts": [{"phrases": ["born in $MONTH"]}]}, "class token"),
        ({"speech_contexts": [{"phrases": ["${streets}"]}]}, "class token"),
        ({"speech_contexts": [{"phrases": ["x"], "boost": -3}]}, "it is 0 to 200"),
        ({"speech_contexts": [{"phrases": ["x"], "boost": 201}]}, "it is 0 to 200"),
        ({"adaptation": {"phrase_set_references": ["projects/p"]}}, "phrase_set_references"),
        ({"adaptation": {"custom_classes": [{"custom_class_id": "x"}]}}, "custom_classes"),
        ({"adaptation": {"abnf_grammar": {"abnf_strings": ["x"]}}}, "abnf_grammar"),
        ({"diarization_config": {"enable_speaker_diarization": True}}, "speakers"),
        ({"enable_spoken_emojis": True}, "enable_spoken_emojis"),
        ({"enable_spoken_punctuation": True}, "enable_spoken_punctuation"),
        ({"model": "my-own"}, "bad model"),
        ({"audio_channel_count": 9}, "channel"),
    ],
)
def test_what_cannot_take_effect_is_refused(config: dict[str, Any], words: str) -> None:
    with pytest.raises(WavelaneError, match=words) as refused:
        ask(config)
    assert refused.value.status.grpc == "INVALID_ARGUMENT"


@pytest.mark.parametrize("path", [(), ("config",), ("config", "adaptation"), ("config", "diarization_config")])
def test_fields_of_a_newer_version_are_refused(path: tuple[str, ...]) -> None:
    config = message = ParseDict({"config": RAW}, StreamingRecognitionConfig())
    for name in path:
        message = getattr(message, name)
    message.MergeFromString(b"\xa8\x0f\x01")  # 245: 1
    with pytest.raises(WavelaneError, match="245"):
        streaming(config, HOST)


def test_timeouts_need_activity_events() -> None:
    timeouts = {"voice_activity_timeout": {"speech_end_timeout": "1s"}}
    with pytest.raises(WavelaneError, match="enable_voice_activity_events"):
        ask({}, **timeouts)
    with pytest.raises(WavelaneError, match="speech_end_timeout"):
        ask({}, enable_voice_activity_events=True, voice_activity_timeout={"speech_end_timeout": "0s"})
    silent = Host(spec=HOST.spec, defaults=SessionOptions.model_validate({"vad": {"kind": "off"}}))
    assert ask({}, silent, enable_voice_activity_events=True, **timeouts).values["vad"] == {"kind": "webrtc"}


def test_a_client_that_goes_on_is_ended() -> None:
    adapter = GoogleAdapter(HOST)
    config = ParseDict({"config": RAW, "single_utterance": True}, StreamingRecognitionConfig())
    adapter.receive(StreamingRecognizeRequest(streaming_config=config))
    adapter.send(Endpoint(channel=0, utterance=0, at=16_000, reason="silence"))
    late = [adapter.receive(StreamingRecognizeRequest(audio_content=b"\0\0")) for _ in range(MOST_LATE + 2)]
    assert [commands for commands in late if commands] == [[End()]]
    assert late[MOST_LATE - 1] == [End()]


def test_a_wav_header_is_no_speech_and_must_say_what_the_client_says() -> None:
    def header(rate: int) -> bytes:
        riff = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0\x01\0"
        return (
            riff + rate.to_bytes(4, "little") + (2 * rate).to_bytes(4, "little") + b"\x02\0\x10\0data\xff\xff\xff\xff"
        )

    for size in (1, 3, 44, 100):
        raw = ask({}).raw
        data = header(16_000) + b"\x01\x02" * 8
        assert b"".join(raw.take(data[at : at + size]) for at in range(0, len(data), size)) == b"\x01\x02" * 8
    with pytest.raises(WavelaneError, match=r"sample_rate_hertz \(16000\).*\(8000\)"):
        ask({}).raw.take(header(8_000))


@given(st.binary(max_size=40), st.integers(1, 9))
def test_other_bytes_are_speech(data: bytes, size: int) -> None:
    assume(not data.startswith(b"RIFF"))
    raw = ask({}).raw
    taken = b"".join(raw.take(data[at : at + size]) for at in range(0, len(data), size))
    assert taken == data or b"RIFF".startswith(data)


def test_recordings() -> None:
    def request(config: dict[str, Any], audio: dict[str, Any]) -> bytes:
        data: bytes = ParseDict({"config": config, "audio": audio}, RecognizeRequest()).SerializeToString()
        return data

    asked, audio = recording.ask(request({**RAW, "sample_rate_hertz": 0}, {"content": "UklGRg=="}), HOST)
    assert asked.values["encoding"] == "container"
    assert audio == b"RIFF"
    with pytest.raises(WavelaneError, match="bad sample rate"):
        recording.ask(request({**RAW, "sample_rate_hertz": 0}, {"content": "AAAA"}), HOST)
    with pytest.raises(WavelaneError, match="uri"):
        recording.ask(request(RAW, {"uri": "gs://bucket/file"}), HOST)
    with pytest.raises(WavelaneError, match="RecognitionAudio not set"):
        recording.ask(request(RAW, {}), HOST)


@pytest.mark.parametrize("code", ErrorCode)
def test_rejections_carry_the_status(code: ErrorCode) -> None:
    made = rejection(WavelaneError(code, "why"))
    idle = code is ErrorCode.IDLE_TIMEOUT
    assert made.grpc == ("OUT_OF_RANGE" if idle else STATUS[code].grpc)
    assert made.reason == (f"{AUDIO_TIMEOUT} (why)" if idle else "why")


@settings(max_examples=100, deadline=None)
@given(
    st.lists(messages(StreamingRecognizeRequest) | mutated(StreamingRecognizeRequest, RECORDED), min_size=1, max_size=4)
)
def test_messages_of_any_kind_are_commands(requests: list[Any]) -> None:
    adapter = GoogleAdapter(HOST)
    for request in requests:
        if request is not None:
            check(adapter.receive(request))


def check(commands: list[Command]) -> None:
    for command in commands:
        assert isinstance(command, Audio | Configure | End | Fail | KeepAlive)
        if isinstance(command, Configure):
            with suppress(WavelaneError):
                parse_options(dict(command.values))
