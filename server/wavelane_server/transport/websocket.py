"""WebSocket over ASGI, and the connection class that uvicorn runs it on."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.native import NativeAdapter
from wavelane_server.bridge import Recognizer
from wavelane_server.conversation import Conversation, Link, VanishedError

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to answer a close frame, or to read what is before it (s)."""

ABORT = "wavelane.abort"
"""ASGI extension: drops the connection without waiting for the client to read."""


class StreamProtocol(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket connection, which also goes away when the client never reads.

    The sans-I/O implementation is chosen for its back-pressure: it reads from the socket only while the application
    asks for messages, and a send waits while the socket's buffer is full.
    """

    _abort: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = CLOSE_TIMEOUT_S

    def handle_connect(self, event: Any) -> None:
        """Offer the abort to the application."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: Any = self.scope["extensions"]
            extensions[ABORT] = {"call": self._abort_soon}

    def connection_lost(self, exc: Exception | None) -> None:
        """The timer has nothing to do any more."""
        if self._abort is not None:
            self._abort.cancel()
        super().connection_lost(exc)

    def _abort_soon(self) -> None:
        """Drop what is unsent once the client had its time to read it."""
        if self._abort is None and not self.disconnected:
            self._abort = self.loop.call_later(CLOSE_TIMEOUT_S + 1, self.transport.abort)


class _Link:
    """See :class:`wavelane_server.conversation.Link`. On ASGI itself: this runs for every 20 ms of every session."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send

    async def receive(self) -> str | bytes | None:
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            raise VanishedError
        data: bytes | None = message.get("bytes")
        return message["text"] if data is None else data

    async def send(self, message: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": message})
        except OSError:
            raise VanishedError from None

    def size(self, message: str | bytes) -> int:
        return len(message)


class Stream:
    """``/v1/stream``: the native protocol, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        await _converse(WebSocket(scope, receive, send), _Link(receive, send))


async def _converse(websocket: WebSocket, link: Link[str | bytes, str]) -> None:
    recognizer: Recognizer = websocket.app.state.recognizer
    try:
        check_origin(websocket.headers, recognizer.config.server.allowed_origins)
        recognizer.admit()
    except WavelaneError as error:
        await websocket.send_denial_response(error_response(error, recognizer.config.limits.retry_after_s))
        return
    await websocket.accept()
    adapter = NativeAdapter()
    try:
        failure = await Conversation(recognizer, link, adapter, refuse_by_status=False).run()
    except VanishedError:
        return
    code, reason = 1000, ""
    if failure is not None:
        rejection = adapter.reject(failure)
        code, reason = rejection.close_code, rejection.reason
    websocket.scope["extensions"].get(ABORT, {"call": lambda: None})["call"]()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await websocket.close(code, reason)
    except (TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
        # The client is gone, or reads so little that even the close frame does not fit: the connection is aborted.
        return


def check_origin(headers: Mapping[str, str], allowed: tuple[str, ...]) -> None:
    """Refuse pages of other origins: a browser lets any page connect to any WebSocket, this machine's included.

    Raises:
        WavelaneError: INVALID_MESSAGE; transports answer it with 403.
    """
    origin = headers.get("origin")
    if origin is None or "*" in allowed or origin in allowed or urlsplit(origin).netloc == headers.get("host"):
        return
    raise OriginError(
        ErrorCode.INVALID_MESSAGE,
        f"pages of the origin {origin[:128]!r} may not connect (setting server.allowed_origins)",
    )


class OriginError(WavelaneError):
    """A page of another origin."""


def error_response(error: WavelaneError, retry_after_s: int) -> JSONResponse:
    """An error as an HTTP answer."""
    headers = {}
    if error.code in (ErrorCode.OVERLOADED, ErrorCode.SHUTTING_DOWN):
        headers["Retry-After"] = str(retry_after_s)
    status = 403 if isinstance(error, OriginError) else error.status.http
    return JSONResponse({"error": {"code": error.code.value, "message": error.message}}, status, headers)
