"""A whole recording through a session, over a session that has nothing to wait for."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

from wavelane.events import Closed
from wavelane_server.outbox import Outbox
from wavelane_server.transcription import transcribe


class Silence:
    """Takes audio on the spot, as a session does in which nobody speaks."""

    failure = None
    received = 0
    ended = False
    options = SimpleNamespace(language="en")

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def writable(self) -> None:
        pass

    async def receive_audio(self, data: bytes) -> None:
        self.received += len(data) // 2

    async def end(self) -> None:
        self.ended = True
        self._outbox.put(Closed(received=self.received))

    def close(self) -> None:
        pass


async def test_others_have_their_turn_while_a_silent_recording_is_taken() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield bytes(8_192)

    async def opened(values: object, outbox: Outbox) -> Any:
        return Silence(outbox)

    recognizer: Any = SimpleNamespace(
        open=opened, config=SimpleNamespace(limits=SimpleNamespace(max_audio_seconds=3_600))
    )
    other = asyncio.create_task(others())
    transcript = await transcribe(recognizer, {}, pieces())
    other.cancel()
    assert transcript.received == 50 * 4_096
    assert turns >= 50
