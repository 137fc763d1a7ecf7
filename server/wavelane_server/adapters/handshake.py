"""What is said before the first message of a WebSocket: which options, whose key, and how a refusal looks. Sans-I/O."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.base import Adapter

SomeAdapter = TypeVar("SomeAdapter", bound=Adapter[str | bytes, str])

BEARER = "bearer "
TOKEN = "token."
"""Before the key, in a subprotocol that a browser offers: it cannot set headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """A client's request for a WebSocket."""

    headers: Mapping[str, str]
    """Names in lower case."""
    query: tuple[tuple[str, str], ...] = ()
    """In their order; names may repeat."""
    subprotocols: tuple[str, ...] = ()
    """Those that the client offers."""
    constrained: bool = False
    """With a grammar the server's search hears nothing else; not known while the model is being loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer by HTTP instead of a WebSocket."""

    status: int
    body: Mapping[str, Any]
    """To be sent as JSON."""
    headers: Mapping[str, str]


def bearer(handshake: Handshake) -> str | None:
    """The API key of ``Authorization: Bearer KEY``, or of the subprotocol ``token.KEY``."""
    authorization = handshake.headers.get("authorization", "")
    if authorization.lower().startswith(BEARER):
        return authorization[len(BEARER) :].strip()
    return next((name.removeprefix(TOKEN) for name in handshake.subprotocols if name.startswith(TOKEN)), None)


def first_without_key(handshake: Handshake) -> str | None:
    """The subprotocol to agree on: the first one offered that is no key."""
    return next((name for name in handshake.subprotocols if not name.startswith(TOKEN)), None)


def without_query(handshake: Handshake, adapter: SomeAdapter) -> SomeAdapter:
    """The adapter of a protocol whose URL has no parameters.

    Raises:
        WavelaneError: INVALID_MESSAGE where there is one.
    """
    if handshake.query:
        raise WavelaneError(
            ErrorCode.INVALID_MESSAGE, f"this protocol has no parameters in its URL, got {handshake.query[0][0][:64]!r}"
        )
    return adapter


def retry_headers(error: WavelaneError, retry_after_s: int) -> dict[str, str]:
    """``Retry-After`` where trying again may help; ``WWW-Authenticate`` where a key does."""
    if error.code in (ErrorCode.OVERLOADED, ErrorCode.SHUTTING_DOWN):
        return {"Retry-After": str(retry_after_s)}
    return {"WWW-Authenticate": "Bearer"} if error.code is ErrorCode.UNAUTHENTICATED else {}


def refusal(error: WavelaneError, retry_after_s: int) -> Refusal:
    """As the native protocol refuses."""
    body = {"error": {"code": error.code.value, "message": error.message}}
    return Refusal(status=error.status.http, body=body, headers=retry_headers(error, retry_after_s))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketProtocol:
    """One protocol over WebSocket, up to its first message."""

    adapter: Callable[[Handshake], Adapter[str | bytes, str]]
    """Makes a session's adapter. A WavelaneError that it raises refuses the handshake."""
    key: Callable[[Handshake], str | None] = bearer
    """The API key that the client gives; None for none."""
    subprotocol: Callable[[Handshake], str | None] = first_without_key
    """Which of those offered is agreed on; None for none."""
    headers: Callable[[Any], Mapping[str, str]] = lambda adapter: {}
    """Of the answer that opens the WebSocket, given the session's adapter."""
    refuse: Callable[[WavelaneError, int], Refusal] = refusal
    """How an error looks before the handshake; the number is the setting ``limits.retry_after_s``."""
    tells: bool = False
    """Options that the handshake brought are refused by a message, since the protocol's clients read no HTTP body."""
