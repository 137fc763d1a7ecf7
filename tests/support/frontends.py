"""A front end and its engine's host in one process, between them the socket that joins them in production."""

import asyncio
import shutil
import tempfile
from pathlib import Path

from wavelane.engine import Engine, EngineStats
from wavelane_server.config import Config
from wavelane_server.engines import Receive
from wavelane_server.frontends.host import EngineHost
from wavelane_server.frontends.remote import RemoteEngine
from wavelane_server.serve import load_model
from wavelane_server.service import Elsewhere, Service


class HostedEngine(RemoteEngine):
    """A remote engine that brings its host along, and can be asked what only the host knows."""

    def __init__(self, config: Config) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="wavelane-test-"))
        super().__init__(self._folder / "engine", config.server.engine_timeout_s)
        self._config = config
        self._host = EngineHost()
        self._hosted: Engine | None = None

    async def start(self, receive: Receive) -> RemoteEngine:
        self._hosted = Engine(await asyncio.to_thread(load_model, self._config), self._config.engine, self._host.sink)
        self._hosted.start()
        await asyncio.to_thread(self._hosted.warm_up)
        await self._host.start(self._hosted, self._folder / "engine")
        self.connect()
        return await super().start(receive)

    async def stop(self) -> None:
        await super().stop()
        await self._host.stop()
        if self._hosted is not None:
            await asyncio.to_thread(self._hosted.stop, False)
        shutil.rmtree(self._folder)

    @property
    def stats(self) -> EngineStats:
        """The engine's own, not those that were told last."""
        assert self._hosted is not None
        return self._hosted.stats

    def audit(self) -> None:
        assert self._hosted is not None
        self._hosted.audit()


def front_end(config: Config) -> Service:
    """A service as a front end has it."""

    async def scrape() -> bytes:
        return b""

    return Service(config, Elsewhere(HostedEngine(config), scrape))
