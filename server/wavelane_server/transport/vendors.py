"""What the gRPC services of other vendors have in common: they are there when their messages are installed, and load
when they are first called."""

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator
from typing import Any, Protocol

from google.protobuf.message import DecodeError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.adapters.base import Rejection
from wavelane_server.adapters.recognition import Host, RawAudio
from wavelane_server.bridge import Recognizer
from wavelane_server.transcript_formats import Transcript
from wavelane_server.transcription import PIECE_BYTES, transcribe
from wavelane_server.transport.calls import abort, warn

_loaded: dict[str, Any] = {}
"""Modules that are there as a whole."""


class Recording(Protocol):
    """How a protocol recognises a whole recording: a module of its adapter."""

    def ask(self, data: bytes, host: Host) -> tuple[Any, bytes]:
        """Read a request: what it asks for, and its audio.

        Raises:
            DecodeError: the bytes are no request.
            WavelaneError: the request asks for what cannot be.
        """

    def answer(self, asked: Any, transcript: Transcript) -> Any:
        """The response."""

    def rejection(self, error: WavelaneError) -> Rejection[Any]:
        """How an error is worded."""


def installed(package: str) -> bool:
    """Whether a package is there, without loading it."""
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False


async def load(module: str) -> Any:
    """A module of the adapters; the vendors' packages take long to load, which happens on another thread, once."""
    if module not in _loaded:
        _loaded[module] = await asyncio.to_thread(importlib.import_module, f"wavelane_server.adapters.{module}")
    return _loaded[module]


def host_of(recognizer: Recognizer) -> Host:
    """What a translation has to know. Raises OVERLOADED while the model is being loaded."""
    return Host(spec=recognizer.engine.spec, defaults=recognizer.config.session)


async def recognize(recognizer: Recognizer, context: Any, recording: Recording, data: bytes) -> Any:
    """Answer a request that holds a whole recording.

    Args:
        recognizer: opens the session.
        context: of the call (``grpc.aio.ServicerContext``).
        recording: the protocol.
        data: the request.
    """
    try:
        recognizer.admit()
        asked, audio = recording.ask(data, host_of(recognizer))
        transcript = await transcribe(recognizer, asked.values, _pieces(audio, asked.raw))
    except DecodeError as fault:
        error = WavelaneError(ErrorCode.INVALID_MESSAGE, f"the bytes are no request of this method: {fault}")
    except WavelaneError as refused:
        error = refused
    else:
        warn(context, [*asked.warnings, *transcript.warnings])
        return recording.answer(asked, transcript)
    await abort(recognizer, context, error, recording.rejection(error))
    return None


async def _pieces(data: bytes, raw: RawAudio | None) -> AsyncIterator[bytes]:
    for at in range(0, len(data), PIECE_BYTES):
        piece = data[at : at + PIECE_BYTES]
        yield piece if raw is None else raw.take(piece)
