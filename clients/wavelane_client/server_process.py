"""A server of one's own: ``wavelane serve`` in a process beside this one, for the demo and for measurements."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import httpx

from wavelane.errors import ErrorCode, WavelaneError

READY_TIMEOUT = 120.0
"""Seconds for the model to be loaded."""
DRAIN_TIMEOUT = 30.0
POLL_SECONDS = 0.02
PORTS_TRIED = 100


class ServerProcess:
    """Starts a server on entry, drains it on exit.

    Args:
        host: address to bind.
        port: of HTTP and WebSocket; 0 takes a free one.
        grpc_port: of gRPC; 0 takes a free one.
        arguments: more flags of ``wavelane serve``.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, grpc_port: int = 0, arguments: Sequence[str] = ()
    ) -> None:
        self.host = host
        self.port = port or free_port(host)
        self.grpc_port = grpc_port or free_port(host)
        self.seconds_to_ready = 0.0
        """From the start of the process to the first answer that it is ready (s)."""
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop()

    @property
    def http_url(self) -> str:
        """Address of the page."""
        return f"http://{_reachable(self.host)}:{self.port}"

    @property
    def url(self) -> str:
        """Address for WebSocket clients."""
        return f"ws://{_reachable(self.host)}:{self.port}"

    @property
    def grpc_url(self) -> str:
        """Address for gRPC clients."""
        return f"grpc://{_reachable(self.host)}:{self.grpc_port}"

    @property
    def pid(self) -> int:
        """The process; only while it runs."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """False before the start and when the server has ended, by whatever cause."""
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            WavelaneError: INTERNAL with the server's last words when it ends or is not ready in time.
        """
        started = time.perf_counter()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "wavelane_server", "serve", "--host", self.host),
            *("--port", str(self.port), "--grpc-port", str(self.grpc_port), "--while-stdin", *self._arguments),
            # Closed with this process, even by a signal that no cleaning up survives: the server ends then.
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            # A group of its own: Ctrl-C on the terminal goes to this program alone, which then drains the server.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        async with httpx.AsyncClient(base_url=self.http_url, trust_env=False) as client:
            while time.perf_counter() - started < READY_TIMEOUT:
                if not self.running:
                    raise WavelaneError(ErrorCode.INTERNAL, f"the server did not start: {self.last_words()}")
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/readyz")).status_code == 200:
                        self.seconds_to_ready = time.perf_counter() - started
                        return
                await asyncio.sleep(POLL_SECONDS)
        raise WavelaneError(
            ErrorCode.INTERNAL, f"the server was not ready within {READY_TIMEOUT:g} s: {self.last_words()}"
        )

    async def wait(self) -> int:
        """Wait until the server has ended by itself; gives its exit code."""
        assert self._process is not None
        return await self._process.wait()

    async def stop(self) -> int | None:
        """Drain the server and wait for its end; kill it when it takes too long. Gives its exit code."""
        code = None
        if self._process is not None:
            if self.running:
                self._process.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT))
            try:
                async with asyncio.timeout(DRAIN_TIMEOUT):
                    code = await self._process.wait()
            except TimeoutError:
                self.kill()
                code = await self._process.wait()
        self._log.close()
        return code

    def kill(self) -> None:
        """End the process at once."""
        if self._process is not None and self.running:
            self._process.kill()

    def last_words(self, lines: int = 5) -> str:
        """The end of the server's log."""
        self._log.seek(0)
        text = self._log.read().decode(errors="replace").strip()
        return "\n".join(text.splitlines()[-lines:]) or "it said nothing"


def free_port(host: str) -> int:
    """A port that was free a moment ago."""
    with _listener(host, 0) as listener:
        return int(listener.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    """Whether a port can be bound now."""
    try:
        _listener(host, port).close()
    except OSError:
        return False
    return True


def next_free_port(host: str, port: int) -> int:
    """The first free port from ``port`` on. Raises INVALID_CONFIG when none of the next hundred is."""
    for candidate in range(port, min(port + PORTS_TRIED, 65_536)):
        if is_free(host, candidate):
            return candidate
    raise WavelaneError(ErrorCode.INVALID_CONFIG, f"no port from {port} on is free at {host}: choose one with --port")


def _listener(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"the address {host!r} cannot be bound: {error.strerror} (--host)"
        ) from None
    listener = socket.socket(family, kind, protocol)
    try:
        if sys.platform != "win32":  # there, the option would let two servers share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except BaseException:
        listener.close()
        raise
    return listener


def _reachable(host: str) -> str:
    """An address under which this machine reaches a server bound to ``host``."""
    if host in ("0.0.0.0", ""):
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host
