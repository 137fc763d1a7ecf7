from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Encoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENCODING_UNSPECIFIED: _ClassVar[Encoding]
    LINEAR16: _ClassVar[Encoding]
    FLOAT32: _ClassVar[Encoding]
    MULAW: _ClassVar[Encoding]
    ALAW: _ClassVar[Encoding]
    CONTAINER: _ClassVar[Encoding]

class VadKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VAD_KIND_UNSPECIFIED: _ClassVar[VadKind]
    WEBRTC: _ClassVar[VadKind]
    SILERO: _ClassVar[VadKind]
    OFF: _ClassVar[VadKind]

class SearchMethod(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SEARCH_METHOD_UNSPECIFIED: _ClassVar[SearchMethod]
    GREEDY: _ClassVar[SearchMethod]
    BEAM: _ClassVar[SearchMethod]

class Profanity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROFANITY_UNSPECIFIED: _ClassVar[Profanity]
    KEEP: _ClassVar[Profanity]
    MASK: _ClassVar[Profanity]

class Gain(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAIN_UNSPECIFIED: _ClassVar[Gain]
    GAIN_OFF: _ClassVar[Gain]
    GAIN_AUTO: _ClassVar[Gain]

class NoiseSuppression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    NOISE_SUPPRESSION_UNSPECIFIED: _ClassVar[NoiseSuppression]
    NOISE_SUPPRESSION_OFF: _ClassVar[NoiseSuppression]
    NOISE_SUPPRESSION_LOW: _ClassVar[NoiseSuppression]
    NOISE_SUPPRESSION_MODERATE: _ClassVar[NoiseSuppression]
    NOISE_SUPPRESSION_HIGH: _ClassVar[NoiseSuppression]
    NOISE_SUPPRESSION_VERY_HIGH: _ClassVar[NoiseSuppression]

class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REASON_UNSPECIFIED: _ClassVar[Reason]
    REASON_SILENCE: _ClassVar[Reason]
    REASON_NO_TEXT: _ClassVar[Reason]
    REASON_MAX_UTTERANCE: _ClassVar[Reason]
    REASON_FLUSH: _ClassVar[Reason]
    REASON_END: _ClassVar[Reason]
    REASON_FAILURE: _ClassVar[Reason]

class AudioProblem(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUDIO_PROBLEM_UNSPECIFIED: _ClassVar[AudioProblem]
    CLIPPING: _ClassVar[AudioProblem]
    NO_SIGNAL: _ClassVar[AudioProblem]
    TOO_QUIET: _ClassVar[AudioProblem]
ENCODING_UNSPECIFIED: Encoding
LINEAR16: Encoding
FLOAT32: Encoding
MULAW: Encoding
ALAW: Encoding
CONTAINER: Encoding
VAD_KIND_UNSPECIFIED: VadKind
WEBRTC: VadKind
SILERO: VadKind
OFF: VadKind
SEARCH_METHOD_UNSPECIFIED: SearchMethod
GREEDY: SearchMethod
BEAM: SearchMethod
PROFANITY_UNSPECIFIED: Profanity
KEEP: Profanity
MASK: Profanity
GAIN_UNSPECIFIED: Gain
GAIN_OFF: Gain
GAIN_AUTO: Gain
NOISE_SUPPRESSION_UNSPECIFIED: NoiseSuppression
NOISE_SUPPRESSION_OFF: NoiseSuppression
NOISE_SUPPRESSION_LOW: NoiseSuppression
NOISE_SUPPRESSION_MODERATE: NoiseSuppression
NOISE_SUPPRESSION_HIGH: NoiseSuppression
NOISE_SUPPRESSION_VERY_HIGH: NoiseSuppression
REASON_UNSPECIFIED: Reason
REASON_SILENCE: Reason
REASON_NO_TEXT: Reason
REASON_MAX_UTTERANCE: Reason
REASON_FLUSH: Reason
REASON_END: Reason
REASON_FAILURE: Reason
AUDIO_PROBLEM_UNSPECIFIED: AudioProblem
CLIPPING: AudioProblem
NO_SIGNAL: AudioProblem
TOO_QUIET: AudioProblem

class StreamRequest(_message.Message):
    __slots__ = ("configure", "reconfigure", "audio", "flush", "end", "keepalive", "correct")
    CONFIGURE_FIELD_NUMBER: _ClassVar[int]
    RECONFIGURE_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    FLUSH_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    KEEPALIVE_FIELD_NUMBER: _ClassVar[int]
    CORRECT_FIELD_NUMBER: _ClassVar[int]
    configure: Configure
    reconfigure: Reconfigure
    audio: bytes
    flush: Flush
    end: End
    keepalive: KeepAlive
    correct: Correct
    def __init__(self, configure: _Optional[_Union[Configure, _Mapping]] = ..., reconfigure: _Optional[_Union[Reconfigure, _Mapping]] = ..., audio: _Optional[bytes] = ..., flush: _Optional[_Union[Flush, _Mapping]] = ..., end: _Optional[_Union[End, _Mapping]] = ..., keepalive: _Optional[_Union[KeepAlive, _Mapping]] = ..., correct: _Optional[_Union[Correct, _Mapping]] = ...) -> None: ...

class Correct(_message.Message):
    __slots__ = ("channel", "utterance", "was", "should_be")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    WAS_FIELD_NUMBER: _ClassVar[int]
    SHOULD_BE_FIELD_NUMBER: _ClassVar[int]
    channel: int
    utterance: int
    was: str
    should_be: str
    def __init__(self, channel: _Optional[int] = ..., utterance: _Optional[int] = ..., was: _Optional[str] = ..., should_be: _Optional[str] = ...) -> None: ...

class Flush(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class End(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class KeepAlive(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class VadOptions(_message.Message):
    __slots__ = ("kind", "mode", "threshold", "min_speech_ms", "min_silence_ms", "pre_roll_ms")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    MIN_SPEECH_MS_FIELD_NUMBER: _ClassVar[int]
    MIN_SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    PRE_ROLL_MS_FIELD_NUMBER: _ClassVar[int]
    kind: VadKind
    mode: int
    threshold: float
    min_speech_ms: int
    min_silence_ms: int
    pre_roll_ms: int
    def __init__(self, kind: _Optional[_Union[VadKind, str]] = ..., mode: _Optional[int] = ..., threshold: _Optional[float] = ..., min_speech_ms: _Optional[int] = ..., min_silence_ms: _Optional[int] = ..., pre_roll_ms: _Optional[int] = ...) -> None: ...

class DecodingOptions(_message.Message):
    __slots__ = ("method", "beam")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    BEAM_FIELD_NUMBER: _ClassVar[int]
    method: SearchMethod
    beam: int
    def __init__(self, method: _Optional[_Union[SearchMethod, str]] = ..., beam: _Optional[int] = ...) -> None: ...

class EndpointOptions(_message.Message):
    __slots__ = ("silence_ms", "no_text_ms", "max_utterance_ms", "enabled")
    SILENCE_MS_FIELD_NUMBER: _ClassVar[int]
    NO_TEXT_MS_FIELD_NUMBER: _ClassVar[int]
    MAX_UTTERANCE_MS_FIELD_NUMBER: _ClassVar[int]
    ENABLED_FIELD_NUMBER: _ClassVar[int]
    silence_ms: int
    no_text_ms: int
    max_utterance_ms: int
    enabled: bool
    def __init__(self, silence_ms: _Optional[int] = ..., no_text_ms: _Optional[int] = ..., max_utterance_ms: _Optional[int] = ..., enabled: _Optional[bool] = ...) -> None: ...

class Hotword(_message.Message):
    __slots__ = ("phrase", "boost")
    PHRASE_FIELD_NUMBER: _ClassVar[int]
    BOOST_FIELD_NUMBER: _ClassVar[int]
    phrase: str
    boost: float
    def __init__(self, phrase: _Optional[str] = ..., boost: _Optional[float] = ...) -> None: ...

class Hotwords(_message.Message):
    __slots__ = ("phrases",)
    PHRASES_FIELD_NUMBER: _ClassVar[int]
    phrases: _containers.RepeatedCompositeFieldContainer[Hotword]
    def __init__(self, phrases: _Optional[_Iterable[_Union[Hotword, _Mapping]]] = ...) -> None: ...

class Replacements(_message.Message):
    __slots__ = ("phrases",)
    class PhrasesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    PHRASES_FIELD_NUMBER: _ClassVar[int]
    phrases: _containers.ScalarMap[str, str]
    def __init__(self, phrases: _Optional[_Mapping[str, str]] = ...) -> None: ...

class TextOptions(_message.Message):
    __slots__ = ("itn", "punctuation", "capitals", "profanity", "verbatim", "replace")
    ITN_FIELD_NUMBER: _ClassVar[int]
    PUNCTUATION_FIELD_NUMBER: _ClassVar[int]
    CAPITALS_FIELD_NUMBER: _ClassVar[int]
    PROFANITY_FIELD_NUMBER: _ClassVar[int]
    VERBATIM_FIELD_NUMBER: _ClassVar[int]
    REPLACE_FIELD_NUMBER: _ClassVar[int]
    itn: bool
    punctuation: bool
    capitals: bool
    profanity: Profanity
    verbatim: bool
    replace: Replacements
    def __init__(self, itn: _Optional[bool] = ..., punctuation: _Optional[bool] = ..., capitals: _Optional[bool] = ..., profanity: _Optional[_Union[Profanity, str]] = ..., verbatim: _Optional[bool] = ..., replace: _Optional[_Union[Replacements, _Mapping]] = ...) -> None: ...

class AudioOptions(_message.Message):
    __slots__ = ("gain", "remove_dc", "noise_suppression", "report", "lead_ms", "tail_ms")
    GAIN_FIELD_NUMBER: _ClassVar[int]
    REMOVE_DC_FIELD_NUMBER: _ClassVar[int]
    NOISE_SUPPRESSION_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    LEAD_MS_FIELD_NUMBER: _ClassVar[int]
    TAIL_MS_FIELD_NUMBER: _ClassVar[int]
    gain: Gain
    remove_dc: bool
    noise_suppression: NoiseSuppression
    report: bool
    lead_ms: int
    tail_ms: int
    def __init__(self, gain: _Optional[_Union[Gain, str]] = ..., remove_dc: _Optional[bool] = ..., noise_suppression: _Optional[_Union[NoiseSuppression, str]] = ..., report: _Optional[bool] = ..., lead_ms: _Optional[int] = ..., tail_ms: _Optional[int] = ...) -> None: ...

class ChannelSelection(_message.Message):
    __slots__ = ("mode", "index")
    class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        MODE_UNSPECIFIED: _ClassVar[ChannelSelection.Mode]
        MIX: _ClassVar[ChannelSelection.Mode]
        SEPARATE: _ClassVar[ChannelSelection.Mode]
    MODE_UNSPECIFIED: ChannelSelection.Mode
    MIX: ChannelSelection.Mode
    SEPARATE: ChannelSelection.Mode
    MODE_FIELD_NUMBER: _ClassVar[int]
    INDEX_FIELD_NUMBER: _ClassVar[int]
    mode: ChannelSelection.Mode
    index: int
    def __init__(self, mode: _Optional[_Union[ChannelSelection.Mode, str]] = ..., index: _Optional[int] = ...) -> None: ...

class Configure(_message.Message):
    __slots__ = ("encoding", "sample_rate", "channels", "channel", "model", "language", "lookahead", "lookahead_auto", "lookahead_min", "lookahead_max", "partials", "words", "decoding", "alternatives", "lm", "lm_weight", "hotwords", "grammar", "profile", "vad", "endpoint", "text", "audio")
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    SAMPLE_RATE_FIELD_NUMBER: _ClassVar[int]
    CHANNELS_FIELD_NUMBER: _ClassVar[int]
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_AUTO_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_MIN_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_MAX_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    DECODING_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    LM_FIELD_NUMBER: _ClassVar[int]
    LM_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    GRAMMAR_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    VAD_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    AUDIO_FIELD_NUMBER: _ClassVar[int]
    encoding: Encoding
    sample_rate: int
    channels: int
    channel: ChannelSelection
    model: str
    language: str
    lookahead: int
    lookahead_auto: bool
    lookahead_min: int
    lookahead_max: int
    partials: bool
    words: bool
    decoding: DecodingOptions
    alternatives: int
    lm: str
    lm_weight: float
    hotwords: Hotwords
    grammar: str
    profile: str
    vad: VadOptions
    endpoint: EndpointOptions
    text: TextOptions
    audio: AudioOptions
    def __init__(self, encoding: _Optional[_Union[Encoding, str]] = ..., sample_rate: _Optional[int] = ..., channels: _Optional[int] = ..., channel: _Optional[_Union[ChannelSelection, _Mapping]] = ..., model: _Optional[str] = ..., language: _Optional[str] = ..., lookahead: _Optional[int] = ..., lookahead_auto: _Optional[bool] = ..., lookahead_min: _Optional[int] = ..., lookahead_max: _Optional[int] = ..., partials: _Optional[bool] = ..., words: _Optional[bool] = ..., decoding: _Optional[_Union[DecodingOptions, _Mapping]] = ..., alternatives: _Optional[int] = ..., lm: _Optional[str] = ..., lm_weight: _Optional[float] = ..., hotwords: _Optional[_Union[Hotwords, _Mapping]] = ..., grammar: _Optional[str] = ..., profile: _Optional[str] = ..., vad: _Optional[_Union[VadOptions, _Mapping]] = ..., endpoint: _Optional[_Union[EndpointOptions, _Mapping]] = ..., text: _Optional[_Union[TextOptions, _Mapping]] = ..., audio: _Optional[_Union[AudioOptions, _Mapping]] = ...) -> None: ...

class Reconfigure(_message.Message):
    __slots__ = ("language", "lookahead", "lookahead_auto", "lookahead_min", "lookahead_max", "partials", "words", "lm", "lm_weight", "hotwords", "grammar", "endpoint", "text")
    LANGUAGE_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_AUTO_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_MIN_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_MAX_FIELD_NUMBER: _ClassVar[int]
    PARTIALS_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    LM_FIELD_NUMBER: _ClassVar[int]
    LM_WEIGHT_FIELD_NUMBER: _ClassVar[int]
    HOTWORDS_FIELD_NUMBER: _ClassVar[int]
    GRAMMAR_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    language: str
    lookahead: int
    lookahead_auto: bool
    lookahead_min: int
    lookahead_max: int
    partials: bool
    words: bool
    lm: str
    lm_weight: float
    hotwords: Hotwords
    grammar: str
    endpoint: EndpointOptions
    text: TextOptions
    def __init__(self, language: _Optional[str] = ..., lookahead: _Optional[int] = ..., lookahead_auto: _Optional[bool] = ..., lookahead_min: _Optional[int] = ..., lookahead_max: _Optional[int] = ..., partials: _Optional[bool] = ..., words: _Optional[bool] = ..., lm: _Optional[str] = ..., lm_weight: _Optional[float] = ..., hotwords: _Optional[_Union[Hotwords, _Mapping]] = ..., grammar: _Optional[str] = ..., endpoint: _Optional[_Union[EndpointOptions, _Mapping]] = ..., text: _Optional[_Union[TextOptions, _Mapping]] = ...) -> None: ...

class StreamResponse(_message.Message):
    __slots__ = ("ready", "configured", "speech_started", "speech_stopped", "partial", "endpoint", "final", "flushed", "error", "closed", "lookahead_changed", "audio_issue", "corrected")
    READY_FIELD_NUMBER: _ClassVar[int]
    CONFIGURED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STARTED_FIELD_NUMBER: _ClassVar[int]
    SPEECH_STOPPED_FIELD_NUMBER: _ClassVar[int]
    PARTIAL_FIELD_NUMBER: _ClassVar[int]
    ENDPOINT_FIELD_NUMBER: _ClassVar[int]
    FINAL_FIELD_NUMBER: _ClassVar[int]
    FLUSHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    CLOSED_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_CHANGED_FIELD_NUMBER: _ClassVar[int]
    AUDIO_ISSUE_FIELD_NUMBER: _ClassVar[int]
    CORRECTED_FIELD_NUMBER: _ClassVar[int]
    ready: Ready
    configured: Configured
    speech_started: SpeechStarted
    speech_stopped: SpeechStopped
    partial: Partial
    endpoint: Endpoint
    final: Final
    flushed: Flushed
    error: Error
    closed: Closed
    lookahead_changed: LookaheadChanged
    audio_issue: AudioIssue
    corrected: Corrected
    def __init__(self, ready: _Optional[_Union[Ready, _Mapping]] = ..., configured: _Optional[_Union[Configured, _Mapping]] = ..., speech_started: _Optional[_Union[SpeechStarted, _Mapping]] = ..., speech_stopped: _Optional[_Union[SpeechStopped, _Mapping]] = ..., partial: _Optional[_Union[Partial, _Mapping]] = ..., endpoint: _Optional[_Union[Endpoint, _Mapping]] = ..., final: _Optional[_Union[Final, _Mapping]] = ..., flushed: _Optional[_Union[Flushed, _Mapping]] = ..., error: _Optional[_Union[Error, _Mapping]] = ..., closed: _Optional[_Union[Closed, _Mapping]] = ..., lookahead_changed: _Optional[_Union[LookaheadChanged, _Mapping]] = ..., audio_issue: _Optional[_Union[AudioIssue, _Mapping]] = ..., corrected: _Optional[_Union[Corrected, _Mapping]] = ...) -> None: ...

class Corrected(_message.Message):
    __slots__ = ("channel", "utterance", "hotword", "stored")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    HOTWORD_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    channel: int
    utterance: int
    hotword: bool
    stored: bool
    def __init__(self, channel: _Optional[int] = ..., utterance: _Optional[int] = ..., hotword: _Optional[bool] = ..., stored: _Optional[bool] = ...) -> None: ...

class ModelInfo(_message.Message):
    __slots__ = ("name", "languages", "lookaheads", "default_lookahead", "head")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LANGUAGES_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEADS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_LOOKAHEAD_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    name: str
    languages: _containers.RepeatedScalarFieldContainer[str]
    lookaheads: _containers.RepeatedScalarFieldContainer[int]
    default_lookahead: int
    head: str
    def __init__(self, name: _Optional[str] = ..., languages: _Optional[_Iterable[str]] = ..., lookaheads: _Optional[_Iterable[int]] = ..., default_lookahead: _Optional[int] = ..., head: _Optional[str] = ...) -> None: ...

class Ready(_message.Message):
    __slots__ = ("version", "session", "clock_rate", "config", "model")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_FIELD_NUMBER: _ClassVar[int]
    CLOCK_RATE_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    version: int
    session: str
    clock_rate: int
    config: Configure
    model: ModelInfo
    def __init__(self, version: _Optional[int] = ..., session: _Optional[str] = ..., clock_rate: _Optional[int] = ..., config: _Optional[_Union[Configure, _Mapping]] = ..., model: _Optional[_Union[ModelInfo, _Mapping]] = ...) -> None: ...

class Configured(_message.Message):
    __slots__ = ("config",)
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    config: Configure
    def __init__(self, config: _Optional[_Union[Configure, _Mapping]] = ...) -> None: ...

class SpeechStarted(_message.Message):
    __slots__ = ("channel", "at")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    channel: int
    at: int
    def __init__(self, channel: _Optional[int] = ..., at: _Optional[int] = ...) -> None: ...

class SpeechStopped(_message.Message):
    __slots__ = ("channel", "at")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    channel: int
    at: int
    def __init__(self, channel: _Optional[int] = ..., at: _Optional[int] = ...) -> None: ...

class Word(_message.Message):
    __slots__ = ("text", "start", "end", "confidence")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    start: int
    end: int
    confidence: float
    def __init__(self, text: _Optional[str] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., confidence: _Optional[float] = ...) -> None: ...

class Partial(_message.Message):
    __slots__ = ("channel", "utterance", "text", "stable", "words", "start", "processed", "lag_ms")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    STABLE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    channel: int
    utterance: int
    text: str
    stable: int
    words: _containers.RepeatedCompositeFieldContainer[Word]
    start: int
    processed: int
    lag_ms: int
    def __init__(self, channel: _Optional[int] = ..., utterance: _Optional[int] = ..., text: _Optional[str] = ..., stable: _Optional[int] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., start: _Optional[int] = ..., processed: _Optional[int] = ..., lag_ms: _Optional[int] = ...) -> None: ...

class Endpoint(_message.Message):
    __slots__ = ("channel", "utterance", "at", "reason")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    channel: int
    utterance: int
    at: int
    reason: Reason
    def __init__(self, channel: _Optional[int] = ..., utterance: _Optional[int] = ..., at: _Optional[int] = ..., reason: _Optional[_Union[Reason, str]] = ...) -> None: ...

class Alternative(_message.Message):
    __slots__ = ("text", "confidence", "words", "spoken", "score")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    CONFIDENCE_FIELD_NUMBER: _ClassVar[int]
    WORDS_FIELD_NUMBER: _ClassVar[int]
    SPOKEN_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    text: str
    confidence: float
    words: _containers.RepeatedCompositeFieldContainer[Word]
    spoken: str
    score: float
    def __init__(self, text: _Optional[str] = ..., confidence: _Optional[float] = ..., words: _Optional[_Iterable[_Union[Word, _Mapping]]] = ..., spoken: _Optional[str] = ..., score: _Optional[float] = ...) -> None: ...

class Final(_message.Message):
    __slots__ = ("channel", "utterance", "alternatives", "start", "end", "processed", "lag_ms", "reason", "intent")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    UTTERANCE_FIELD_NUMBER: _ClassVar[int]
    ALTERNATIVES_FIELD_NUMBER: _ClassVar[int]
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    PROCESSED_FIELD_NUMBER: _ClassVar[int]
    LAG_MS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    INTENT_FIELD_NUMBER: _ClassVar[int]
    channel: int
    utterance: int
    alternatives: _containers.RepeatedCompositeFieldContainer[Alternative]
    start: int
    end: int
    processed: int
    lag_ms: int
    reason: Reason
    intent: Intent
    def __init__(self, channel: _Optional[int] = ..., utterance: _Optional[int] = ..., alternatives: _Optional[_Iterable[_Union[Alternative, _Mapping]]] = ..., start: _Optional[int] = ..., end: _Optional[int] = ..., processed: _Optional[int] = ..., lag_ms: _Optional[int] = ..., reason: _Optional[_Union[Reason, str]] = ..., intent: _Optional[_Union[Intent, _Mapping]] = ...) -> None: ...

class Slot(_message.Message):
    __slots__ = ("name", "value")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    name: str
    value: str
    def __init__(self, name: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class Intent(_message.Message):
    __slots__ = ("name", "slots", "score", "sentence")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SLOTS_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    SENTENCE_FIELD_NUMBER: _ClassVar[int]
    name: str
    slots: _containers.RepeatedCompositeFieldContainer[Slot]
    score: float
    sentence: str
    def __init__(self, name: _Optional[str] = ..., slots: _Optional[_Iterable[_Union[Slot, _Mapping]]] = ..., score: _Optional[float] = ..., sentence: _Optional[str] = ...) -> None: ...

class LookaheadChanged(_message.Message):
    __slots__ = ("channel", "at", "lookahead")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    LOOKAHEAD_FIELD_NUMBER: _ClassVar[int]
    channel: int
    at: int
    lookahead: int
    def __init__(self, channel: _Optional[int] = ..., at: _Optional[int] = ..., lookahead: _Optional[int] = ...) -> None: ...

class AudioIssue(_message.Message):
    __slots__ = ("channel", "at", "problem", "active", "level_dbfs", "clipped")
    CHANNEL_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PROBLEM_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    LEVEL_DBFS_FIELD_NUMBER: _ClassVar[int]
    CLIPPED_FIELD_NUMBER: _ClassVar[int]
    channel: int
    at: int
    problem: AudioProblem
    active: bool
    level_dbfs: float
    clipped: float
    def __init__(self, channel: _Optional[int] = ..., at: _Optional[int] = ..., problem: _Optional[_Union[AudioProblem, str]] = ..., active: _Optional[bool] = ..., level_dbfs: _Optional[float] = ..., clipped: _Optional[float] = ...) -> None: ...

class Flushed(_message.Message):
    __slots__ = ("at",)
    AT_FIELD_NUMBER: _ClassVar[int]
    at: int
    def __init__(self, at: _Optional[int] = ...) -> None: ...

class Error(_message.Message):
    __slots__ = ("code", "message", "fatal")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    FATAL_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    fatal: bool
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., fatal: _Optional[bool] = ...) -> None: ...

class Closed(_message.Message):
    __slots__ = ("received",)
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    received: int
    def __init__(self, received: _Optional[int] = ...) -> None: ...
