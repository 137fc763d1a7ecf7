"""The process that users start: it owns the ports and the other processes, and starts anew what dies or hangs."""

import asyncio
import itertools
import shutil
import socket
import sys
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.config import Config
from wavelane_server.frontends.control import Channel, Line, Word, pack_config
from wavelane_server.logs import get_logger
from wavelane_server.metrics import Family
from wavelane_server.service import FINISH_S
from wavelane_server.transport.listen import reserve

FRONT_END_TIMEOUT_S = 30.0
"""A front end whose event loop says nothing for so long (s) is killed and started again."""

WATCH_S = 0.5
"""Time between two looks at the signs of life (s)."""

REPORT_S = 1.0
"""How long a process may take to tell its metrics (s); one that does not is left out."""

SHORT_LIFE_S = 10.0
"""A process that dies sooner after its start is started again later and later."""

LONGEST_PAUSE_S = 5.0
"""Longest pause before a process is started again (s)."""

END_S = 10.0
"""Time for a process to end once it has nothing more to do (s); then it is killed."""


class Child:
    """One process and its successors.

    Args:
        name: in logs and as the label ``process`` of its metrics.
        role: ``engine`` or ``frontend``.
        timeout_s: longest silence (s) of one that lives.
    """

    def __init__(self, name: str, role: str, timeout_s: float) -> None:
        self.name = name
        self.role = role
        self.timeout = timeout_s
        self.process: asyncio.subprocess.Process | None = None
        self.channel: Channel | None = None
        self.ready = asyncio.Event()
        """It serves."""
        self.served: dict[str, Any] = {}
        """What it told when it was ready."""
        self.failure: str | None = None
        """Why it could not start."""
        self.started_at = 0.0
        self.heard_at = 0.0

    def say(self, word: Word, **values: object) -> None:
        """Tell it something, if it lives."""
        if self.channel is not None:
            self.channel.say(word, **values)

    def kill(self) -> None:
        """End it at once."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.kill()


class Supervisor:
    """Runs one engine process and ``server.frontends`` front ends.

    Args:
        config: the whole tree.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self.http_port = 0
        self.grpc_port = 0
        self.more_ports: dict[str, int] = {}
        self._log = get_logger()
        self._engine = Child("engine", "engine", config.server.engine_timeout_s)
        self._front_ends = [
            Child(f"frontend-{number}", "frontend", FRONT_END_TIMEOUT_S) for number in range(config.server.frontends)
        ]
        self._children = [self._engine, *self._front_ends]
        self._folder: Path | None = None
        self._ports: list[socket.socket] = []
        self._tasks: dict[Child, asyncio.Task[None]] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._up = False
        self._stopping = False
        self._numbers = itertools.count()
        self._reports: dict[int, asyncio.Future[list[Family]]] = {}
        self._scrapes: set[asyncio.Task[None]] = set()
        self._restarts: Counter[str] = Counter()

    @property
    def served(self) -> dict[str, Any]:
        """What is served, for the log."""
        return {**self._engine.served, "frontends": len(self._front_ends)}

    async def start(self, stopping: asyncio.Event) -> None:
        """Take the ports and start all processes; returns when they serve, or when ``stopping`` is set.

        Raises:
            WavelaneError: a port is taken, the model does not load, or this system cannot share ports.
        """
        if not sys.platform.startswith("linux"):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"several processes can share a port on Linux only, and this is {sys.platform}: set server.frontends "
                "to 0",
            )
        server = self.config.server
        http = reserve(server.host, server.port, "port")
        self._ports.append(http)
        self.http_port = http.getsockname()[1]
        if server.grpc:
            grpc = reserve(server.host, server.grpc_port, "grpc-port")
            self._ports.append(grpc)
            self.grpc_port = grpc.getsockname()[1]
        for name, port in server.more_ports.items():
            self._ports.append(reserve(server.host, port, name.replace("_", "-")))
            self.more_ports[name] = self._ports[-1].getsockname()[1]
        self._folder = Path(tempfile.mkdtemp(prefix="wavelane-"))  # nobody else may enter it
        for child in self._children:
            self._tasks[child] = asyncio.create_task(self._tend(child))
        all_ready = asyncio.gather(*(child.ready.wait() for child in self._children))
        stop = asyncio.create_task(stopping.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {all_ready, stop, *self._tasks.values()}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks.values():
                if task.done():
                    task.result()
        except BaseException:
            await self._end()
            raise
        finally:
            stop.cancel()
            all_ready.cancel()
            await asyncio.gather(stop, all_ready, return_exceptions=True)
        self._up = all(child.ready.is_set() for child in self._children)
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Let the front ends finish their sessions, then end everything."""
        self._stopping = True
        if self._up:
            for child in self._front_ends:
                child.say(Word.DRAIN)
            patience = self.config.limits.drain_timeout_s + FINISH_S + END_S
            await asyncio.wait([self._tasks[child] for child in self._front_ends], timeout=patience)
            self._engine.say(Word.STOP)
            await asyncio.wait([self._tasks[self._engine]], timeout=END_S)
        await self._end()

    def clean(self) -> None:
        """Leave nothing behind. Processes end with this one."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    async def _end(self) -> None:
        self._stopping = True
        if self._watcher is not None:
            self._watcher.cancel()
        for child in self._children:
            child.kill()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        for port in self._ports:
            port.close()
        self.clean()

    async def _tend(self, child: Child) -> None:
        """Start a process, listen to it, and start it again when it has died.

        Raises:
            WavelaneError: it did not get as far as to serve, and none of its predecessors did.
        """
        loop = asyncio.get_running_loop()
        pause = 0.0
        while not self._stopping:
            try:
                await self._spawn(child)
            except OSError as error:
                if not self._up:
                    raise WavelaneError(
                        ErrorCode.INTERNAL, f"the process {child.name} cannot be started: {error.strerror}"
                    ) from None
                # Out of memory or of descriptors, which may be what its predecessor died of.
                pause = _longer(pause)
                self._log.error("process not started", process=child.name, reason=error.strerror, again_in_s=pause)
                await asyncio.sleep(pause)
                continue
            assert child.channel is not None
            assert child.process is not None
            if self._stopping:
                child.kill()  # it came too late for those who end all others
            log = self._log.bind(process=child.name, pid=child.process.pid)
            log.info("process started")
            async for line in child.channel.hear():
                self._hear(child, line)
            child.ready.clear()
            child.channel.close()
            child.kill()
            status = await child.process.wait()
            if self._stopping:
                return
            if not self._up:
                raise WavelaneError(
                    ErrorCode.INTERNAL,
                    child.failure or f"the process {child.name} ended with status {status} before it was ready",
                )
            self._restarts[child.name] += 1
            lived = loop.time() - child.started_at
            pause = 0.0 if lived > SHORT_LIFE_S else _longer(pause)
            log.error("process died", status=status, reason=child.failure, again_in_s=pause)
            await asyncio.sleep(pause)

    async def _spawn(self, child: Child) -> None:
        ours, theirs = socket.socketpair()
        child.failure = None
        try:
            with theirs:
                child.process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "wavelane_server.frontends", str(theirs.fileno())),
                    pass_fds=(theirs.fileno(),),
                    stdin=asyncio.subprocess.DEVNULL,
                )
            child.channel = await Channel.of(ours)
        except BaseException:
            ours.close()
            raise
        child.started_at = child.heard_at = asyncio.get_running_loop().time()
        assert self._folder is not None
        ports = {"port": self.http_port, "grpc_port": self.grpc_port, **self.more_ports}
        config = self.config.model_copy(update={"server": self.config.server.model_copy(update=ports)})
        child.say(Word.BEGIN, role=child.role, config=pack_config(config), socket=str(self._folder / "engine"))
        if child.role == "frontend" and self._engine.ready.is_set():
            child.say(Word.ENGINE)

    def _hear(self, child: Child, line: Line) -> None:
        child.heard_at = asyncio.get_running_loop().time()
        match line.word:
            case Word.READY:
                child.served = line.values
                child.ready.set()
                if child is self._engine:
                    for front_end in self._front_ends:
                        front_end.say(Word.ENGINE)
            case Word.FAILED:
                child.failure = line.values["message"]
                child.kill()
            case Word.BEAT:
                if child.ready.is_set() and not line.values["healthy"]:
                    self._log.error("process hangs and is killed", process=child.name, why="unhealthy")
                    child.kill()
            case Word.SCRAPE:
                task = asyncio.create_task(self._answer(child, line.values["id"]))
                self._scrapes.add(task)
                task.add_done_callback(self._scrapes.discard)
            case Word.METRICS:
                waiter = self._reports.pop(line.values["id"], None)
                if waiter is not None and not waiter.done():
                    waiter.set_result(line.values["families"])

    async def _watch(self) -> None:
        """Kill what is silent. It is not silent while it starts: loading takes its time."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + WATCH_S
            await asyncio.sleep(WATCH_S)
            now = loop.time()
            for child in self._children:
                if now - due > WATCH_S:
                    child.heard_at = now  # we were late ourselves
                if child.ready.is_set() and now - child.heard_at > child.timeout:
                    self._log.error("process hangs and is killed", process=child.name, silent_s=child.timeout)
                    child.ready.clear()
                    child.kill()

    async def _answer(self, asker: Child, number: int) -> None:
        """Collect the metrics of all processes for one of them."""
        reports = {child.name: self._ask(child) for child in self._children if child.channel is not None}
        _, late = await asyncio.wait(reports.values(), timeout=REPORT_S)
        told = {name: report.result() for name, report in reports.items() if report.done()}
        for report in late:
            report.cancel()
        told["supervisor"] = [
            {
                "name": "wavelane_process_restarts",
                "help": "Times that a process died and was started again",
                "type": "counter",
                "samples": [
                    ["wavelane_process_restarts_total", {"child": child.name}, self._restarts[child.name]]
                    for child in self._children
                ],
            }
        ]
        asker.say(Word.METRICS, id=number, families=told)

    def _ask(self, child: Child) -> "asyncio.Future[list[Family]]":
        number = next(self._numbers)
        report: asyncio.Future[list[Family]] = asyncio.get_running_loop().create_future()
        self._reports[number] = report
        report.add_done_callback(lambda _: self._reports.pop(number, None))
        child.say(Word.REPORT, id=number)
        return report


def _longer(pause: float) -> float:
    return min(LONGEST_PAUSE_S, max(0.1, 2 * pause))
