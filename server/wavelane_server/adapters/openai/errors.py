"""Errors as OpenAI's API tells them: a type, a code, the parameter, and a sentence."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.handshake import Refusal, retry_headers

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"

_SERVER_FAULTS = (
    ErrorCode.OVERLOADED,
    ErrorCode.SHUTTING_DOWN,
    ErrorCode.INTERNAL,
    ErrorCode.UNAVAILABLE,
    ErrorCode.DEADLINE_EXCEEDED,
)
_CODES = {
    ErrorCode.UNAUTHENTICATED: "invalid_api_key",
    ErrorCode.INVALID_CONFIG: "invalid_value",
    ErrorCode.IDLE_TIMEOUT: "session_expired",
}
"""Where OpenAI has a code for the same; all others keep ours."""


class RequestError(Exception):
    """A client's event is refused; the session goes on.

    Args:
        message: one sentence.
        code: OpenAI's.
        param: path of the field at fault.
    """

    def __init__(self, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param


def error_type(code: ErrorCode) -> str:
    """Whose fault it is."""
    return SERVER_ERROR if code in _SERVER_FAULTS else INVALID_REQUEST


def error_body(
    error: RequestError | WavelaneError, event_id: str | None = None, param: str | None = None
) -> dict[str, str | None]:
    """The member ``error`` of an error event; ``event_id`` is that of the client's event."""
    if isinstance(error, RequestError):
        kind, code, param = INVALID_REQUEST, error.code, error.param
    else:
        kind, code = error_type(error.code), _CODES.get(error.code, error.code.value)
    return {"type": kind, "code": code, "message": error.message, "param": param, "event_id": event_id}


def refuse(error: WavelaneError, retry_after_s: int) -> Refusal:
    """Before the handshake."""
    body = {"error": {name: value for name, value in error_body(error).items() if name != "event_id"}}
    return Refusal(status=error.status.http, body=body, headers=retry_headers(error, retry_after_s))


def describe(error: ValidationError, root: str) -> RequestError:
    """The first fault of an event, in OpenAI's words.

    Args:
        error: of the event's members.
        root: path of what was validated.
    """
    fault = error.errors(include_url=False)[0]
    param = ".".join((root, *_path(fault["loc"], fault.get("ctx", {}))))[:200]
    value = _shown(fault["input"])
    match fault["type"]:
        case "extra_forbidden":
            return RequestError(f"Unknown parameter: '{param}'.", "unknown_parameter", param)
        case "missing" | "union_tag_not_found":
            return RequestError(f"Missing required parameter: '{param}'.", "missing_required_parameter", param)
        case "literal_error" | "union_tag_invalid":
            expected = fault["ctx"].get("expected") or fault["ctx"].get("expected_tags")
            return RequestError(f"Invalid value: {value}. Supported values are: {expected}.", "invalid_value", param)
        case kind if kind.endswith(("_type", "_parsing")):
            return RequestError(f"Invalid type for '{param}': {fault['msg']}, got {value}.", "invalid_type", param)
        case _:
            message = fault["msg"].removeprefix("Value error, ")
            return RequestError(f"Invalid '{param}': {message} (got {value}).", "invalid_value", param)


def _path(parts: Sequence[str | int], context: Mapping[str, Any]) -> list[str]:
    """Without the names of a union's members, which pydantic puts between."""
    tag = {"server_vad", "semantic_vad", "audio/pcm", "audio/pcmu", "audio/pcma"}
    path = [str(part) for part in parts if part not in tag]
    if context.get("discriminator"):
        path.append(str(context["discriminator"]).strip("'"))
    return path


def _shown(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)[:64]
    except (TypeError, ValueError, RecursionError):
        return "something else"
