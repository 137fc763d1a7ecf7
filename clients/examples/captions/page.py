"""The page of captions, for a browser source of OBS: one small server that tells every viewer what to show."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

PAGE = Path(__file__).parent / "page.html"

Lines = list[tuple[str, str]]
"""Each line as what is certain and what may still change."""


class Board:
    """What is shown now. Viewers get the newest state, however slow they are."""

    def __init__(self) -> None:
        self._lines: Lines = []
        self._changed = asyncio.Event()
        self._open = True

    def show(self, lines: Lines) -> None:
        """Show these lines in place of others."""
        self._lines = lines
        self._changed.set()
        self._changed = asyncio.Event()

    def close(self) -> None:
        """Let the viewers go."""
        self._open = False
        self._changed.set()

    async def watch(self) -> AsyncIterator[Lines]:
        """What is shown, now and after each change."""
        while self._open:
            changed = self._changed
            yield self._lines
            await changed.wait()


@asynccontextmanager
async def serving(board: Board, port: int) -> AsyncIterator[str]:
    """Serve the page on this machine; gives its address.

    Raises:
        OSError: the port is taken.
    """

    async def page(_request: Request) -> FileResponse:
        return FileResponse(PAGE)

    async def events(_request: Request) -> StreamingResponse:
        async def stream() -> AsyncIterator[str]:
            async for lines in board.watch():
                yield f"data: {json.dumps(lines)}\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"cache-control": "no-store"})

    app = Starlette(
        routes=[Route("/", page), Route("/events", events)],
        # Other sites must not read along by giving their name this machine's address.
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])],
    )
    with socket.create_server(("127.0.0.1", port)) as listener:
        server = _Server(uvicorn.Config(app, log_level="warning", lifespan="off", timeout_graceful_shutdown=2))
        task = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            board.close()
            server.should_exit = True
            await task


class _Server(uvicorn.Server):
    """Leaves Ctrl-C to the program, which has last words to wait for."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
