"""AssemblyAI's streaming protocol, version 3: binary audio in, turns out."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE, Closed, Endpoint, Failed, Final, Flushed, Partial, SpeechStarted
from wavelane_server.adapters.assemblyai.options import MUTABLE, Parameters, sorted_out, warning
from wavelane_server.adapters.assemblyai.turns import final_turns, partial_turn
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    End,
    Fail,
    Flush,
    KeepAlive,
    Outgoing,
    Ready,
    Reconfigure,
    Rejection,
    Reply,
    milliseconds,
)
from wavelane_server.adapters.handshake import Handshake, Refusal, WebSocketProtocol, retry_headers
from wavelane_server.adapters.onsets import Onsets
from wavelane_server.adapters.text import json_object

NEVER = 19_999_999_999
"""``expires_at`` (s since 1970): sessions do not expire. Larger numbers are milliseconds to many clients."""
VALIDATION = 3006
"""Code of errors and warnings about what the client sent."""
CODES = {
    ErrorCode.UNAUTHENTICATED: 4001,
    ErrorCode.OVERLOADED: 3009,
    ErrorCode.BACKLOG_EXCEEDED: 4029,
    ErrorCode.IDLE_TIMEOUT: 4031,
    ErrorCode.MESSAGE_TOO_BIG: 3007,
    ErrorCode.INVALID_MESSAGE: VALIDATION,
    ErrorCode.INVALID_CONFIG: VALIDATION,
    ErrorCode.INVALID_AUDIO: VALIDATION,
    ErrorCode.MODEL_NOT_FOUND: VALIDATION,
}
"""The vendor's code of each error, which also closes the connection; all others are :data:`SERVER_FAULT`."""
SERVER_FAULT = 3005
MESSAGE_TYPES = ("Terminate", "ForceEndpoint", "KeepAlive", "UpdateConfiguration")


