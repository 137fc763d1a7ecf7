"""gRPC on ``grpc.aio``: the stream, the services of other vendors, health and reflection."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_protos.wavelane.v1 import asr_pb2_grpc as pb_grpc
from wavelane_server.adapters.handshake import Handshake, bearer
from wavelane_server.adapters.protobuf import ProtobufAdapter
from wavelane_server.bridge import Recognizer
from wavelane_server.limits import transport_bytes
from wavelane_server.transport import google, riva
from wavelane_server.transport.calls import abort, converse
from wavelane_server.transport.listen import bind
from wavelane_server.transport.vendors import installed

GOOGLE_KEY = "x-goog-api-key"
"""Metadata in which Google's clients send an API key."""

SERVICE: str = pb.DESCRIPTOR.services_by_name["SpeechRecognizer"].full_name


class _Recognizer(pb_grpc.SpeechRecognizerServicer):
    """The native service."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer

    async def Stream(self, request_iterator: Any, context: Any) -> None:  # noqa: N802
        """One session."""
        await converse(self._recognizer, context, ProtobufAdapter(), lambda request: len(request.audio))


class _Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Asks every call for an API key, but those of health and reflection."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """See :class:`grpc.aio.ServerInterceptor`."""
        handler = await continuation(details)
        if handler is None or details.method.startswith("/grpc."):
            return handler
        metadata = {name: value for name, value in details.invocation_metadata if isinstance(value, str)}
        key = bearer(Handshake(headers=metadata)) or metadata.get(GOOGLE_KEY)
        try:
            self._recognizer.keys.check(key)
        except WavelaneError as error:
            return _refusing(handler, self._recognizer, error)
        return handler


def _refusing(handler: Any, recognizer: Recognizer, error: WavelaneError) -> Any:
    """A handler of the same kind that answers with an error."""

    async def refuse(request: Any, context: Any) -> None:
        await abort(recognizer, context, error)

    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)


class GrpcServer:
    """The gRPC side of a service.

    Args:
        recognizer: opens sessions.
        shared: other processes listen on the port too.
    """

    def __init__(self, recognizer: Recognizer, *, shared: bool = False) -> None:
        self._shared = shared
        self._serving = False
        self._server = grpc.aio.server(
            interceptors=[_Guard(recognizer)],
            options=[
                ("grpc.max_receive_message_length", transport_bytes(recognizer.config.limits)),
                # Another server on the same port must be an error, not a coin toss for each connection.
                ("grpc.so_reuseport", int(shared)),
                # Clients that vanished are found by pings, which the core answers however busy either side's
                # application is.
                ("grpc.keepalive_time_ms", 30_000),
                ("grpc.keepalive_timeout_ms", 60_000),
                ("grpc.keepalive_permit_without_calls", 1),
                # Clients may ping as often as every 10 s; the core's default closes them with ENHANCE_YOUR_CALM.
                ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
                ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
            ],
        )
        self._health = health.aio.HealthServicer()
        self._tasks: set[asyncio.Task[None]] = set()
        pb_grpc.add_SpeechRecognizerServicer_to_server(  # type: ignore[no-untyped-call]
            _Recognizer(recognizer), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME]
        for vendor in (google, riva):
            if installed(vendor.PACKAGE):
                self._server.add_generic_rpc_handlers((vendor.handler(recognizer),))
                names.append(vendor.SERVICE)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int) -> int:
        """Listen. Returns the port.

        Raises:
            WavelaneError: INVALID_CONFIG, naming the port and the flag that changes it.
        """
        if port and not self._shared:
            # The core logs its own noise on a taken port; ask in our words first.
            bind(host, port, "grpc-port").close()
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound: int = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"port {port} of {host} cannot be bound ({error}); choose another one with --grpc-port, or 0 for any, "
                "or serve without gRPC with --no-server-grpc",
            ) from None
        await self._set(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self._server.start()
        return bound

    def set_serving(self, serving: bool) -> None:
        """Say on the health service whether new sessions are welcome."""
        if serving == self._serving:
            return
        self._serving = serving
        response = health_pb2.HealthCheckResponse
        task = asyncio.get_running_loop().create_task(self._set(response.SERVING if serving else response.NOT_SERVING))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Close; calls in progress get a second to finish."""
        await self._server.stop(1.0)

    async def _set(self, status: Any) -> None:
        for service in ("", SERVICE):
            await self._health.set(service, status)
