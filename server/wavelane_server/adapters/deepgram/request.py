"""What every request has: an identity, a key, and Deepgram's shapes of errors."""

import itertools
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE
from wavelane_server.adapters.base import Rejection, close_reason
from wavelane_server.adapters.handshake import Handshake, Refusal, bearer, retry_headers

SCHEMES = ("token", "bearer")
"""Of ``Authorization``; a browser, which cannot set headers, offers one of them and its key as two subprotocols."""

HTTP = {
    ErrorCode.UNAUTHENTICATED: (401, "INVALID_AUTH"),
    ErrorCode.MESSAGE_TOO_BIG: (413, "Payload Too Large"),
    ErrorCode.OVERLOADED: (429, "TOO_MANY_REQUESTS"),
    ErrorCode.SHUTTING_DOWN: (503, "SERVICE_UNAVAILABLE"),
    ErrorCode.IDLE_TIMEOUT: (408, "SLOW_UPLOAD"),
    ErrorCode.INTERNAL: (500, "INTERNAL_SERVER_ERROR"),
}
"""Status and ``err_code``; all else is a bad request."""

CLOSE = {
    ErrorCode.INVALID_MESSAGE: (1008, ""),
    ErrorCode.INVALID_CONFIG: (1008, ""),
    ErrorCode.INVALID_AUDIO: (1008, "DATA-0000"),
    ErrorCode.MESSAGE_TOO_BIG: (1009, ""),
    ErrorCode.IDLE_TIMEOUT: (1011, "NET-0001"),
    ErrorCode.SHUTTING_DOWN: (1012, ""),
    ErrorCode.OVERLOADED: (1013, ""),
}
"""Close code of a WebSocket and the code before its reason; all else is (1011, NET-0000)."""

_HEADER = frozenset(chr(code) for code in (*range(0x20, 0x7F), *range(0xA0, 0x100)))
"""What a header may hold: one line of latin-1 without control characters."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def created_text(self) -> str:
        """As Deepgram writes it, with milliseconds."""
        return self.created.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def key(handshake: Handshake) -> str | None:
    """The API key of ``Authorization: Token KEY`` (or ``Bearer``), or of the subprotocols ``token, KEY``."""
    scheme, _, value = handshake.headers.get("authorization", "").partition(" ")
    if scheme.lower() in SCHEMES:
        return value.strip()
    offered = handshake.subprotocols
    pairs = itertools.pairwise(offered)
    return next((value for name, value in pairs if name.lower() in SCHEMES), None) or bearer(handshake)


def subprotocol(handshake: Handshake) -> str | None:
    """The name before the key, where both were offered."""
    return next((name for name in handshake.subprotocols if name.lower() in SCHEMES), None)


def error_body(error: WavelaneError, request_id: str) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON of an error."""
    status, code = HTTP.get(error.code, (400, "Bad Request"))
    return status, {"err_code": code, "err_msg": error.message, "request_id": request_id}


def refuse_handshake(error: WavelaneError, retry_after_s: int) -> Refusal:
    """An error before the WebSocket is open."""
    return refusal(error, retry_after_s, Request())


def refusal(error: WavelaneError, retry_after_s: int, request: Request) -> Refusal:
    """An error as an HTTP answer."""
    request_id = request.id
    status, body = error_body(error, request_id)
    headers = {
        **retry_headers(error, retry_after_s),
        "dg-request-id": request_id,
        "dg-error": "".join(letter if letter in _HEADER else "?" for letter in " ".join(error.message.split())),
    }
    return Refusal(status=status, body=body, headers=headers)


def rejection(error: WavelaneError) -> Rejection[str]:
    """An error that ends an open WebSocket."""
    close_code, code = CLOSE.get(error.code, (1011, "NET-0000"))
    return Rejection(
        messages=(),
        close_code=close_code,
        http=error_body(error, "")[0],
        grpc=error.status.grpc,
        reason=close_reason(f"{code}: {error.message}" if code else error.message),
    )


def seconds(ticks: int) -> float:
    """A time in seconds, of one on the sample clock."""
    return round(ticks / CLOCK_RATE, 4)
