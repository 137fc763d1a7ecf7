"""``/v1/listen`` as a stream: audio in, results by channel out."""

import hashlib
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Endpoint, Failed, Final, Flushed, Partial, SpeechStarted
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    Configured,
    End,
    Flush,
    KeepAlive,
    ModelInfo,
    Outgoing,
    Progress,
    Ready,
    Reconfigure,
    Rejection,
    Reply,
)
from wavelane_server.adapters.deepgram.channel import Channel
from wavelane_server.adapters.deepgram.options import FEATURES, live_options, punctuated, text_options
from wavelane_server.adapters.deepgram.request import Request, rejection, seconds
from wavelane_server.adapters.handshake import Handshake
from wavelane_server.adapters.text import json_object

MESSAGES: Mapping[str, frozenset[str]] = {
    "KeepAlive": frozenset(),
    "Finalize": frozenset({"channel"}),
    "CloseStream": frozenset(),
    "Configure": frozenset({"keyterms", "features"}),
}
"""Types of a client's text messages, and the fields that each may have."""


class ListenV1:
    """One stream.

    Args:
        handshake: has the options in its query.
        request: its identity.

    Raises:
        WavelaneError: INVALID_CONFIG for a parameter that is unknown, wrong, or of no effect here.
    """

    def __init__(self, handshake: Handshake, request: Request) -> None:
        self.request = request
        self._options = live_options(handshake.query)
        self._features = dict(self._options.features)
        self._metadata: dict[str, Any] = {}
        self._channels = [Channel(index, self._options, self._metadata) for index in range(self._options.channels)]
        self._pending: deque[tuple[Mapping[str, bool], list[str] | None]] = deque()
        """Changes that are not answered yet: all features, and the keyterms where they changed."""
        self._sha256 = hashlib.sha256()
        self._ended = False

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        progress = self._options.utterance_end_ms is not None
        return [Configure(self._options.values, once=True, progress=progress)]

    def receive(self, message: str | bytes) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if self._ended:
            return []  # clients stop their microphone after they said so
        if isinstance(message, str):
            try:
                return self._control(json_object(message))
            except WavelaneError as error:
                return [Reply(_error("SchemaError", error.message, message=message[:1_000]))]
        data = self.audio(message)
        # An empty message is how older clients say that there is no more.
        return self._end() if data is None else [Audio(data)]

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if isinstance(message, str) or not message:
            return None
        self._sha256.update(message)
        return message

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        match event:
            case Partial():
                return _encoded(self._channels[event.channel].partial(event))
            case Final():
                return _encoded(self._channels[event.channel].final(event))
            case Progress():
                return _encoded(self._channels[event.channel].progress(event.at))
            case Endpoint():
                self._channels[event.channel].endpoint = event.at
            case SpeechStarted() if self._options.vad_events:
                return _encoded([self._channels[event.channel].started(event.at)])
            case Flushed():
                return _encoded(message for channel in self._channels for message in channel.flushed(event.at))
            case Configured():
                return [self._configured()]
            case Failed():
                return [self._failed(event)]
            case Closed():
                return [self._closed(event)]
            case Ready():
                self._metadata.update(_metadata(self.request, event.model))
        return []

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return rejection(error)

    def _control(self, values: Mapping[str, Any]) -> list[Command]:
        kind = values.get("type")
        fields = MESSAGES.get(kind) if isinstance(kind, str) else None
        if fields is None:
            raise _invalid(f"unknown type {str(kind)[:64]!r}; one of {', '.join(MESSAGES)}")
        unknown = sorted(map(str, set(values) - fields - {"type"}))
        if unknown:
            raise _invalid(f"{kind} has no field {', '.join(unknown)[:200]}")
        match kind:
            case "KeepAlive":
                return [KeepAlive()]
            case "CloseStream":
                return self._end()
            case "Configure":
                return [self._configure(values.get("keyterms"), values.get("features"))]
        channel = values.get("channel")
        if channel is not None and (len(self._channels) > 1 or channel != 0):
            raise _invalid("Finalize: all channels are finalised together; leave channel out")
        return [Flush()]

    def _end(self) -> list[Command]:
        self._ended = True
        return [End()]

    def _configure(self, keyterms: object, features: object) -> Reconfigure:
        values: dict[str, Any] = {}
        if keyterms is not None:
            if not isinstance(keyterms, list) or not all(isinstance(term, str) and term for term in keyterms):
                raise _invalid("Configure: keyterms is a list of phrases")
            values["hotwords"] = [{"phrase": term} for term in keyterms]
        latest = self._pending[-1][0] if self._pending else self._features
        if features is not None:
            if not isinstance(features, dict) or set(features) - set(FEATURES):
                raise _invalid(f"Configure: features has any of {', '.join(FEATURES)}")
            if not all(isinstance(on, bool) for on in features.values()):
                raise _invalid("Configure: each of features is true or false")
            latest = {**latest, **features}
            values["text"] = text_options(latest, self._options.replace)
        self._pending.append((latest, keyterms))
        return Reconfigure(values)

    def _configured(self) -> str:
        self._features, keyterms = dict(self._pending[0][0]), self._pending[0][1]
        self._pending.popleft()
        for channel in self._channels:
            channel.punctuated = punctuated(self._features)
        told = {} if keyterms is None else {"keyterms": keyterms}
        return _encode({"type": "ConfigureSuccess", "request_id": self.request.id, **told})

    def _failed(self, event: Failed) -> str:
        if self._pending and not event.fatal and event.code is ErrorCode.INVALID_CONFIG:
            _, keyterms = self._pending.popleft()
            code = "CONFIGURE_INTERNAL_ERROR" if keyterms is None else "CONFIGURE_KEYTERMS_NOT_SUPPORTED"
            identity = {"request_id": self.request.id, "code": code}
            return _encode({"type": "ConfigureFailure", **identity, "description": event.message})
        return _error(event.code.value, event.message)

    def _closed(self, event: Closed) -> str:
        return _encode(
            {
                "type": "Metadata",
                "transaction_key": "deprecated",
                "request_id": self.request.id,
                "sha256": self._sha256.hexdigest(),
                "created": self.request.created_text,
                "duration": seconds(event.received),
                "channels": len(self._channels),
                **({"extra": self._options.extra} if self._options.extra else {}),
            }
        )


def _metadata(request: Request, model: ModelInfo) -> dict[str, Any]:
    return {"request_id": request.id, "model_info": model_info(model), "model_uuid": model_uuid(model)}


def model_info(model: ModelInfo) -> dict[str, str]:
    """What Deepgram's clients are told of the model."""
    return {"name": model.name, "version": "streaming", "arch": model.head}


def model_uuid(model: ModelInfo) -> str:
    """Always the same for a model of this name."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, model.name))


def _error(variant: str, description: str, **more: str) -> str:
    return _encode({"type": "Error", "variant": variant, "description": description, **more})


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)


def _encode(values: dict[str, Any]) -> str:
    return orjson.dumps(values).decode()


def _encoded(messages: Iterable[dict[str, Any]]) -> list[str]:
    return [_encode(message) for message in messages]
