"""A whole recording through a session of its own, for requests that have one answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE, Closed, Failed, Final
from wavelane_server.adapters.base import Outgoing, Reply
from wavelane_server.bridge import Recognizer
from wavelane_server.outbox import Outbox
from wavelane_server.transcript_formats import Transcript

PIECE_BYTES = 8_192
"""What is decoded at a time: little enough that a low bit rate does not become a long backlog."""

_WAITING = 65_536
"""Events that may wait within the server: they are collected as they come."""


async def transcribe(
    recognizer: Recognizer,
    values: dict[str, Any],
    pieces: AsyncIterator[bytes],
    listen: Callable[[Outgoing | Reply], None] = lambda event: None,
) -> Transcript:
    """Feed a recording to a session, no faster than it is recognised.

    Args:
        recognizer: opens the session.
        values: options of the session.
        pieces: the bytes, about :data:`PIECE_BYTES` at a time.
        listen: is told every event as it comes.

    Raises:
        WavelaneError: the session could not be opened or failed; INVALID_AUDIO where nothing of the recording could be
            decoded, MESSAGE_TOO_BIG where it is too long.
    """
    outbox = Outbox(_WAITING)
    live = await recognizer.open(values, outbox)
    collector = asyncio.create_task(_collect(outbox, listen))
    limit = recognizer.config.limits.max_audio_seconds
    size = 0
    try:
        async for piece in pieces:
            if live.ended:
                break
            size += len(piece)
            await live.writable()
            # Neither waits where nothing has to be recognised, as in silence: others have their turn all the same.
            await asyncio.sleep(0)
            await live.receive_audio(piece)
            if live.received > limit * CLOCK_RATE:
                live.fail(
                    WavelaneError(
                        ErrorCode.MESSAGE_TOO_BIG,
                        f"the file holds more than {limit:g} s of audio (setting limits.max_audio_seconds): stream it "
                        "to /v1/stream instead",
                    )
                )
        if not live.ended:
            await live.end()
        finals, warnings, received = await collector
    finally:
        collector.cancel()
        live.close()
    if live.failure is not None:
        raise live.failure
    if not received and (warnings or not size):
        raise WavelaneError(ErrorCode.INVALID_AUDIO, warnings[0] if warnings else "the file is empty")
    return Transcript(
        finals=[final for final in finals if final.text],
        received=received,
        language=live.options.language or next(iter(recognizer.engine.spec.languages), None),
        warnings=warnings,
    )


async def _collect(outbox: Outbox, listen: Callable[[Outgoing | Reply], None]) -> tuple[list[Final], list[str], int]:
    """Finals, warnings and the audio received (sample clock)."""
    finals: list[Final] = []
    warnings: list[str] = []
    while True:
        event = (await outbox.get()).event
        listen(event)
        if isinstance(event, Final):
            finals.append(event)
        elif isinstance(event, Failed) and not event.fatal:
            warnings.append(event.message)
        elif isinstance(event, Closed):
            return finals, warnings, event.received
