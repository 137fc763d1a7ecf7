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
    Closed,
    Endpoint,
    Event,
    Failed,
    Final,
    FinalReason,
    Flushed,
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


ServerEvent = Ready | Configured | Event
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
                    }
                    for alternative in event.alternatives
                ],
                "start": event.start,
                "end": event.end,
                "processed": event.processed,
                "lag_ms": event.lag_ms,
                "reason": event.reason,
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
    )


def _lookahead_changed(m: Mapping[str, Any], _words: bool) -> LookaheadChanged:
    return LookaheadChanged(channel=int(m["channel"]), at=int(m["at"]), lookahead=int(m["lookahead"]))


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
    "speech_started": _speech_started,
    "speech_stopped": _speech_stopped,
    "partial": _partial,
    "endpoint": _endpoint,
    "final": _final,
    "lookahead_changed": _lookahead_changed,
    "flushed": _flushed,
    "error": _failed,
    "closed": _closed,
}
