"""What the examples with a page share: a Wavelane server, one's own or a child, and a small server for the page."""

import re
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from starlette.types import ASGIApp

from wavelane_client.server_process import ServerProcess


@asynccontextmanager
async def wavelane_server(url: str | None, page_port: int) -> AsyncIterator[str]:
    """The HTTP address of a server: ``url``, or that of a child that lives as long as the context.

    A browser lets a page connect to a server of another origin, but the server must agree: the child is told of the
    page's origin; one that runs already needs ``--server-allowed-origins``.

    Raises:
        WavelaneError: the child does not start.
    """
    if url is not None:
        yield re.sub("^ws", "http", url.rstrip("/"))
        return
    origins = f'["http://127.0.0.1:{page_port}", "http://localhost:{page_port}"]'
    async with ServerProcess(arguments=["--server-allowed-origins", origins, "--log-level", "warning"]) as server:
        yield server.http_url


async def serve_page(app: ASGIApp, port: int) -> None:
    """Serve at 127.0.0.1 until Ctrl-C or SIGTERM."""
    server = _PageServer(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", lifespan="off"))
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: setattr(server, "should_exit", True))
    await server.serve()


class _PageServer(uvicorn.Server):
    """Says when it is ready, and leaves the signals to us: uvicorn's own handling would end the process at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"Open http://127.0.0.1:{self.config.port}/ and speak. Ctrl-C ends.", flush=True)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