class AssemblyAIAdapter:
    """One session's translation.

    Args:
        parameters: of the URL.
        warned: names of parameters that have no effect.
        fault: what is wrong with the URL; the session is refused.
        clock: seconds, for the length of the session in its last message.
    """

    def __init__(
        self,
        parameters: Parameters,
        warned: list[str],
        fault: WavelaneError | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parameters = parameters
        self._warned = dict.fromkeys(warned)
        self._fault = fault
        self._clock = clock
        self._began = clock()
        self._order = 0
        self._speaking = False
        """The client knows of a turn that is not over."""
        self._onsets = Onsets()
        self._ended_at = 0
        self._ended = False
        self._failed = False

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return [Fail(self._fault) if self._fault is not None else Configure(self._parameters.options(), once=True)]

    def receive(self, message: str | bytes) -> Iterator[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if self._ended:
            return  # clients stop their microphone after they said so
        if isinstance(message, bytes):
            yield Audio(message)
            return
        values = json_object(message)
        kind = values.pop("type", None)
        if kind in ("Terminate", "ForceEndpoint", "KeepAlive") and values:
            raise _invalid(f"{kind} takes no members, got {', '.join(values)[:64]}")
        match kind:
            case "Terminate":
                self._ended = True
                yield End()
            case "ForceEndpoint":
                yield Flush()
            case "KeepAlive":
                yield KeepAlive()
            case "UpdateConfiguration":
                yield from self._update(values)
            case _:
                raise _invalid(f"unknown type {str(kind)[:64]!r}; one of {', '.join(MESSAGE_TYPES)}")

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return message if isinstance(message, bytes) else None

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        match event:
            case Ready():
                configuration = {"model": event.model.name}
                begin = {"type": "Begin", "id": event.session, "expires_at": NEVER, "configuration": configuration}
                return [_dump(begin), *(_warning(warning(name)) for name in self._warned)]
            case SpeechStarted():
                if not self._speaking:
                    return [self._started(event.at)]
                self._onsets.wait(event.at)
            case Partial():
                whole = self._parameters.formats_always
                return [*self._opened(event.start), _dump(partial_turn(event, self._order, whole=whole))]
            case Endpoint():
                self._ended_at = event.at
            case Final():
                return self._final(event)
            case Flushed():
                return self._next(event.at)
            case Failed():
                return [self._problem(event)]
            case Closed() if not self._failed:
                return [_dump(self._termination(event))]
        return []

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        messages = self.send(Failed(code=error.code, message=error.message, fatal=True))
        return Rejection.of(error, messages, close_code=_code(error.code))

    def _update(self, values: dict[str, Any]) -> Iterator[Command]:
        effective, warned = sorted_out(values.items())
        if fixed := sorted(set(effective) - MUTABLE):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"{', '.join(fixed)}: cannot change while a session runs; only {', '.join(sorted(MUTABLE))} can",
            )
        parameters = self._parameters.updated(effective)
        before = self._parameters.mutable()
        # A language that is taken back is none.
        after = {"language": None, **parameters.mutable()}
        if changes := {name: value for name, value in after.items() if value != before.get(name)}:
            yield Reconfigure(changes)
        self._parameters = parameters
        for name in warned:
            if name not in self._warned:
                # Once: frameworks send some of them with every turn.
                self._warned[name] = None
                yield Reply(_warning(warning(name)))

    def _opened(self, at: int) -> list[str]:
        return [] if self._speaking else [self._started(at)]

    def _started(self, at: int) -> str:
        self._speaking = True
        return _dump({"type": "SpeechStarted", "timestamp": milliseconds(at)})

    def _final(self, event: Final) -> list[str]:
        if not (event.text or self._speaking):
            return []
        parameters = self._parameters
        turns = final_turns(
            event,
            self._order,
            formatted=parameters.formatted,
            twice=not parameters.formats_always,
        )
        messages = [*self._opened(event.start), *map(_dump, turns)]
        self._order += 1
        self._speaking = False
        if event.reason in ("silence", "no_text", "max_utterance"):
            messages += self._next(self._ended_at)
        return messages

    def _next(self, at: int) -> list[str]:
        """Speech that began after a turn's end is the next turn's."""
        onset = self._onsets.after(at)
        return [] if onset is None else self._opened(onset)

    def _problem(self, event: Failed) -> str:
        if not event.fatal:
            return _warning(event.message)
        self._failed = True
        return _dump({"type": "Error", "error_code": _code(event.code), "error": event.message})

    def _termination(self, event: Closed) -> dict[str, Any]:
        return {
            "type": "Termination",
            "audio_duration_seconds": round(event.received / CLOCK_RATE),
            "session_duration_seconds": round(self._clock() - self._began),
        }


def _code(code: ErrorCode) -> int:
    return CODES.get(code, SERVER_FAULT)


def _dump(values: dict[str, Any]) -> str:
    return orjson.dumps(values).decode()


def _warning(text: str) -> str:
    return _dump({"type": "Warning", "warning_code": VALIDATION, "warning": text})


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)


def _adapter(handshake: Handshake) -> AssemblyAIAdapter:
    try:
        effective, warned = sorted_out(handshake.query)
        return AssemblyAIAdapter(Parameters().updated(effective), warned)
    except WavelaneError as error:
        return AssemblyAIAdapter(Parameters(), [], error)


def _key(handshake: Handshake) -> str | None:
    """The key as it is in ``Authorization``, or in the parameter ``token``."""
    key = handshake.headers.get("authorization", "").strip()
    return key or next((value for name, value in handshake.query if name == "token"), None)


def _refuse(error: WavelaneError, retry_after_s: int) -> Refusal:
    body = {"error_code": _code(error.code), "error": error.message}
    return Refusal(status=error.status.http, body=body, headers=retry_headers(error, retry_after_s))


PROTOCOL = WebSocketProtocol(adapter=_adapter, key=_key, subprotocol=lambda handshake: None, refuse=_refuse, tells=True)
"""Served at ``/v3/ws``."""
