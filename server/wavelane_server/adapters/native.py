"""The native WebSocket protocol: JSON control messages and binary audio."""

from collections.abc import Callable
from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    Alternative,
    AudioIssue,
    Closed,
    Endpoint,
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
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    Configured,
    Correct,
    Corrected,
    End,
    Flush,
    KeepAlive,
    Outgoing,
    Ready,
    Reconfigure,
    Rejection,
)
from wavelane_server.adapters.handshake import WebSocketProtocol
from wavelane_server.adapters.text import json_object

EVENT_TYPES: dict[type, str] = {
    Ready: "ready",
    Configured: "configured",
    Corrected: "corrected",
    SpeechStarted: "speech_started",
    SpeechStopped: "speech_stopped",
    Partial: "partial",
    Endpoint: "endpoint",
    Final: "final",
    LookaheadChanged: "lookahead_changed",
    AudioIssue: "audio_issue",
    Flushed: "flushed",
    Failed: "error",
    Closed: "closed",
}
"""``type`` of each message to the client; its other members are the fields of the class."""

COMMAND_TYPES = ("configure", "reconfigure", "flush", "end", "keepalive", "correct")
"""``type`` of each control message from the client."""


def _encode(values: dict[str, Any]) -> str:
    # A partial with its words takes the standard library's encoder 10 to 20 times as long.
    return orjson.dumps(values).decode()


class NativeAdapter:
    """One session's translation. Holds no state: the protocol's order is the conversation's business."""

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return []

    def receive(self, message: str | bytes) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if isinstance(message, bytes):
            return [Audio(message)]
        return [_command(message)]

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return message if isinstance(message, bytes) else None

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return [_encode(_ENCODERS[type(event)](event))]

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return Rejection.of(error, self.send(Failed(code=error.code, message=error.message, fatal=True)))


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)


def _command(text: str) -> Command:
    values = json_object(text, hint="; audio goes in binary messages")
    kind = values.pop("type", None)
    match kind:
        case "configure":
            return Configure(values)
        case "reconfigure":
            return Reconfigure(values)
        case "correct":
            return Correct(values)
        case "flush" | "end" | "keepalive":
            if values:
                raise _invalid(f"{kind} takes no fields, got {', '.join(map(repr, values))}")
            return Flush() if kind == "flush" else End() if kind == "end" else KeepAlive()
        case None:
            raise _invalid(f"the message has no type; one of {', '.join(COMMAND_TYPES)}")
        case _:
            raise _invalid(f"unknown type {str(kind)[:64]!r}; one of {', '.join(COMMAND_TYPES)}")


def _words(words: tuple[Word, ...]) -> list[dict[str, Any]]:
    return [{"text": word.text, "start": word.start, "end": word.end, "confidence": word.confidence} for word in words]


def _ready(event: Ready) -> dict[str, Any]:
    return {
        "type": "ready",
        "version": event.version,
        "session": event.session,
        "clock_rate": event.clock_rate,
        "config": event.config.model_dump(mode="json"),
        "model": {
            "name": event.model.name,
            "languages": event.model.languages,
            "lookaheads": event.model.lookaheads,
            "default_lookahead": event.model.default_lookahead,
            "head": event.model.head,
        },
    }


def _configured(event: Configured) -> dict[str, Any]:
    return {"type": "configured", "config": event.config.model_dump(mode="json")}


def _corrected(event: Corrected) -> dict[str, Any]:
    return {
        "type": "corrected",
        "channel": event.channel,
        "utterance": event.utterance,
        "hotword": event.hotword,
        "stored": event.stored,
    }


def _speech_started(event: SpeechStarted) -> dict[str, Any]:
    return {"type": "speech_started", "channel": event.channel, "at": event.at}


def _speech_stopped(event: SpeechStopped) -> dict[str, Any]:
    return {"type": "speech_stopped", "channel": event.channel, "at": event.at}


def _partial(event: Partial) -> dict[str, Any]:
    return {
        "type": "partial",
        "channel": event.channel,
        "utterance": event.utterance,
        "text": event.text,
        "stable": event.stable,
        "words": _words(event.words),
        "start": event.start,
        "processed": event.processed,
        "lag_ms": event.lag_ms,
    }


def _endpoint(event: Endpoint) -> dict[str, Any]:
    return {
        "type": "endpoint",
        "channel": event.channel,
        "utterance": event.utterance,
        "at": event.at,
        "reason": event.reason,
    }


def _alternative(alternative: Alternative) -> dict[str, Any]:
    return {
        "text": alternative.text,
        "confidence": alternative.confidence,
        "words": _words(alternative.words),
        "spoken": alternative.spoken,
        "score": alternative.score,
    }


def _final(event: Final) -> dict[str, Any]:
    return {
        "type": "final",
        "channel": event.channel,
        "utterance": event.utterance,
        "alternatives": [_alternative(alternative) for alternative in event.alternatives],
        "start": event.start,
        "end": event.end,
        "processed": event.processed,
        "lag_ms": event.lag_ms,
        "reason": event.reason,
        "intent": None if event.intent is None else _intent(event.intent),
    }


def _intent(intent: Intent) -> dict[str, Any]:
    return {"name": intent.name, "slots": dict(intent.slots), "score": intent.score, "sentence": intent.sentence}


def _lookahead_changed(event: LookaheadChanged) -> dict[str, Any]:
    return {"type": "lookahead_changed", "channel": event.channel, "at": event.at, "lookahead": event.lookahead}


def _audio_issue(event: AudioIssue) -> dict[str, Any]:
    return {
        "type": "audio_issue",
        "channel": event.channel,
        "at": event.at,
        "problem": event.problem,
        "active": event.active,
        "level_dbfs": event.level_dbfs,
        "clipped": event.clipped,
    }


def _flushed(event: Flushed) -> dict[str, Any]:
    return {"type": "flushed", "at": event.at}


def _failed(event: Failed) -> dict[str, Any]:
    return {"type": "error", "code": event.code.value, "message": event.message, "fatal": event.fatal}


def _closed(event: Closed) -> dict[str, Any]:
    return {"type": "closed", "received": event.received}


_ENCODERS: dict[type, Callable[[Any], dict[str, Any]]] = {
    Ready: _ready,
    Configured: _configured,
    Corrected: _corrected,
    SpeechStarted: _speech_started,
    SpeechStopped: _speech_stopped,
    Partial: _partial,
    Endpoint: _endpoint,
    Final: _final,
    LookaheadChanged: _lookahead_changed,
    AudioIssue: _audio_issue,
    Flushed: _flushed,
    Failed: _failed,
    Closed: _closed,
}

PROTOCOL = WebSocketProtocol(adapter=lambda handshake: NativeAdapter())
"""Served at ``/v1/stream``."""
