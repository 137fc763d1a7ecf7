"""One server: its engine and its sockets, from start to drain."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.app import make_app
from wavelane_server.bridge import Recognizer
from wavelane_server.config import Config
from wavelane_server.engines import EngineClient, EngineSource, LocalSource
from wavelane_server.limits import transport_bytes
from wavelane_server.logs import get_logger
from wavelane_server.metrics import Metrics, render
from wavelane_server.transport.grpc import GrpcServer
from wavelane_server.transport.listen import BACKLOG, bind
from wavelane_server.transport.stream_protocol import StreamProtocol
from wavelane_server.transport.wyoming import WyomingServer

if TYPE_CHECKING:
    from wavelane.model.base import LoadedModel

FINISH_S = 5.0
"""After the drain time, time for the finals of sessions that were ended (s)."""

CLOSING_TURNS = 20
"""Turns of the event loop between the end of a session and that of a drain: its own close frame needs six at most, and
one of a server that goes away (1012) must not overtake it."""

HEALTH_S = 0.5
"""Time between two looks at whether the gRPC health service still says the truth (s)."""


class _HttpServer(uvicorn.Server):
    """uvicorn, whose signals are handled by :mod:`wavelane_server.serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What a service has that shares its ports, and its engine, with other processes."""

    source: EngineSource
    """The engine."""
    scrape: Callable[[], Awaitable[bytes]]
    """What ``/metrics`` answers: Prometheus text of all processes."""


class Service:
    """A running server, for the event loop that it is made in.

    Args:
        config: the whole tree.
        engine: makes the model for an engine of this process, on another thread; or says where the engine is.
    """

    def __init__(self, config: Config, engine: "Callable[[Config], LoadedModel] | Elsewhere") -> None:
        self.config = config
        self.shared = isinstance(engine, Elsewhere)
        """Other processes listen on the same ports."""
        self.metrics = Metrics(engine=not self.shared)
        self.recognizer = Recognizer(config, self.metrics)
        self.http_port = 0
        self.grpc_port = 0
        self.more_ports: dict[str, int] = {}
        """Of single protocols, by the name of their setting."""
        if isinstance(engine, Elsewhere):
            self._source, scrape = engine.source, engine.scrape
        else:
            load, observer = engine, self.metrics.engine
            assert observer is not None
            self._source, scrape = LocalSource(lambda: load(config), config.engine, observer), self._scrape
        self._engine: EngineClient | None = None
        self._grpc: GrpcServer | None = None
        self._wyoming: WyomingServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._log = get_logger()
        limits = config.limits
        self._app = make_app(self.recognizer, scrape)
        self._http = _HttpServer(
            uvicorn.Config(
                self._app,
                http="httptools",
                ws=StreamProtocol,
                # No pings: a missed pong says more about a busy event loop or a paused reader than about the client.
                # Who says nothing for limits.idle_timeout_s is closed instead.
                ws_ping_interval=None,
                ws_ping_timeout=None,
                # Audio does not compress, and deflate costs memory and time for each connection.
                ws_per_message_deflate=False,
                ws_max_size=transport_bytes(limits),
                limit_concurrency=limits.max_connections,
                backlog=BACKLOG,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    async def start(self) -> None:
        """Listen, then load the model, or wait for the engine. ``/readyz`` says 503 until it is there.

        Raises:
            WavelaneError: a port is taken, or the model does not load.
        """
        server = self.config.server
        listeners = {"port": bind(server.host, server.port, "port", shared=self.shared)}
        self.http_port = listeners["port"].getsockname()[1]
        try:
            for name, port in server.more_ports.items():
                listeners[name] = bind(server.host, port, name.replace("_", "-"), shared=self.shared)
                self.more_ports[name] = listeners[name].getsockname()[1]
        except WavelaneError:
            for listener in listeners.values():
                listener.close()
            raise
        wyoming = listeners.pop("wyoming_port", None)
        self._app.state.ports = self.more_ports
        self._tasks.append(asyncio.create_task(self._http.serve(sockets=list(listeners.values()))))
        try:
            if wyoming is not None:
                self._wyoming = WyomingServer(self.recognizer)
                await self._wyoming.start(wyoming)
            if server.grpc:
                self._grpc = GrpcServer(self.recognizer, shared=self.shared)
                self.grpc_port = await self._grpc.start(server.host, server.grpc_port)
            self._engine = await self._source.start(self.recognizer.receive)
        except BaseException:
            await self.stop()
            raise
        self.recognizer.attach(self._engine)
        self._tasks.append(asyncio.create_task(self.metrics.sample_loop_delay()))
        self._tasks.append(asyncio.create_task(self.recognizer.report()))
        if not self.shared or self.config.session.vad.kind == "silero":
            self._tasks.append(asyncio.create_task(self.recognizer.judges.load()))
        if self._grpc is not None:
            self._tasks.append(asyncio.create_task(self._report(self._grpc)))

    async def drain(self) -> None:
        """Refuse new sessions; let those in progress finish, then end them with their finals."""
        self.recognizer.draining = True
        if self._grpc is not None:
            self._grpc.set_serving(False)
        live = len(self.recognizer.live)
        timeout = self.config.limits.drain_timeout_s
        if live:
            self._log.info("draining", sessions=live, seconds=timeout)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self.recognizer.wait_empty()
        for session in list(self.recognizer.live):
            session.fail(
                WavelaneError(
                    ErrorCode.SHUTTING_DOWN, "this server is shutting down; what was heard is final, connect again"
                )
            )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                await self.recognizer.wait_empty()
        # The lanes of the last session are free before its connection says how it ended.
        for _ in range(CLOSING_TURNS):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        """Close the sockets and end the engine."""
        self.recognizer.draining = True
        self._http.should_exit = True
        if self._grpc is not None:
            await self._grpc.stop()
        if self._wyoming is not None:
            await self._wyoming.stop()
        for task in self._tasks[1:]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.recognizer.judges.stop()
        await self._source.stop()

    async def _report(self, grpc: GrpcServer) -> None:
        """Run for ever: say on gRPC's health service what ``/readyz`` says."""
        while True:
            grpc.set_serving(self.recognizer.unready() is None)
            await asyncio.sleep(HEALTH_S)

    async def _scrape(self) -> bytes:
        self.metrics.look(None if self.recognizer.loading else self.recognizer.engine.stats)
        return render(self.metrics.registry)
