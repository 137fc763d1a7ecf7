"""One server: its model, its engine and its sockets, from start to drain."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator

import uvicorn

from wavelane.engine import Engine
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane_server.app import make_app
from wavelane_server.bridge import Recognizer
from wavelane_server.config import Config
from wavelane_server.limits import transport_bytes
from wavelane_server.logs import get_logger
from wavelane_server.metrics import Metrics
from wavelane_server.transport.grpc import GrpcServer
from wavelane_server.transport.listen import BACKLOG, bind
from wavelane_server.transport.websocket import StreamProtocol

FINISH_S = 5.0
"""After the drain time, time for the finals of sessions that were ended (s)."""


class _HttpServer(uvicorn.Server):
    """uvicorn, whose signals are handled by :mod:`wavelane_server.serve`."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield


class Service:
    """A running server, for the event loop that it is made in.

    Args:
        config: the whole tree.
        load: makes the model; runs on another thread.
    """

    def __init__(self, config: Config, load: Callable[[Config], LoadedModel]) -> None:
        self.config = config
        self.metrics = Metrics()
        self.recognizer = Recognizer(config, self.metrics)
        self.http_port = 0
        self.grpc_port = 0
        self._load = load
        self._engine: Engine | None = None
        self._grpc: GrpcServer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._log = get_logger()
        limits = config.limits
        self._http = _HttpServer(
            uvicorn.Config(
                make_app(self.recognizer),
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
        """Listen, then load the model. ``/readyz`` says 503 until it is loaded.

        Raises:
            WavelaneError: a port is taken, or the model does not load.
        """
        server = self.config.server
        listener = bind(server.host, server.port, "port")
        self.http_port = listener.getsockname()[1]
        self._tasks.append(asyncio.create_task(self._http.serve(sockets=[listener])))
        try:
            if server.grpc:
                self._grpc = GrpcServer(self.recognizer)
                self.grpc_port = await self._grpc.start(server.host, server.grpc_port)
            await asyncio.to_thread(self._start_engine)
        except BaseException:
            await self.stop()
            raise
        assert self._engine is not None
        self.recognizer.attach(self._engine)
        if self._grpc is not None:
            self._grpc.set_serving(True)
        self._tasks.append(asyncio.create_task(self.metrics.sample_loop_delay()))
        self._tasks.append(asyncio.create_task(self.recognizer.judges.load()))

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

    async def stop(self) -> None:
        """Close the sockets and end the engine."""
        self.recognizer.draining = True
        self._http.should_exit = True
        if self._grpc is not None:
            await self._grpc.stop()
        sampler = self._tasks[1:]
        for task in sampler:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.recognizer.judges.stop()
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop, False, 1.0)

    def _start_engine(self) -> None:
        engine = Engine(self._load(self.config), self.config.engine, self.recognizer.sink, self.metrics)
        engine.start()
        self._engine = engine
        engine.warm_up()
