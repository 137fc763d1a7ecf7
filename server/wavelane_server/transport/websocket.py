"""WebSocket over ASGI, on connections of our own class."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.base import Configure
from wavelane_server.adapters.handshake import Handshake, WebSocketProtocol, refusal
from wavelane_server.adapters.openai.errors import error_type
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
    """A protocol over WebSocket, as an ASGI application.

    Args:
        protocol: spoken there.
    """

    def __init__(self, protocol: WebSocketProtocol) -> None:
        self._protocol = protocol

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        # Not kept there: the connection holds the scope.
        connection: StreamProtocol = scope["extensions"].pop(CONNECTION)
        await _converse(self._protocol, WebSocket(scope, receive, send), _Link(receive, send, connection), connection)


async def _converse(
    protocol: WebSocketProtocol, websocket: WebSocket, link: Link[str | bytes, str], connection: StreamProtocol
) -> None:
    recognizer: Recognizer = websocket.app.state.recognizer
    handshake = Handshake(
        headers=websocket.headers,
        query=tuple(websocket.query_params.multi_items()),
        subprotocols=tuple(websocket.scope["subprotocols"]),
        constrained=not recognizer.loading and recognizer.engine.spec.constrained,
    )
    try:
        check_origin(websocket.headers, recognizer.config.server.allowed_origins)
        recognizer.keys.check(protocol.key(handshake))
        adapter = protocol.adapter(handshake)
        recognizer.admit()
        for command in adapter.begin():
            if isinstance(command, Configure) and not protocol.tells:
                recognizer.check(command.values)
    except WavelaneError as error:
        answer = protocol.refuse(error, recognizer.config.limits.retry_after_s)
        status = 403 if isinstance(error, OriginError) else answer.status
        await websocket.send_denial_response(JSONResponse(answer.body, status, answer.headers))
        return
    headers = [(name.encode(), value.encode()) for name, value in protocol.headers(adapter).items()]
    await websocket.accept(protocol.subprotocol(handshake), headers)
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
    if origin is None or "*" in allowed or origin in allowed:
        return
    with suppress(ValueError):  # it is no URL
        if urlsplit(origin).netloc == headers.get("host"):
            return
    raise OriginError(
        ErrorCode.INVALID_MESSAGE,
        f"pages of the origin {origin[:128]!r} may not connect (setting server.allowed_origins)",
    )


class OriginError(WavelaneError):
    """A page of another origin."""


def error_response(error: WavelaneError, retry_after_s: int) -> JSONResponse:
    """An error as an HTTP answer: ours, with the members that OpenAI's clients look for."""
    answer = refusal(error, retry_after_s)
    ours = answer.body["error"]
    body = {"error": {**ours, "type": error_type(error.code), "param": getattr(error, "param", None)}}
    return JSONResponse(body, 403 if isinstance(error, OriginError) else answer.status, answer.headers)
