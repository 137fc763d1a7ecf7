"""Transcription over OpenAI's Realtime API: JSON both ways, the audio in base64."""

import binascii
import secrets
from collections import deque
from collections.abc import Iterator
from typing import Any

import orjson
from pydantic import ValidationError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    Endpoint,
    Failed,
    Final,
    Flushed,
    Partial,
    SpeechStarted,
)
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    Configured,
    Flush,
    Outgoing,
    Progress,
    Ready,
    Reconfigure,
    Rejection,
    Reply,
)
from wavelane_server.adapters.handshake import Handshake, WebSocketProtocol, bearer
from wavelane_server.adapters.openai.errors import RequestError, describe, error_body, refuse
from wavelane_server.adapters.openai.fields import LOGPROBS, BetaFields, ServerVad, SessionFields
from wavelane_server.adapters.openai.items import Items
from wavelane_server.adapters.openai.state import State, param_of

SUBPROTOCOL = "realtime"
KEY_SUBPROTOCOL = "openai-insecure-api-key."
BETA_SUBPROTOCOL = "openai-beta.realtime-v1"
LEAST_COMMIT_MS = 100
"""Audio that a commit needs (ms)."""

_EVENT_MEMBERS: dict[str, tuple[str, ...]] = {
    "session.update": ("session",),
    "transcription_session.update": ("session",),
    "input_audio_buffer.append": ("audio",),
    "input_audio_buffer.commit": (),
    "input_audio_buffer.clear": (),
}
"""Events from the client, and their members besides ``type`` and ``event_id``; all of them are needed."""
_QUERY = ("intent", "model")


