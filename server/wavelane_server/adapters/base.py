"""What every wire protocol is translated to and from. Sans-I/O: message → command, event → message."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from wavelane.errors import WavelaneError
from wavelane.events import CLOCK_RATE, Event
from wavelane.session.options import SessionOptions
from wavelane.spec import ModelSpec

PROTOCOL_VERSION = 1
"""Of the native protocol; a client that meets another one says so instead of guessing."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Open the session. First, once."""

    values: Mapping[str, Any]
    once: bool = False
    """The client cannot try again with other options: a refusal ends the session."""
    progress: bool = False
    """Tell of :class:`Progress`."""
    afresh: bool = False
    """In place of a session that has heard nothing yet."""


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Change options mid-stream."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Audio:
    """Bytes of audio."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Flush:
    """Finalise what was heard and stay open."""


@dataclass(frozen=True, slots=True)
class End:
    """No more audio: finalise and close."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """The client lives."""


@dataclass(frozen=True, slots=True)
class Correct:
    """Something was written wrongly, and should be otherwise from now on."""

    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """Something that the protocol itself answers: sent as it is, in order with the events."""

    message: Any


@dataclass(frozen=True, slots=True)
class Fail:
    """End the session: the protocol has no other way to say that a message is wrong."""

    error: WavelaneError


Command = Configure | Reconfigure | Audio | Flush | End | KeepAlive | Correct | Reply | Fail


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a client may know of the model."""

    name: str
    languages: tuple[str, ...]
    lookaheads: tuple[int, ...]
    default_lookahead: int
    head: str

    @classmethod
    def of(cls, spec: ModelSpec, head: str) -> "ModelInfo":
        """Of a loaded model and the decoder in use."""
        return cls(
            name=spec.name,
            languages=tuple(spec.prompts) or spec.languages,
            lookaheads=spec.lookaheads,
            default_lookahead=spec.default_lookahead,
            head=head,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The answer to the configuration: the session holds its lanes."""

    version: int = PROTOCOL_VERSION
    session: str
    clock_rate: int = CLOCK_RATE
    config: SessionOptions
    model: ModelInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The answer to a change of options."""

    config: SessionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The answer to a correction, which counts from the next speech on."""

    channel: int
    utterance: int
    hotword: bool
    """What should have been heard is favoured now; not where it was already, or the search cannot."""
    stored: bool
    """It is kept with the session's profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Time goes by for a channel; for protocols that tell of silence. Only where :attr:`Configure.progress` asks."""

    channel: int
    at: int
    """Sample clock up to which audio is recognised or known to be silence; what is heard in it was told before."""


Outgoing = Event | Ready | Configured | Corrected | Progress
"""All that a session tells its client."""

Message = TypeVar("Message")
Incoming = TypeVar("Incoming", contravariant=True)


@dataclass(frozen=True, slots=True)
class Rejection(Generic[Message]):
    """How a protocol says that a session is refused or over."""

    messages: Sequence[Message]
    """To send before the end."""
    close_code: int
    """WebSocket close code."""
    http: int
    """HTTP status, before a handshake."""
    grpc: str
    """Name of a ``grpc.StatusCode`` member."""
    reason: str
    """One sentence; over WebSocket cut to what a close frame takes (123 bytes of UTF-8)."""

    @classmethod
    def of(
        cls, error: WavelaneError, messages: Sequence[Message] = (), close_code: int | None = None
    ) -> "Rejection[Message]":
        """With the error's own statuses, but for a close code of the protocol's."""
        return cls(
            messages=messages,
            close_code=error.status.websocket if close_code is None else close_code,
            http=error.status.http,
            grpc=error.status.grpc,
            reason=close_reason(error.message),
        )


class Adapter(Protocol[Incoming, Message]):
    """One wire protocol for one session."""

    def begin(self) -> list[Command]:
        """Commands before the first message, where the handshake has configured the session; the same each time."""

    def receive(self, message: Incoming) -> Iterable[Command]:
        """Commands of one message, obeyed one after the other: a generator goes on only when the last was accepted.

        Raises:
            WavelaneError: INVALID_MESSAGE; the message is ignored, the session goes on.
        """

    def audio(self, message: Incoming) -> bytes | None:
        """The audio of a message that is nothing else; None for any other one. The short way of :meth:`receive`."""

    def send(self, event: Outgoing) -> list[Message]:
        """Messages of one event; none where the protocol has no such thing."""

    def reject(self, error: WavelaneError) -> Rejection[Message]:
        """How this error ends a session."""


def close_reason(text: str) -> str:
    """Cut to the 123 bytes of UTF-8 that a close frame holds."""
    return text.encode()[:123].decode(errors="ignore")


def milliseconds(at: int) -> int:
    """A time of the sample clock in whole milliseconds."""
    return at * 1000 // CLOCK_RATE
