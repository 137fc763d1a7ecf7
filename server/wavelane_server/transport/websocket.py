"""WebSocket over ASGI, on connections of our own class."""

import asyncio
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.native import NativeAdapter
from wavelane_server.bridge import Recognizer
from wavelane_server.conversation import Conversation, Link, VanishedError
from wavelane_server.transport.stream_protocol import CLOSE_TIMEOUT_S, CONNECTION, StreamProtocol


class _Link:
    """See :class:`wavelane_server.conversation.Link`.

    Args:
        receive: of the ASGI application.
        send: of the ASGI application.
        connection: under it.
    """

    def __init__(self, receive: Receive, send: Send, connection: StreamProtocol) -> None:
        self._receive = receive
        self._send = send
        self._connection = connection
        self.offer: Callable[[Callable[[bytes], bool]], None] = connection.offer
        self.send_now: Callable[[str], None] = connection.send_now

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

    @property
    def open_wide(self) -> bool:
        return self._connection.open_wide

    def size(self, message: str | bytes) -> int:
        return len(message)


class Stream:
    """``/v1/stream``: the native protocol, as an ASGI application."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        # Not kept there: the connection holds the scope.
        connection: StreamProtocol = scope["extensions"].pop(CONNECTION)
        await _converse(WebSocket(scope, receive, send), _Link(receive, send, connection), connection)


async def _converse(websocket: WebSocket, link: Link[str | bytes, str], connection: StreamProtocol) -> None:
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
    connection.abort_soon()
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
