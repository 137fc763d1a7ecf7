"""Messages of the native protocol, version 1: JSON objects and the events they carry, both ways.

Events are those of :mod:`wavelane.events`, and the two that only a connection has: :class:`Ready` and
:class:`Configured`. The gRPC transport brings the same events from protobuf messages (:mod:`wavelane_client.grpc`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    CLOCK_RATE,
    Alternative,
    AudioIssue,
    AudioProblem,
    Closed,
    Endpoint,
    Event,
    Failed,
    Final,
    FinalReason,
    Flushed,
    Intent,
    LookaheadChanged,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)

PROTOCOL_VERSION = 1
"""Version of the protocol that this client speaks."""

Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """The model that a session runs on."""

    name: str
    languages: tuple[str, ...] = ()
    lookaheads: tuple[int, ...] = ()
    """Lookaheads that a session may choose (encoder frames of 80 ms), largest first."""
    default_lookahead: int = 0
    head: str = ""
    """Decoder in use: ``ctc`` or ``rnnt``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The answer to the configuration: the session holds its lanes and takes audio."""

    session: str
    """The server's name for the session, as in its log."""
    version: int
    clock_rate: int
    """Ticks per second of every time in an event (Hz)."""
    config: Mapping[str, Any] = field(hash=False)
    """The effective options, every default resolved."""
    model: ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The answer to a reconfiguration."""

    config: Mapping[str, Any] = field(hash=False)
    """The effective options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The answer to a correction, which counts from the next speech on."""

    channel: int
    utterance: int
    hotword: bool
    """What should have been heard is favoured now; not where it was already, or the search cannot."""
    stored: bool
    """It is kept with the session's profile."""


ServerEvent = Ready | Configured | Corrected | Event
"""Everything a server sends."""


def seconds(ticks: int, clock_rate: int = CLOCK_RATE) -> float:
    """Time of an event in seconds since the first audio sample."""
    return ticks / clock_rate


def decode(message: Mapping[str, Any], *, words: bool = True) -> ServerEvent | None:
    """The event that a server's message carries.

    Args:
        message: the decoded JSON object. Fields that this version does not know are ignored.
        words: False leaves the words out, for a caller that has no use for them and many messages to read.

    Returns:
        The event, or None for a type that this version does not know (a newer server's).

    Raises:
        WavelaneError: INTERNAL for a message that lacks what its type needs.
    """
    kind = message.get("type")
    reader = _READERS.get(cast(str, kind))
    if reader is None:
        return None
    try:
        return reader(message, words)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise WavelaneError(
            ErrorCode.INTERNAL,
            f"the server sent a {kind!r} message that does not follow protocol version {PROTOCOL_VERSION} ({error!r}); "
            "check that client and server are of the same release",
        ) from None


def encode(event: ServerEvent) -> Json:
    """The JSON object of an event, as the WebSocket carries it; :func:`decode` is its inverse."""
    match event:
        case Ready():
            return {
                "type": "ready",
                "version": event.version,
                "session": event.session,
                "clock_rate": event.clock_rate,
                "config": dict(event.config),
                "model": {
                    "name": event.model.name,
                    "languages": list(event.model.languages),
                    "lookaheads": list(event.model.lookaheads),
                    "default_lookahead": event.model.default_lookahead,
                    "head": event.model.head,
                },
            }
        case Configured():
            return {"type": "configured", "config": dict(event.config)}
        case Corrected():
            return {
                "type": "corrected",
                "channel": event.channel,
                "utterance": event.utterance,
                "hotword": event.hotword,
                "stored": event.stored,
            }
        case SpeechStarted():
            return {"type": "speech_started", "channel": event.channel, "at": event.at}
        case SpeechStopped():
            return {"type": "speech_stopped", "channel": event.channel, "at": event.at}
        case Partial():
            return {
                "type": "partial",
                "channel": event.channel,
                "utterance": event.utterance,
                "text": event.text,
                "stable": event.stable,
                "words": [_encode_word(word) for word in event.words],
                "start": event.start,
                "processed": event.processed,
                "lag_ms": event.lag_ms,
            }
        case Endpoint():
            return {
                "type": "endpoint",
                "channel": event.channel,
                "utterance": event.utterance,
                "at": event.at,
                "reason": event.reason,
            }
        case Final():
            return {
                "type": "final",
                "channel": event.channel,
                "utterance": event.utterance,
                "alternatives": [
                    {
                        "text": alternative.text,
                        "confidence": alternative.confidence,
                        "words": [_encode_word(word) for word in alternative.words],
                        "spoken": alternative.spoken,
                        "score": alternative.score,
                    }
                    for alternative in event.alternatives
                ],
                "start": event.start,
                "end": event.end,
                "processed": event.processed,
                "lag_ms": event.lag_ms,
                "reason": event.reason,
                "intent": None if event.intent is None else _encode_intent(event.intent),
            }
        case AudioIssue():
            return {
                "type": "audio_issue",
                "channel": event.channel,
                "at": event.at,
                "problem": event.problem,
                "active": event.active,
                "level_dbfs": event.level_dbfs,
                "clipped": event.clipped,
            }
        case LookaheadChanged():
            return {
                "type": "lookahead_changed",
                "channel": event.channel,
                "at": event.at,
                "lookahead": event.lookahead,
            }
        case Flushed():
            return {"type": "flushed", "at": event.at}
        case Failed():
            return {"type": "error", "code": event.code.value, "message": event.message, "fatal": event.fatal}
        case Closed():
            return {"type": "closed", "received": event.received}


