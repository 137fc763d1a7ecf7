"""Errors that reach a user: a stable code, a sentence that says what to do, and the status of each transport.

Every refusal and failure of the service is a :class:`WavelaneError`; transports translate it with :data:`STATUS`
and never invent codes of their own.
"""

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """Stable, machine-readable reasons. Never renamed; documented in ``server/README.md``."""

    INVALID_MESSAGE = "invalid_message"
    """A control message is not valid JSON, has an unknown type, or arrives at the wrong time."""
    INVALID_CONFIG = "invalid_config"
    """An option is unknown, has a wrong type or value, or cannot take effect with this model."""
    INVALID_AUDIO = "invalid_audio"
    """The audio bytes do not decode: NaN, a corrupt container, a sample cut in half at the end."""
    MESSAGE_TOO_BIG = "message_too_big"
    """One message is larger than the server's limit."""
    OVERLOADED = "overloaded"
    """The server has no lane left for this session, or enough to do without it; try again later or elsewhere."""
    BACKLOG_EXCEEDED = "backlog_exceeded"
    """The session holds more unprocessed audio than the server's limit."""
    IDLE_TIMEOUT = "idle_timeout"
    """The client sent nothing, not even a keepalive, for the server's limit."""
    SLOW_CLIENT = "slow_client"
    """The client does not read its results; the bounded send buffer is full."""
    SHUTTING_DOWN = "shutting_down"
    """The server drains; sessions in progress are finished, new ones refused."""
    MODEL_NOT_FOUND = "model_not_found"
    """No model of this name or path, or the hub is out of reach."""
    MODEL_UNSUPPORTED = "model_unsupported"
    """The checkpoint is corrupt, unsafe, or not a streaming FastConformer."""
    PROFILE_NOT_FOUND = "profile_not_found"
    """Nothing is stored under this key of a profile."""
    DEADLINE_EXCEEDED = "deadline_exceeded"
    """The call's deadline passed before it was finished."""
    CANCELLED = "cancelled"
    """The client cancelled the call or went away."""
    UNAVAILABLE = "unavailable"
    """No server answers at this address, or the connection broke before the session ended (raised by clients only)."""
    UNAUTHENTICATED = "unauthenticated"
    """The server asks for an API key, and there is none, or one that it does not know."""
    INTERNAL = "internal"
    """A fault of the server. Other sessions are not affected."""


@dataclass(frozen=True, slots=True)
class Status:
    """How one error code shows on each transport."""

    http: int
    websocket: int
    """Close code (RFC 6455: 4000-4999 are the application's)."""
    grpc: str
    """Name of a ``grpc.StatusCode`` member."""


STATUS: dict[ErrorCode, Status] = {
    ErrorCode.INVALID_MESSAGE: Status(400, 4400, "INVALID_ARGUMENT"),
    ErrorCode.INVALID_CONFIG: Status(400, 4400, "INVALID_ARGUMENT"),
    ErrorCode.INVALID_AUDIO: Status(400, 4422, "INVALID_ARGUMENT"),
    ErrorCode.MESSAGE_TOO_BIG: Status(413, 1009, "RESOURCE_EXHAUSTED"),
    ErrorCode.OVERLOADED: Status(503, 1013, "RESOURCE_EXHAUSTED"),
    ErrorCode.BACKLOG_EXCEEDED: Status(429, 4429, "RESOURCE_EXHAUSTED"),
    ErrorCode.IDLE_TIMEOUT: Status(408, 4408, "DEADLINE_EXCEEDED"),
    ErrorCode.SLOW_CLIENT: Status(408, 4409, "RESOURCE_EXHAUSTED"),
    ErrorCode.SHUTTING_DOWN: Status(503, 1012, "UNAVAILABLE"),
    ErrorCode.MODEL_NOT_FOUND: Status(404, 4404, "NOT_FOUND"),
    ErrorCode.MODEL_UNSUPPORTED: Status(400, 4404, "FAILED_PRECONDITION"),
    ErrorCode.PROFILE_NOT_FOUND: Status(404, 4404, "NOT_FOUND"),
    ErrorCode.DEADLINE_EXCEEDED: Status(504, 4408, "DEADLINE_EXCEEDED"),
    ErrorCode.CANCELLED: Status(499, 1000, "CANCELLED"),
    ErrorCode.UNAVAILABLE: Status(503, 1014, "UNAVAILABLE"),
    ErrorCode.UNAUTHENTICATED: Status(401, 4401, "UNAUTHENTICATED"),
    ErrorCode.INTERNAL: Status(500, 1011, "INTERNAL"),
}


LONGEST_MESSAGE = 2_000
"""Characters; what follows is cut. Messages quote what a client sent, and not every transport takes a megabyte back."""


class WavelaneError(Exception):
    """A refusal or failure that is meant to be read by a user.

    Args:
        code: the stable reason.
        message: one sentence that says what is wrong and what to do; names the limit and its setting where one applies.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:LONGEST_MESSAGE]}…"
        super().__init__(message)
        self.code = code
        self.message = message

    @property
    def status(self) -> Status:
        """The status of this error on each transport."""
        return STATUS[self.code]

    def __repr__(self) -> str:
        return f"WavelaneError({self.code.value!r}, {self.message!r})"
