"""One call of gRPC as a conversation, whatever its protocol."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import DecodeError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.base import Adapter, Rejection
from wavelane_server.bridge import Recognizer
from wavelane_server.conversation import Conversation, VanishedError

ABORT_TIMEOUT_S = 5.0
"""How long a status may take to leave for a client that does not read (s)."""

WARNING = "wavelane-warning"
"""Trailing metadata that says what was accepted and changes nothing; one entry for each."""

MOST_WARNINGS, LONGEST_WARNING = 8, 500
"""Of them, and characters of each: clients read 8 KiB of metadata."""

Request = TypeVar("Request", bound=Any)
Response = TypeVar("Response")


class _Link(Generic[Request, Response]):
    """See :class:`wavelane_server.conversation.Link`.

    Args:
        context: of the call.
        payload: bytes of audio in a request; 0 where it has none.
    """

    def __init__(self, context: Any, payload: Callable[[Request], int]) -> None:
        self._context = context
        self._payload = payload

    async def receive(self) -> Request | None:
        try:
            message = await self._context.read()
        except DecodeError as error:
            raise WavelaneError(
                ErrorCode.INVALID_MESSAGE, f"the bytes are no request of this method: {error}"
            ) from None
        return None if message is grpc.aio.EOF else message

    async def send(self, message: Response) -> None:
        try:
            await self._context.write(message)
        except (grpc.RpcError, grpc.aio.BaseError):
            raise VanishedError from None

    def offer(self, take: Callable[[Request], bool]) -> None:
        """The core hands messages to whoever awaits them, and to nobody else."""

    open_wide = False

    def send_now(self, message: Response) -> None:
        raise AssertionError("it is never open wide")

    def size(self, message: Request) -> int:
        return self._payload(message) or message.ByteSize()


async def converse(
    recognizer: Recognizer,
    context: Any,
    adapter: Adapter[Request, Response],
    payload: Callable[[Request], int],
    warnings: Iterable[str] = (),
) -> None:
    """One session as a call of two streams, of any protocol. Its cancellation frees the lanes.

    Args:
        recognizer: opens the session.
        context: of the call (``grpc.aio.ServicerContext``).
        adapter: the protocol.
        payload: bytes of audio in a request; 0 where it has none.
        warnings: filled by the adapter as it goes; told with the call's status.
    """
    try:
        recognizer.admit()
        error = await Conversation(recognizer, _Link(context, payload), adapter, refuse_by_status=True).run()
    except VanishedError:
        return
    except WavelaneError as refused:
        error = refused
    warn(context, warnings)
    if error is not None:
        await abort(recognizer, context, error, adapter.reject(error))


def warn(context: Any, warnings: Iterable[str]) -> None:
    """Have warnings told with the call's status."""
    if metadata := tuple((WARNING, _printable(text)) for text in islice(warnings, MOST_WARNINGS)):
        context.set_trailing_metadata(metadata)


def _printable(text: str) -> str:
    """As metadata takes it: printable ASCII, and no more of it than clients read."""
    return "".join(character if " " <= character <= "~" else "?" for character in text[:LONGEST_WARNING])


async def abort(
    recognizer: Recognizer, context: Any, error: WavelaneError, rejection: Rejection[Any] | None = None
) -> None:
    """End a call with an error's status; a client that has gone, or never reads, does not get it.

    Args:
        recognizer: knows when to try again.
        context: of the call (``grpc.aio.ServicerContext``).
        error: what is wrong.
        rejection: how the protocol says so; None: by the error's own status and sentence.
    """
    code, details = (error.status.grpc, error.message) if rejection is None else (rejection.grpc, rejection.reason)
    metadata = [("wavelane-error-code", error.code.value)]
    if error.code in (ErrorCode.OVERLOADED, ErrorCode.SHUTTING_DOWN):
        metadata.append(("retry-after-ms", str(recognizer.config.limits.retry_after_s * 1000)))
    try:
        async with asyncio.timeout(ABORT_TIMEOUT_S):
            await context.abort(grpc.StatusCode[code], details, tuple(metadata))
    except grpc.aio.AbortError:
        raise
    except (grpc.aio.BaseError, TimeoutError):
        return
