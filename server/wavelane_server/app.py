"""The ASGI application: routes, the page, and the answers to errors."""

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from wavelane.errors import WavelaneError
from wavelane_server.adapters.assemblyai.adapter import PROTOCOL as ASSEMBLYAI
from wavelane_server.adapters.deepgram import LISTEN_V1, LISTEN_V2
from wavelane_server.adapters.handshake import Handshake, WebSocketProtocol, bearer
from wavelane_server.adapters.native import PROTOCOL as NATIVE
from wavelane_server.adapters.openai.realtime import PROTOCOL as OPENAI
from wavelane_server.adapters.schema import render
from wavelane_server.adapters.sherpa import PROTOCOL as SHERPA
from wavelane_server.adapters.vosk import PROTOCOL as VOSK
from wavelane_server.bridge import Recognizer
from wavelane_server.health import livez, metrics, readyz
from wavelane_server.profiles.http import delete_profile, get_profile, put_profile
from wavelane_server.transport.deepgram import listen
from wavelane_server.transport.http import models, transcriptions
from wavelane_server.transport.websocket import Stream, error_response

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self' ws: wss:; media-src 'self' blob:; worker-src 'self' blob:; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page loads nothing but its own files; it talks to this server and to any WebSocket that the user names."""

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self)",
    # Files have no version in their names: browsers ask each time and are answered with 304.
    "Cache-Control": "no-cache",
}


class _Page:
    """Adds the page's headers to static files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)


class _Guarded:
    """Asks HTTP requests for an API key; protocols over WebSocket ask for theirs themselves."""

    def __init__(self, app: ASGIApp, recognizer: Recognizer) -> None:
        self._app = app
        self._recognizer = recognizer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._recognizer.keys.check(bearer(Handshake(headers=Headers(scope=scope))))
        await self._app(scope, receive, send)


class _ByPort:
    """The WebSocket at ``/``, which is another protocol on a port of its own."""

    def __init__(self, protocols: Mapping[str, WebSocketProtocol], default: WebSocketProtocol) -> None:
        self._streams = {name: Stream(protocol) for name, protocol in protocols.items()}
        self._default = Stream(default)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        _, port = scope["server"]
        name = next((name for name, other in scope["app"].state.ports.items() if other == port), "")
        await self._streams.get(name, self._default)(scope, receive, send)


async def schema(request: Request) -> Response:
    """JSON schema of the native protocol's messages."""
    return Response(render(), media_type="application/schema+json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, WavelaneError)
    recognizer: Recognizer = request.app.state.recognizer
    return error_response(error, recognizer.config.limits.retry_after_s)


async def _missing(request: Request, error: Exception) -> Response:
    status: int = getattr(error, "status_code", 404)
    detail = getattr(error, "detail", "not found")
    headers = getattr(error, "headers", None)
    code = "not_found" if status == 404 else "method_not_allowed" if status == 405 else "invalid_message"
    return JSONResponse({"error": {"code": code, "message": f"{request.url.path}: {detail}"}}, status, headers)


async def _gone(request: Request, error: Exception) -> Response:
    """The client left before its body was there: nobody hears this, and nothing is wrong here."""
    return Response(status_code=499)


def make_app(recognizer: Recognizer, scrape: Callable[[], Awaitable[bytes]]) -> Starlette:
    """The application over one recogniser; ``scrape`` gives what ``/metrics`` answers."""
    page = Path(str(files("wavelane_server") / "web"))
    routes = [
        Route("/livez", livez),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/v1/listen", listen, methods=["POST"]),
        WebSocketRoute("/v1/listen", Stream(LISTEN_V1)),
        WebSocketRoute("/v2/listen", Stream(LISTEN_V2)),
        Mount(
            "/v1",
            routes=[
                Route("/models", models),
                Route("/schema", schema),
                Route("/audio/transcriptions", transcriptions, methods=["POST"]),
                Route("/profiles/{key}", get_profile),
                Route("/profiles/{key}", put_profile, methods=["PUT"]),
                Route("/profiles/{key}", delete_profile, methods=["DELETE"]),
                WebSocketRoute("/stream", Stream(NATIVE)),
                WebSocketRoute("/realtime", Stream(OPENAI)),
            ],
            middleware=[Middleware(_Guarded, recognizer)],
        ),
        WebSocketRoute("/", _ByPort({"sherpa_port": SHERPA}, default=VOSK)),
        WebSocketRoute("/v3/ws", Stream(ASSEMBLYAI)),
        WebSocketRoute("/sherpa", Stream(SHERPA)),
        Mount("/", app=_Page(StaticFiles(directory=page, html=True, check_dir=False)), name="page"),
    ]
    middleware = []
    if origins := recognizer.config.server.allowed_origins:
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["GET", "POST"], allow_headers=["*"])
        )
    app = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={WavelaneError: _refused, HTTPException: _missing, ClientDisconnect: _gone},
    )
    app.state.recognizer = recognizer
    app.state.scrape = scrape
    app.state.ports = {}
    return app
