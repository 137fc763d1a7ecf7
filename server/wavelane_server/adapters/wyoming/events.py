"""Events of the Wyoming protocol and their bytes.

An event is a line of JSON with ``type``, then ``data_length`` bytes of JSON, then ``payload_length`` bytes of anything;
both lengths may be left out. Members of ``data`` may be in the line as well. Source: README.md of OHF-Voice/wyoming.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.text import json_object


@dataclass(frozen=True, slots=True)
class Event:
    """One message, of either side."""

    type: str
    data: Mapping[str, Any]
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Header:
    """The line before the rest of an event."""

    type: str
    data: Mapping[str, Any]
    data_length: int
    payload_length: int


def parse_header(line: bytes, limit: int) -> Header:
    """Read the line of an event.

    Args:
        line: with or without the line break.
        limit: most bytes of data, and of payload (setting ``limits.max_message_bytes``).

    Raises:
        WavelaneError: INVALID_MESSAGE; MESSAGE_TOO_BIG.
    """
    values = json_object(line, "the line of an event")
    kind, data = values.get("type"), values.get("data") or {}
    if not isinstance(kind, str):
        raise _invalid("an event has no type")
    if not isinstance(data, dict):
        raise _invalid(f"data of the event {kind[:64]!r} must be a JSON object")
    lengths = []
    for name in ("data_length", "payload_length"):
        length = values.get(name) or 0
        if not isinstance(length, int) or length < 0:
            raise _invalid(f"{name} of the event {kind[:64]!r} must be a number of bytes")
        if length > limit:
            raise WavelaneError(
                ErrorCode.MESSAGE_TOO_BIG,
                f"{length} bytes ({name} of the event {kind[:64]!r}) are more than the limit of {limit} (setting "
                "limits.max_message_bytes): send smaller ones, any split of the audio gives the same result",
            )
        lengths.append(length)
    return Header(kind, data, *lengths)


def with_body(header: Header, data: bytes, payload: bytes) -> Event:
    """The event of a header and what follows it.

    Raises:
        WavelaneError: INVALID_MESSAGE.
    """
    if not data:
        return Event(header.type, header.data, payload)
    more = json_object(data, f"data of the event {header.type[:64]!r}")
    return Event(header.type, {**header.data, **more}, payload)


def encode(event: Event) -> bytes:
    """The bytes of an event."""
    header: dict[str, Any] = {"type": event.type}
    data = b""
    if event.data:
        data = orjson.dumps(event.data)
        header["data_length"] = len(data)
    if event.payload:
        header["payload_length"] = len(event.payload)
    return orjson.dumps(header) + b"\n" + data + event.payload


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)