def error_code(value: str) -> ErrorCode:
    """The code of a name on the wire; INTERNAL for one that this version does not know."""
    try:
        return ErrorCode(value)
    except ValueError:
        return ErrorCode.INTERNAL


def _encode_word(word: Word) -> Json:
    return {"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence}


def _encode_intent(intent: Intent) -> Json:
    return {"name": intent.name, "slots": dict(intent.slots), "score": intent.score, "sentence": intent.sentence}


def _decode_intent(value: Any) -> Intent | None:
    if value is None:
        return None
    return Intent(
        name=str(value["name"]),
        slots={str(name): str(said) for name, said in value["slots"].items()},
        score=float(value["score"]),
        sentence=str(value["sentence"]),
    )


def _decode_words(values: Any) -> tuple[Word, ...]:
    return tuple(
        Word(text=str(v["text"]), start=int(v["start"]), end=int(v["end"]), confidence=float(v["confidence"]))
        for v in values
    )


def _ready(m: Mapping[str, Any], _words: bool) -> Ready:
    model = m["model"]
    return Ready(
        session=str(m["session"]),
        version=int(m["version"]),
        clock_rate=int(m["clock_rate"]),
        config=dict(m["config"]),
        model=ModelInfo(
            name=str(model["name"]),
            languages=tuple(model.get("languages", ())),
            lookaheads=tuple(model.get("lookaheads", ())),
            default_lookahead=int(model.get("default_lookahead", 0)),
            head=str(model.get("head", "")),
        ),
    )


def _configured(m: Mapping[str, Any], _words: bool) -> Configured:
    return Configured(config=dict(m["config"]))


def _corrected(m: Mapping[str, Any], _words: bool) -> Corrected:
    return Corrected(
        channel=int(m["channel"]), utterance=int(m["utterance"]), hotword=bool(m["hotword"]), stored=bool(m["stored"])
    )


def _speech_started(m: Mapping[str, Any], _words: bool) -> SpeechStarted:
    return SpeechStarted(channel=int(m["channel"]), at=int(m["at"]))


def _speech_stopped(m: Mapping[str, Any], _words: bool) -> SpeechStopped:
    return SpeechStopped(channel=int(m["channel"]), at=int(m["at"]))


def _partial(m: Mapping[str, Any], words: bool) -> Partial:
    return Partial(
        channel=int(m["channel"]),
        utterance=int(m["utterance"]),
        text=str(m["text"]),
        stable=int(m["stable"]),
        words=_decode_words(m.get("words", ())) if words else (),
        start=int(m["start"]),
        processed=int(m["processed"]),
        lag_ms=int(m["lag_ms"]),
    )


def _endpoint(m: Mapping[str, Any], _words: bool) -> Endpoint:
    return Endpoint(channel=int(m["channel"]), utterance=int(m["utterance"]), at=int(m["at"]), reason=_reason(m))


def _final(m: Mapping[str, Any], words: bool) -> Final:
    alternatives = tuple(
        Alternative(
            text=str(a["text"]),
            confidence=float(a["confidence"]),
            words=_decode_words(a.get("words", ())) if words else (),
            spoken=str(a.get("spoken", "")),
            score=None if a.get("score") is None else float(a["score"]),
        )
        for a in m["alternatives"]
    )
    if not alternatives:
        raise ValueError("a final has at least one alternative")
    return Final(
        channel=int(m["channel"]),
        utterance=int(m["utterance"]),
        alternatives=alternatives,
        start=int(m["start"]),
        end=int(m["end"]),
        processed=int(m["processed"]),
        lag_ms=int(m["lag_ms"]),
        reason=_reason(m),
        intent=_decode_intent(m.get("intent")),
    )


def _lookahead_changed(m: Mapping[str, Any], _words: bool) -> LookaheadChanged:
    return LookaheadChanged(channel=int(m["channel"]), at=int(m["at"]), lookahead=int(m["lookahead"]))


def _audio_issue(m: Mapping[str, Any], _words: bool) -> AudioIssue:
    return AudioIssue(
        channel=int(m["channel"]),
        at=int(m["at"]),
        # Not checked against the known ones: a newer server may have more.
        problem=cast(AudioProblem, str(m["problem"])),
        active=bool(m["active"]),
        level_dbfs=float(m["level_dbfs"]),
        clipped=float(m["clipped"]),
    )


def _flushed(m: Mapping[str, Any], _words: bool) -> Flushed:
    return Flushed(at=int(m["at"]))


def _failed(m: Mapping[str, Any], _words: bool) -> Failed:
    return Failed(code=error_code(str(m["code"])), message=str(m["message"]), fatal=bool(m["fatal"]))


def _closed(m: Mapping[str, Any], _words: bool) -> Closed:
    return Closed(received=int(m["received"]))


def _reason(m: Mapping[str, Any]) -> FinalReason:
    # Not checked against the known ones: a newer server may have more, and no client acts on it.
    return cast(FinalReason, str(m["reason"]))


_READERS: dict[str, Callable[[Mapping[str, Any], bool], ServerEvent]] = {
    "ready": _ready,
    "configured": _configured,
    "corrected": _corrected,
    "speech_started": _speech_started,
    "speech_stopped": _speech_stopped,
    "partial": _partial,
    "endpoint": _endpoint,
    "final": _final,
    "lookahead_changed": _lookahead_changed,
    "audio_issue": _audio_issue,
    "flushed": _flushed,
    "error": _failed,
    "closed": _closed,
}
