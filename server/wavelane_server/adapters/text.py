"""Text messages of clients."""

from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError


def json_object(text: str | bytes, what: str = "a text message", hint: str = "") -> dict[str, Any]:
    """A client's JSON object.

    Args:
        text: what it sent. Unlike the standard library's, this parser refuses halves of surrogate pairs, which no
            answer could be made of.
        what: it is, for the error.
        hint: what else to do, for who sends no JSON.

    Raises:
        WavelaneError: INVALID_MESSAGE; it is no JSON object.
    """
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"{what} must be JSON, and this one is not: {error}{hint}") from None
    if not isinstance(values, dict):
        raise _invalid(f"{what} must be a JSON object")
    return values


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)
