"""Wyoming over TCP. One connection serves any number of transcriptions, one after the other."""

import asyncio
import socket
from collections.abc import Callable

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.spelling import speller
from wavelane_server.adapters.base import Fail, Reply
from wavelane_server.adapters.wyoming import Event, Header, WyomingAdapter, parse_header, with_body
from wavelane_server.adapters.wyoming.adapter import OPENING, error_event
from wavelane_server.adapters.wyoming.program import describe
from wavelane_server.bridge import Recognizer
from wavelane_server.conversation import Conversation, VanishedError
from wavelane_server.logs import get_logger
from wavelane_server.transport.listen import BACKLOG

LINE_BYTES = 65_536
"""Longest line of an event (bytes)."""

CLOSE_TIMEOUT_S = 5.0
"""How long a client may take to read the error that ends its connection (s)."""

KEEPALIVE_S = 60
"""Silence after which the kernel asks whether the other side still lives (s)."""


class _Link:
    """See :class:`wavelane_server.conversation.Link`. A receive that is cancelled loses nothing.

    Args:
        reader: of the connection.
        writer: of the connection.
        limit: most bytes of data, and of payload, of an event.
        timeout: longest time (s) that the rest of an event may take after its line.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limit: int, timeout: float) -> None:
        self._reader = reader
        self._writer = writer
        self._limit = limit
        self._timeout = timeout
        self._unread: Event | None = None
        self._stopped = False
        self._header: Header | None = None
        self._data: bytes | None = None

    def begin(self, message: Event) -> None:
        """Receive this event again, as the first one of a conversation."""
        self._unread = message
        self._stopped = False

    async def receive(self) -> Event | None:
        if self._stopped:
            # The next transcription is the next conversation's.
            await asyncio.get_running_loop().create_future()
        message, self._unread = self._unread, None
        if message is None:
            message = await self._read()
        self._stopped = message is not None and message.type == "audio-stop"
        return message

    async def next(self) -> Event | None:
        """The next event, between conversations."""
        return await self._read()

    async def send(self, message: bytes) -> None:
        try:
            self._writer.write(message)
            await self._writer.drain()
        except OSError:
            raise VanishedError from None

    def offer(self, take: Callable[[Event], bool]) -> None:
        """What comes is bytes, and nothing is an event before it is parsed."""

    @property
    def open_wide(self) -> bool:
        transport = self._writer.transport
        return not transport.is_closing() and transport.get_write_buffer_size() == 0

    def send_now(self, message: bytes) -> None:
        self._writer.write(message)

    def size(self, message: Event) -> int:
        return len(message.payload)

    async def _read(self) -> Event | None:
        reader = self._reader
        try:
            if self._header is None:
                self._header = parse_header(await reader.readuntil(), self._limit)
            header = self._header
            async with asyncio.timeout(self._timeout):
                if self._data is None:
                    self._data = await reader.readexactly(header.data_length)
                payload = await reader.readexactly(header.payload_length)
        except asyncio.IncompleteReadError as error:
            if self._header is None and not error.partial:
                return None
            raise WavelaneError(ErrorCode.INVALID_MESSAGE, "the connection ended in the middle of an event") from None
        except asyncio.LimitOverrunError:
            raise WavelaneError(
                ErrorCode.MESSAGE_TOO_BIG,
                f"the line of an event is longer than {LINE_BYTES} bytes: send its data behind it (data_length)",
            ) from None
        except TimeoutError:
            raise WavelaneError(
                ErrorCode.IDLE_TIMEOUT,
                f"the rest of an event did not come within {self._timeout:g} s (setting limits.idle_timeout_s)",
            ) from None
        except OSError:
            raise VanishedError from None
        data, self._header, self._data = self._data, None, None
        return with_body(header, data, payload)


class WyomingServer:
    """The Wyoming port of a service.

    Args:
        recognizer: opens sessions.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        self._limits = recognizer.config.limits
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, listener: socket.socket) -> None:
        """Serve the connections of a listening socket."""
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)
        self._server = await asyncio.start_server(self._serve, sock=listener, limit=LINE_BYTES, backlog=BACKLOG)

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        link = _Link(reader, writer, self._limits.max_message_bytes, self._limits.idle_timeout_s)
        try:
            try:
                over = await self._converse(link)
            except WavelaneError as error:
                over = True
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await link.send(error_event(error))
            if over:
                await _linger(reader, writer)
            else:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    writer.close()
                    await writer.wait_closed()
        except (VanishedError, TimeoutError, OSError, asyncio.CancelledError):
            pass  # nobody waits for this task; it is cancelled by stop() alone
        except Exception:
            get_logger().exception("a connection failed")
        finally:
            writer.transport.abort()
            self._connections.discard(task)

    async def _converse(self, link: _Link) -> bool:
        """Answer events until the client closes.

        Returns:
            whether a conversation failed, and said so.

        Raises:
            WavelaneError: to be told, and then the connection is over.
            VanishedError: there is nobody to tell.
        """
        if len(self._connections) > self._limits.max_connections:
            raise WavelaneError(
                ErrorCode.OVERLOADED,
                f"{self._limits.max_connections} clients are connected, and that is the limit (setting "
                "limits.max_connections)",
            )
        most_phrases = self._recognizer.config.lm.max_hotwords
        while (message := await link.next()) is not None:
            adapter = WyomingAdapter(lambda: describe(self._recognizer.model), self._spells, most_phrases)
            if message.type in OPENING:
                self._recognizer.admit()
                link.begin(message)
                conversation = Conversation(self._recognizer, link, adapter, refuse_by_status=False)
                if await conversation.run() is not None:
                    return True
                continue
            for command in adapter.receive(message):
                if isinstance(command, Fail):
                    raise command.error
                assert isinstance(command, Reply), "no session is opened by other events"
                async with asyncio.timeout(self._limits.send_timeout_s):
                    await link.send(command.message)
            # Many events may have come at once, and neither reading nor answering them yields.
            await asyncio.sleep(0)
        return False

    def _spells(self, phrase: str) -> bool:
        vocabulary = self._recognizer.engine.spec.vocabulary
        try:
            speller(vocabulary).check([phrase])
        except WavelaneError:
            return False
        return True


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close such that the client gets to read what was sent: what it still sends must not reset the connection."""
    async with asyncio.timeout(CLOSE_TIMEOUT_S):
        writer.write_eof()
        while await reader.read(LINE_BYTES):
            pass
        writer.close()
        await writer.wait_closed()
