"""The asynchronous client: one class for both transports.

    async with connect("ws://127.0.0.1:8080", sample_rate=48_000) as stream:
        await stream.send(pcm)
        await stream.end()
        async for event in stream:
            ...

A stream reads from the connection all the time, so a caller may send everything first and iterate afterwards: no event
is lost and the server never waits for its reader. Sending waits while the server does not take more audio.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Failed, Final, Partial
from wavelane_client.messages import Ready, ServerEvent
from wavelane_client.transport import Command, DisconnectedError, Transport, authorization, connection_lost

DEFAULT_URL = "ws://127.0.0.1:8080"
"""Where ``wavelane serve`` listens for WebSocket unless told otherwise."""
DEFAULT_GRPC_URL = "grpc://127.0.0.1:50051"
"""Where ``wavelane serve`` listens for gRPC unless told otherwise."""

UNREAD_EVENTS = 256
"""Unread events that a stream keeps in full; past it, partials that a newer one replaced are dropped."""


class Stream:
    """One recognition session. Made by :func:`connect`.

    Iterating gives every event up to and including ``Closed``. Refusals that the session survives come as ``Failed``
    events; a fatal error is raised as :class:`~wavelane.errors.WavelaneError` once all events before it, the finals of
    what was heard included, have been read.
    """

    ready: Ready
    """The server's answer to the configuration: session name, model, effective options."""

    def __init__(self, transport: Transport, url: str) -> None:
        self.url = url
        self._transport = transport
        self._events: deque[ServerEvent] = deque()
        self._arrived = asyncio.Event()
        self._finished = False
        self._error: Exception | None = None
        self._reader: asyncio.Task[None] | None = None

    async def send(self, audio: bytes) -> None:
        """Send audio in the configured encoding, split anywhere; waits while the server takes no more.

        Raises:
            WavelaneError: the server's error when it has ended the session, UNAVAILABLE when the connection is lost.
        """
        try:
            await self._transport.send_audio(audio)
        except DisconnectedError:
            raise await self._reason() from None

    async def flush(self) -> None:
        """Ask for the finals of everything sent so far; answered by a ``Flushed`` event. Raises like :meth:`send`."""
        await self._command("flush")

    async def end(self) -> None:
        """Say that no more audio comes; iterate until the end for the last finals. Raises like :meth:`send`."""
        await self._command("end")

    async def keepalive(self) -> None:
        """Tell the server that a silent client is still there. Raises like :meth:`send`."""
        await self._command("keepalive")

    async def reconfigure(self, **options: Any) -> None:
        """Change options of the running session; answered by a ``Configured`` or a non-fatal ``Failed`` event.

        Args:
            options: those that may change (``wavelane.session.options.MUTABLE``).

        Raises:
            WavelaneError: like :meth:`send`.
        """
        await self._command("reconfigure", options)

    async def correct(self, utterance: int, was: str, should_be: str, *, channel: int = 0) -> None:
        """Say what an utterance should have been; answered by a ``Corrected`` or a non-fatal ``Failed`` event.

        Args:
            utterance: number of one of the last finals.
            was: words of it, as they were written.
            should_be: what was said, as it is to be written from now on.
            channel: of the utterance.

        Raises:
            WavelaneError: like :meth:`send`.
        """
        values = {"channel": channel, "utterance": utterance, "was": was, "should_be": should_be}
        await self._command("correct", values)

    def __aiter__(self) -> AsyncIterator[ServerEvent]:
        return self

    async def __anext__(self) -> ServerEvent:
        while not self._events:
            if self._finished:
                if self._error is not None:
                    raise self._error
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._events.popleft()

    async def close(self) -> None:
        """Let go of the connection; a session that has not ended is abandoned."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        await self._transport.close()

    async def _open(self, options: Mapping[str, Any]) -> None:
        with suppress(DisconnectedError):  # receive() tells why
            await self._transport.send("configure", options)
        while True:
            event = await self._transport.receive()
            match event:
                case Ready():
                    self.ready = event
                    break
                case Failed():
                    raise WavelaneError(event.code, event.message)
                case None:
                    raise connection_lost(self.url, "it was closed without an answer to the configuration")
        self._reader = asyncio.create_task(self._read(), name="wavelane-stream-reader")

    async def _read(self) -> None:
        fatal: Exception | None = None
        try:
            while (event := await self._transport.receive()) is not None:
                if isinstance(event, Failed) and event.fatal:
                    fatal = WavelaneError(event.code, event.message)
                    continue
                self._append(event)
                if isinstance(event, Closed):
                    break
            else:
                fatal = fatal or connection_lost(self.url, "the server closed it")
        except Exception as error:  # handed to whoever iterates or sends
            # An error that was told in words says more than the close code after it.
            fatal = fatal or error
        finally:
            self._error = fatal
            self._finished = True
            self._arrived.set()

    def _append(self, event: ServerEvent) -> None:
        if len(self._events) >= UNREAD_EVENTS and isinstance(event, Partial):
            for index in range(len(self._events) - 1, -1, -1):
                other = self._events[index]
                if isinstance(other, Partial | Final) and other.channel == event.channel:
                    if isinstance(other, Partial) and other.utterance == event.utterance:
                        del self._events[index]
                    break
        self._events.append(event)
        self._arrived.set()

    async def _command(self, command: Command, options: Mapping[str, Any] | None = None) -> None:
        try:
            await self._transport.send(command, options or {})
        except DisconnectedError:
            raise await self._reason() from None

    async def _reason(self) -> Exception:
        """Why the connection is gone; the reader learns it from the last messages."""
        if self._reader is not None:
            await asyncio.wait([self._reader], timeout=5.0)
        return self._error or WavelaneError(
            ErrorCode.INVALID_MESSAGE, "the session has ended; open a new one to send more audio"
        )


async def open_transport(
    url: str, *, api_key: str | None = None, open_timeout: float = 10.0, words: bool = True
) -> Transport:
    """Connect to a server without opening a session.

    Args:
        url: ``ws://``, ``wss://``, ``http://``, ``https://`` (WebSocket; the path defaults to ``/v1/stream``),
            ``grpc://`` or ``grpcs://`` with host and port.
        api_key: for servers that ask for one; None takes the environment's ``WAVELANE_API_KEY``, if it is there.
        open_timeout: seconds to wait for the connection.
        words: False skips words when events are decoded.

    Raises:
        WavelaneError: UNAVAILABLE when nothing answers; the server's own code when it refuses (OVERLOADED, ...).
    """
    headers = authorization(api_key)
    scheme = urlsplit(url).scheme
    if scheme in ("ws", "wss", "http", "https"):
        from wavelane_client.websocket import WebSocketTransport

        return await WebSocketTransport.open(url, headers, open_timeout=open_timeout, words=words)
    if scheme in ("grpc", "grpcs"):
        from wavelane_client.grpc import GrpcTransport

        return await GrpcTransport.open(url, headers, open_timeout=open_timeout, words=words)
    raise WavelaneError(
        ErrorCode.INVALID_CONFIG,
        f"{url!r} is no address of a server: write ws://HOST:PORT, wss://HOST, http(s)://HOST or grpc(s)://HOST:PORT",
    )


@asynccontextmanager
async def connect(
    url: str = DEFAULT_URL, *, api_key: str | None = None, open_timeout: float = 10.0, **options: Any
) -> AsyncIterator[Stream]:
    """Open a session; leaving the block closes the connection.

    Args:
        url: as in :func:`open_transport`.
        api_key: as in :func:`open_transport`.
        open_timeout: seconds to wait for the connection, and again for the answer to the configuration.
        options: fields of ``wavelane.session.options.SessionOptions`` (``sample_rate``, ``encoding``, ``lookahead``,
            ``vad={"kind": "off"}``, ...); the server checks them.

    Raises:
        WavelaneError: UNAVAILABLE when nothing answers; OVERLOADED, INVALID_CONFIG, ... when the server refuses.
    """
    transport = await open_transport(url, api_key=api_key, open_timeout=open_timeout)
    stream = Stream(transport, url)
    try:
        try:
            async with asyncio.timeout(open_timeout):
                await stream._open(options)
        except TimeoutError:
            raise WavelaneError(
                ErrorCode.UNAVAILABLE,
                f"the server at {url} did not answer the configuration within {open_timeout:g} s; is it overloaded?",
            ) from None
        yield stream
    finally:
        await stream.close()
