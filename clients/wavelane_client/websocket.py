"""The WebSocket transport: JSON control messages and binary audio on ``/v1/stream``."""

import json
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
)

from wavelane.errors import STATUS, ErrorCode, WavelaneError
from wavelane_client.messages import ServerEvent, decode, error_code
from wavelane_client.transport import Command, DisconnectedError, connection_lost, no_server

PATH = "/v1/stream"
LARGEST_MESSAGE = 64 * 1024 * 1024
"""Bytes of one message from the server: an utterance of an hour with its words and alternatives fits."""


class WebSocketTransport:
    """One WebSocket connection."""

    def __init__(self, connection: ClientConnection, url: str, *, words: bool = True) -> None:
        self.connection = connection
        self.url = url
        self._words = words

    @classmethod
    async def open(
        cls, url: str, headers: Mapping[str, str], *, open_timeout: float = 10.0, words: bool = True
    ) -> Self:
        """Connect and shake hands. Errors as in :func:`wavelane_client.client.open_transport`."""
        address = websocket_address(url)
        try:
            connection = await websocket_connect(
                address,
                additional_headers=headers,
                # Audio hardly compresses, and messages are small: deflate would cost both sides more than it saves.
                compression=None,
                max_size=LARGEST_MESSAGE,
                open_timeout=open_timeout,
                close_timeout=2.0,
                # A proxy that the environment names cannot reach this machine's own loopback address.
                proxy=None if _is_loopback(address) else True,
            )
        except InvalidStatus as error:
            raise _refusal(address, error) from None
        except InvalidURI:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"{url!r} is no address of a server: write ws://HOST:PORT or wss://HOST"
            ) from None
        except TimeoutError:
            raise no_server(address, f"no answer within {open_timeout:g} s") from None
        except InvalidHandshake as error:
            raise no_server(address, f"something else answers there: {error}") from None
        except (OSError, EOFError) as error:
            raise no_server(address, _reason(error)) from None
        return cls(connection, address, words=words)

    async def send_audio(self, audio: bytes) -> None:
        """Send one binary message."""
        try:
            await self.connection.send(audio)
        except ConnectionClosed:
            raise DisconnectedError from None

    async def send(self, command: Command, options: Mapping[str, Any]) -> None:
        """Send one JSON message."""
        try:
            await self.connection.send(json.dumps({**options, "type": command}))
        except ConnectionClosed:
            raise DisconnectedError from None

    async def receive(self) -> ServerEvent | None:
        """The next event that this version knows."""
        while True:
            try:
                message = await self.connection.recv()
            except ConnectionClosedOK:
                return None
            except ConnectionClosed as closed:
                raise _closed(self.url, closed) from None
            event = _event(message, words=self._words)
            if event is not None:
                return event

    async def close(self) -> None:
        """Send a close frame and wait briefly for the server's."""
        await self.connection.close()


def websocket_address(url: str) -> str:
    """The address of the stream endpoint: ``http`` becomes ``ws``, and the path defaults to ``/v1/stream``."""
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    path = parts.path if parts.path not in ("", "/") else PATH
    return urlunsplit((scheme, parts.netloc, path, parts.query, ""))


def _event(message: str | bytes, *, words: bool) -> ServerEvent | None:
    try:
        value = json.loads(message)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise WavelaneError(ErrorCode.INTERNAL, "the server sent a message that is not a JSON object; is it Wavelane?")
    return decode(value, words=words)


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _reason(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _refusal(address: str, error: InvalidStatus) -> WavelaneError:
    """The server's own error in a refused handshake; a body that is not Wavelane's says that something else answers."""
    response = error.response
    try:
        body = json.loads(response.body or b"")["error"]
        code, message = error_code(str(body["code"])), str(body["message"])
    except (ValueError, KeyError, TypeError):
        if response.status_code == 503:
            code, message = ErrorCode.OVERLOADED, f"the server at {address} is full or draining; try again later"
        else:
            return no_server(address, f"HTTP {response.status_code} from something else")
    retry_after = response.headers.get("Retry-After")
    return WavelaneError(code, f"{message} (try again in {retry_after} s)" if retry_after else message)


def _closed(url: str, closed: ConnectionClosed) -> WavelaneError:
    """What an abnormal close means: the code of an error that the server had no time to spell out, or a lost line."""
    frame = closed.rcvd
    if frame is None:
        return connection_lost(url, "the server went away without closing it")
    for code, status in STATUS.items():
        if status.websocket == frame.code and frame.code != 1000:
            reason = frame.reason or f"close code {int(frame.code)}"
            return WavelaneError(code, f"the server ended the session: {reason}")
    return connection_lost(url, f"close code {int(frame.code)}{': ' + frame.reason if frame.reason else ''}")
