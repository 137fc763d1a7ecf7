"""The processes under the supervisor: a front end, or the engine."""

import asyncio
import gc
import itertools
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector

from wavelane.engine import Engine
from wavelane.errors import WavelaneError
from wavelane_server.config import Config
from wavelane_server.frontends.control import Channel, Line, Word, unpack_config
from wavelane_server.frontends.host import BEAT_S, EngineHost
from wavelane_server.frontends.remote import RemoteEngine
from wavelane_server.logs import configure_logs
from wavelane_server.metrics import EngineMetrics, Family, families, join, render
from wavelane_server.serve import SWITCH_S, load_model, loop_factory
from wavelane_server.service import Elsewhere, Service

SCRAPE_S = 2.0
"""How long a front end waits for the metrics of the other processes (s); then it answers with its own."""


def run(descriptor: int) -> int:
    """Be what the supervisor says at the other end of a socket; returns the exit code."""
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_run(socket.socket(fileno=descriptor)))


async def _run(end: socket.socket) -> int:
    channel = await Channel.of(end)
    lines = channel.hear()
    begin = await anext(lines, None)
    if begin is None:
        return 1
    assert begin.word is Word.BEGIN
    values = begin.values
    config = unpack_config(values["config"])
    configure_logs(config.server)
    path = Path(values["socket"])
    process = _EngineProcess(config, path) if values["role"] == "engine" else _FrontEnd(config, path, channel)
    work = asyncio.create_task(process.start())
    work.add_done_callback(lambda done: _started(done, channel, process))
    beat = asyncio.create_task(_beat(channel, process))
    async for line in lines:
        if line.word in (Word.DRAIN, Word.STOP):
            await process.stop()
            beat.cancel()
            channel.close()
            return 0
        if line.word is Word.REPORT:
            channel.say(Word.METRICS, id=line.values["id"], families=process.families())
        else:
            process.hear(line)
    # The supervisor is dead, or wants us to be.
    os._exit(1)


def _started(work: "asyncio.Task[dict[str, Any]]", channel: Channel, process: "_EngineProcess | _FrontEnd") -> None:
    """Tell how the start went."""
    if work.cancelled():
        return
    error = work.exception()
    if error is None:
        # What is loaded stays: collections from now on need not look at it.
        gc.collect()
        gc.freeze()
        channel.say(Word.READY, **work.result())
    elif isinstance(error, WavelaneError):
        channel.say(Word.FAILED, message=error.message)
    else:
        channel.say(Word.FAILED, message=f"{type(error).__name__}: {error}")


async def _beat(channel: Channel, process: "_EngineProcess | _FrontEnd") -> None:
    while True:
        channel.say(Word.BEAT, healthy=process.healthy)
        await asyncio.sleep(BEAT_S)


class _EngineProcess:
    """Model and scheduler, and nothing else."""

    def __init__(self, config: Config, path: Path) -> None:
        self._config = config
        self._path = path
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._metrics = EngineMetrics(self._registry)
        self._host = EngineHost()
        self._engine: Engine | None = None

    @property
    def healthy(self) -> bool:
        return self._engine is None or self._engine.healthy

    async def start(self) -> dict[str, Any]:
        """Load, then listen. Returns what is served."""
        engine = await asyncio.to_thread(self._load)
        await self._host.start(engine, self._path)
        self._engine = engine
        return {
            "model": engine.spec.name,
            "head": engine.head,
            "device": self._config.engine.torch_device().type,
            "lanes": engine.stats.max_lanes,
        }

    def _load(self) -> Engine:
        engine = Engine(load_model(self._config), self._config.engine, self._host.sink, self._metrics)
        engine.start()
        engine.warm_up()
        return engine

    async def stop(self) -> None:
        await self._host.stop()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop, False, 1.0)

    def hear(self, line: Line) -> None:
        """Nothing else is said to an engine."""

    def families(self) -> list[Family]:
        if self._engine is not None:
            self._metrics.look(self._engine.stats)
        return families(self._registry)


class _FrontEnd:
    """Sockets and sessions."""

    healthy = True

    def __init__(self, config: Config, path: Path, channel: Channel) -> None:
        self._channel = channel
        self._numbers = itertools.count()
        self._scrapes: dict[int, asyncio.Future[dict[str, list[Family]]]] = {}
        self._engine = RemoteEngine(path, config.server.engine_timeout_s)
        self._service = Service(config, Elsewhere(self._engine, self._scrape))

    async def start(self) -> dict[str, Any]:
        await self._service.start()
        return {}

    async def stop(self) -> None:
        await self._service.drain()
        await self._service.stop()

    def hear(self, line: Line) -> None:
        if line.word is Word.ENGINE:
            self._engine.connect()
        elif line.word is Word.METRICS:
            waiter = self._scrapes.pop(line.values["id"], None)
            if waiter is not None and not waiter.done():
                waiter.set_result(line.values["families"])

    def families(self) -> list[Family]:
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
