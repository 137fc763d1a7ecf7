"""A scripted server: what the real one does only when it is ill, and never on purpose."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from wavelane_client.messages import ModelInfo, Ready, encode

READY = Ready(
    session="s1",
    version=1,
    clock_rate=16_000,
    config={"encoding": "linear16", "sample_rate": 16_000},
    model=ModelInfo(name="fake", languages=("en",), lookaheads=(6, 0), default_lookahead=6, head="ctc"),
)

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    async def expect(self, kind: str) -> dict[str, Any]:
        """The next control message, which must be of this type; audio before it is skipped."""
        while isinstance(message := await self.connection.recv(), bytes):
            pass
        value: dict[str, Any] = json.loads(message)
        assert value["type"] == kind
        return value

    async def send(self, *events: Any) -> None:
        for event in events:
            await self.connection.send(json.dumps(event if isinstance(event, dict) else encode(event)))

    async def open(self) -> dict[str, Any]:
        """Answer the configuration."""
        options = await self.expect("configure")
        await self.send(READY)
        return options

    def abort(self) -> None:
        """Vanish without a word, like a killed process."""
        self.connection.transport.abort()


@pytest.fixture
def scripted() -> Callable[[Script], AbstractAsyncContextManager[str]]:
    """Start a server that treats every connection by a script; gives its URL."""

    @asynccontextmanager
    async def start(script: Script) -> AsyncIterator[str]:
        async def handle(connection: ServerConnection) -> None:
            await script(Peer(connection))

        async with serve(handle, "127.0.0.1", 0) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            yield f"ws://127.0.0.1:{port}"

    return start
