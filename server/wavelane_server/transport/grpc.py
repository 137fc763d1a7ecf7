"""gRPC on ``grpc.aio``: the stream, health and reflection."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_protos.wavelane.v1 import asr_pb2_grpc as pb_grpc
from wavelane_server.adapters.protobuf import ProtobufAdapter
from wavelane_server.bridge import Recognizer
from wavelane_server.conversation import Conversation, VanishedError
from wavelane_server.limits import transport_bytes
from wavelane_server.transport.listen import bind

ABORT_TIMEOUT_S = 5.0
"""How long a status may take to leave for a client that does not read (s)."""

SERVICE: str = pb.DESCRIPTOR.services_by_name["SpeechRecognizer"].full_name


class _Link:
    """See :class:`wavelane_server.conversation.Link`."""

    def __init__(self, context: Any) -> None:
        self._context = context

    async def receive(self) -> pb.StreamRequest | None:
        try:
            message = await self._context.read()
        except DecodeError as error:
            raise WavelaneError(ErrorCode.INVALID_MESSAGE, f"the bytes are no StreamRequest: {error}") from None
        return None if message is grpc.aio.EOF else message

    async def send(self, message: pb.StreamResponse) -> None:
        try:
            await self._context.write(message)
        except (grpc.RpcError, grpc.aio.BaseError):
            raise VanishedError from None

    def offer(self, take: Callable[[pb.StreamRequest], bool]) -> None:
        """The core hands messages to whoever awaits them, and to nobody else."""

    open_wide = False

    def send_now(self, message: pb.StreamResponse) -> None:
        raise AssertionError("it is never open wide")

    def size(self, message: pb.StreamRequest) -> int:
        return len(message.audio) or message.ByteSize()


class _Recognizer(pb_grpc.SpeechRecognizerServicer):
    """The native service."""

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer

    async def Stream(self, request_iterator: Any, context: Any) -> None:  # noqa: N802
        """One session. Cancellation and deadlines cancel this coroutine, which frees the lanes."""
        adapter = ProtobufAdapter()
        try:
            self._recognizer.admit()
            error = await Conversation(self._recognizer, _Link(context), adapter, refuse_by_status=True).run()
        except VanishedError:
            return
        except WavelaneError as refused:
            error = refused
        if error is not None:
            await self._end(context, error)

    async def _end(self, context: Any, error: WavelaneError) -> None:
        """The status; a client that has gone, or never reads, does not get it."""
        try:
            async with asyncio.timeout(ABORT_TIMEOUT_S):
                await context.abort(grpc.StatusCode[error.status.grpc], error.message, self._metadata(error))
        except grpc.aio.AbortError:
            raise
        except (grpc.aio.BaseError, TimeoutError):
            return

    def _metadata(self, error: WavelaneError) -> tuple[tuple[str, str], ...]:
        metadata = [("wavelane-error-code", error.code.value)]
        if error.code in (ErrorCode.OVERLOADED, ErrorCode.SHUTTING_DOWN):
            metadata.append(("retry-after-ms", str(self._recognizer.config.limits.retry_after_s * 1000)))
        return tuple(metadata)


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
            ]
        )
        self._health = health.aio.HealthServicer()
        self._tasks: set[asyncio.Task[None]] = set()
        pb_grpc.add_SpeechRecognizerServicer_to_server(  # type: ignore[no-untyped-call]
            _Recognizer(recognizer), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

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
