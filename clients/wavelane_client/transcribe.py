"""One source through one session: audio out and events in at the same time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from wavelane.errors import WavelaneError
from wavelane_client.client import Stream, connect
from wavelane_client.file import Block
from wavelane_client.messages import ServerEvent


async def transcribe(
    url: str, blocks: AsyncIterator[Block], options: Mapping[str, Any], on_event: Callable[[ServerEvent], None]
) -> None:
    """Recognise a source to its end.

    Args:
        url: of the server, as in :func:`wavelane_client.client.connect`.
        blocks: the audio, paced as it is to be sent.
        options: of the session.
        on_event: is given ``Ready`` and every event after it.

    Raises:
        WavelaneError: the fault of server or source, after the finals of what was heard.
    """
    async with connect(url, **options) as stream:
        on_event(stream.ready)
        sender = asyncio.create_task(_send(stream, blocks), name="wavelane-sender")
        try:
            async for event in stream:
                on_event(event)
            await sender
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)


async def _send(stream: Stream, blocks: AsyncIterator[Block]) -> None:
    try:
        async for block in blocks:
            await stream.send(block.data)
    except WavelaneError:
        await stream.end()  # the source broke: what it gave is finalised (a session that broke raises its own error)
        raise
    await stream.end()