class RealtimeAdapter:
    """One session's translation.

    It opens with the first update, or the first audio. Until there is audio, an update may change anything.

    Args:
        name: of the session; ids are made of it.
        beta: the client knows the API as it was before it was generally available.
    """

    def __init__(self, name: str, *, beta: bool = False) -> None:
        self._name = name
        self._state = State()
        self._opened = False
        self._heard = False
        self._waiting: deque[tuple[str | None, str | None, State]] = deque()
        """For each configuration that is out: the event that asked for it, the type of its answer, and what it is."""
        self._uncommitted = 0
        """Bytes of audio since the last commit."""
        self._events = 0
        self._out: list[str] = []
        self._items = Items(self._say, name)
        self._items.beta = beta
        self._apply(self._state)
        self._created = self._session("transcription_session.created" if beta else "session.created", self._state)

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return [Reply(self._created)]

    def receive(self, message: str | bytes) -> Iterator[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        event_id = None
        try:
            event = _parse(message)
            event_id = event["event_id"] if isinstance(event.get("event_id"), str) else None
            kind = _checked(event)
            match kind:
                case "input_audio_buffer.append":
                    yield from self._append(event["audio"])
                case "input_audio_buffer.commit":
                    yield from self._commit()
                case "input_audio_buffer.clear":
                    yield from self._clear()
                case _:
                    yield from self._update(kind, event["session"], event_id)
        except RequestError as error:
            yield Reply(self._event("error", error=error_body(error, event_id)))

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return None

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        items = self._items
        match event:
            case Partial():
                items.partial(event)
            case SpeechStarted():
                items.started(event)
            case Endpoint():
                items.endpoint(event)
            case Final():
                items.final(event)
            case Flushed():
                items.flushed(event)
            case Progress():
                items.progress(event)
            case Ready() | Configured():
                self._configured()
            case Failed():
                self._failed(event)
        messages, self._out = self._out, []
        return messages

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return Rejection.of(error, [self._event("error", error=error_body(error))])

    def _update(self, kind: str, session: object, event_id: str | None) -> Iterator[Command]:
        beta = kind == "transcription_session.update"
        try:
            fields = BetaFields.model_validate(session).modern() if beta else SessionFields.model_validate(session)
        except ValidationError as error:
            raise describe(error, "session") from None
        state = self._state.updated(fields)
        command: Command
        if self._heard:
            command = Reconfigure(state.changes(self._state))
        else:
            command = Configure(state.values(), afresh=True, progress=state.idle_timeout_ms is not None)
        self._waiting.append((event_id, "transcription_session.updated" if beta else "session.updated", state))
        # What follows counts only if that is accepted; a session that is refused is no longer the one before either.
        self._opened = self._heard
        yield command
        self._state = state
        self._opened = True

    def _append(self, audio: object) -> Iterator[Command]:
        if not isinstance(audio, str):
            raise RequestError("'audio' must be a string of base64.", "invalid_type", "audio")
        try:
            data = binascii.a2b_base64(audio, strict_mode=True)
        except ValueError:
            raise RequestError("'audio' must be base64, and this is not.", "invalid_value", "audio") from None
        yield from self._open()
        self._heard = True
        self._uncommitted += len(data)
        yield Audio(data)

    def _open(self) -> Iterator[Command]:
        """A client that did not say what it wants gets the defaults."""
        if not self._opened:
            self._waiting.append((None, None, self._state))
            yield Configure(self._state.values(), afresh=True, progress=self._state.idle_timeout_ms is not None)
            self._opened = True

    def _commit(self) -> Iterator[Command]:
        buffered = self._uncommitted * 1000 / self._state.byte_rate
        if buffered < LEAST_COMMIT_MS:
            raise RequestError(
                f"Error committing input audio buffer: buffer too small. Expected at least {LEAST_COMMIT_MS}ms of "
                f"audio, but buffer only has {buffered:.2f}ms of audio.",
                "input_audio_buffer_commit_empty",
            )
        self._uncommitted = 0
        self._items.flushed_for(commit=True)
        yield Flush()

    def _clear(self) -> Iterator[Command]:
        self._uncommitted = 0
        if not self._heard:
            yield Reply(self._event("input_audio_buffer.cleared"))
            return
        self._items.flushed_for(commit=False)
        yield Flush()

    def _configured(self) -> None:
        _, kind, state = self._waiting.popleft()
        self._apply(state)
        if kind is not None:
            self._out.append(self._session(kind, state))

    def _apply(self, state: State) -> None:
        turns = state.audio.turn_detection
        self._items.manual = state.manual
        self._items.padding = turns.prefix_padding_ms if isinstance(turns, ServerVad) else 0
        self._items.idle_timeout_ms = state.idle_timeout_ms
        self._items.logprobs = LOGPROBS in state.include

    def _failed(self, event: Failed) -> None:
        event_id = param = None
        if event.code is ErrorCode.INVALID_CONFIG and not event.fatal and self._waiting:
            event_id, _, _ = self._waiting.popleft()
            param = param_of(event.message)
        if event.fatal:
            self._items.failed(event.message)
        self._say("error", error=error_body(WavelaneError(event.code, event.message), event_id, param))

    def _session(self, kind: str, state: State) -> str:
        beta = kind.startswith("transcription_session")
        session = {
            "id": f"sess_{self._name}",
            "object": "realtime.transcription_session",
            **({} if beta else {"type": "transcription"}),
            **(state.shown_beta() if beta else state.shown()),
        }
        return self._event(kind, session=session)

    def _say(self, kind: str, **members: Any) -> None:
        self._out.append(self._event(kind, **members))

    def _event(self, kind: str, **members: Any) -> str:
        self._events += 1
        event = {"type": kind, "event_id": f"event_{self._name}{self._events:06d}", **members}
        return orjson.dumps(event).decode()


def _parse(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise RequestError(
            "Messages are JSON text: send audio as base64 in input_audio_buffer.append.", "invalid_request"
        )
    try:
        event = orjson.loads(message)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"The message is not JSON: {error}.", "invalid_json") from None
    if not isinstance(event, dict):
        raise RequestError("A message is a JSON object with a type.", "invalid_json")
    return event


def _checked(event: dict[str, Any]) -> str:
    """The type of an event that has all that it needs."""
    kind = event.get("type")
    if kind is None:
        raise RequestError("Missing required parameter: 'type'.", "missing_required_parameter", "type")
    members = _EVENT_MEMBERS.get(kind) if isinstance(kind, str) else None
    if members is None:
        raise RequestError(
            f"Invalid value: {str(kind)[:64]!r}. Supported in a transcription session are: "
            f"{', '.join(map(repr, _EVENT_MEMBERS))}.",
            "invalid_value",
            "type",
        )
    if not isinstance(event.get("event_id"), str | None):
        raise RequestError("Invalid type for 'event_id': it must be a string.", "invalid_type", "event_id")
    for name in members:
        if name not in event:
            raise RequestError(f"Missing required parameter: '{name}'.", "missing_required_parameter", name)
    for name in event:
        if name not in ("type", "event_id", *members):
            raise RequestError(f"Unknown parameter: '{name[:64]}'.", "unknown_parameter", name[:64])
    return str(kind)


def _adapter(handshake: Handshake) -> RealtimeAdapter:
    for name, value in handshake.query:
        if name not in _QUERY:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"unknown parameter {name[:64]!r}; known are intent and model"
            )
        if name == "intent" and value != "transcription":
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"intent {value[:64]!r}: this server transcribes and does not converse; connect with "
                "intent=transcription",
            )
    beta = "realtime=v1" in handshake.headers.get("openai-beta", "") or BETA_SUBPROTOCOL in handshake.subprotocols
    return RealtimeAdapter(secrets.token_hex(8), beta=beta)


def _key(handshake: Handshake) -> str | None:
    offered = (name for name in handshake.subprotocols if name.startswith(KEY_SUBPROTOCOL))
    return next((name.removeprefix(KEY_SUBPROTOCOL) for name in offered), None) or bearer(handshake)


PROTOCOL = WebSocketProtocol(
    adapter=_adapter,
    key=_key,
    subprotocol=lambda handshake: SUBPROTOCOL if SUBPROTOCOL in handshake.subprotocols else None,
    refuse=refuse,
)
"""Served at ``/v1/realtime``."""
