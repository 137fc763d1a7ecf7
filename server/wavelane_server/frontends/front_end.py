"""A front end: sockets and sessions, but no model."""

import asyncio
import itertools
from contextlib import suppress
from pathlib import Path
from typing import Any

from wavelane_server.config import Config
from wavelane_server.frontends.control import Channel, Line, Word
from wavelane_server.frontends.remote import RemoteEngine
from wavelane_server.metrics import Family, families, join, render
from wavelane_server.service import Elsewhere, Service

SCRAPE_S = 2.0
"""How long a front end waits for the metrics of the other processes (s); then it answers with its own."""


class FrontEnd:
    """See :class:`wavelane_server.frontends.children.Role`.

    Args:
        config: the whole tree; its ports are shared with others.
        path: of the engine's Unix socket.
        channel: to the supervisor.
    """

    healthy = True

    def __init__(self, config: Config, path: Path, channel: Channel) -> None:
        self._channel = channel
        self._numbers = itertools.count()
        self._scrapes: dict[int, asyncio.Future[dict[str, list[Family]]]] = {}
        self._engine = RemoteEngine(path, config.server.engine_timeout_s)
        self._service = Service(config, Elsewhere(self._engine, self._scrape))

    async def start(self) -> dict[str, Any]:
        """See :class:`wavelane_server.frontends.children.Role`."""
        await self._service.start()
        return {}

    async def stop(self) -> None:
        """See :class:`wavelane_server.frontends.children.Role`."""
        await self._service.drain()
        await self._service.stop()

    def hear(self, line: Line) -> None:
        """See :class:`wavelane_server.frontends.children.Role`."""
        if line.word is Word.ENGINE:
            self._engine.connect()
        elif line.word is Word.METRICS:
            waiter = self._scrapes.pop(line.values["id"], None)
            if waiter is not None and not waiter.done():
                waiter.set_result(line.values["families"])

    def families(self) -> list[Family]:
        """See :class:`wavelane_server.frontends.children.Role`."""
        return families(self._service.metrics.registry)

    async def _scrape(self) -> bytes:
        """The metrics of all processes, through the supervisor."""
        number = next(self._numbers)
        answer = self._scrapes[number] = asyncio.get_running_loop().create_future()
        self._channel.say(Word.SCRAPE, id=number)
        with suppress(TimeoutError):
            async with asyncio.timeout(SCRAPE_S):
                return join(await answer)
        self._scrapes.pop(number, None)
        return render(self._service.metrics.registry)
