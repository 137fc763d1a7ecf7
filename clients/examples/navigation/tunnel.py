"""A stretch of network that can fail: a TCP relay between the page and the server, which a tunnel cuts."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Tunnel:
    """Passes connections on, except while it is closed.

    Args:
        host: of the server.
        port: of the server.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        """Where it listens on 127.0.0.1."""
        self._address = (host, port)
        self._open: set[asyncio.StreamWriter] = set()
        self._reopen: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[None]:
        """Pass connections on while the context lasts."""
        listener = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self.port = listener.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            listener.close()
            self.cut(0)

    @property
    def closed(self) -> bool:
        """Nothing passes now."""
        return self._reopen is not None

    def cut(self, seconds: float) -> None:
        """Break all connections, whatever is under way in them, and refuse new ones for some time (s)."""
        for writer in self._open:
            writer.transport.abort()
        if self._reopen is not None:
            self._reopen.cancel()
        self._reopen = asyncio.get_running_loop().call_later(seconds, self._pass)

    def _pass(self) -> None:
        self._reopen = None

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.closed:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._address)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, far_writer}
        try:
            await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        finally:
            self._open -= {writer, far_writer}
            writer.close()
            far_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
