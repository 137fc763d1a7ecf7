"""The rules of a stream where the transport is at its worst."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from wavelane.events import Flushed
from wavelane_server.adapters.base import Configure
from wavelane_server.bridge import Recognizer
from wavelane_server.config import Config
from wavelane_server.conversation import Conversation, VanishedError
from wavelane_server.outbox import Outbox


class Live:
    """A session that holds a lane until it is closed."""

    closed = ended = report_progress = False
    failure = None
    received = 0

    def close(self) -> None:
        self.closed = True

    async def writable(self) -> None:
        pass


class Server:
    """Opens it."""

    def __init__(self) -> None:
        self.config = Config.model_construct()
        self.metrics = None
        self.live = Live()

    async def open(self, values: object, outbox: Outbox) -> Live:
        outbox.put(Flushed(at=0))
        return self.live


class Vanishing:
    """A client that says one thing and is gone when it is answered."""

    open_wide = False

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone
        self._said = ["configure"]

    async def receive(self) -> Any:
        if not self._said:
            await asyncio.Event().wait()
        return self._said.pop()

    async def send(self, message: object) -> None:
        await asyncio.sleep(0)
        self._gone()
        raise VanishedError

    def offer(self, take: object) -> None:
        pass

    def size(self, message: object) -> int:
        return 1


class Protocol:
    def begin(self) -> list[Any]:
        return []

    def receive(self, message: object) -> list[Any]:
        return [Configure({})]

    def send(self, event: object) -> list[str]:
        return ["flushed"]


@pytest.mark.parametrize("turns", range(8))
async def test_a_client_that_cancels_while_its_failure_is_dealt_with_leaves_no_lane_behind(turns: int) -> None:
    """As gRPC does: a write fails, and a few turns of the loop later the call is cancelled."""
    loop = asyncio.get_running_loop()
    server = Server()

    def cancel(turn: int) -> None:
        if turn == turns:
            run.cancel()
        else:
            loop.call_soon(cancel, turn + 1)

    link: Any = Vanishing(lambda: cancel(0))
    protocol: Any = Protocol()
    run = asyncio.create_task(Conversation(cast(Recognizer, server), link, protocol, refuse_by_status=True).run())
    with pytest.raises((asyncio.CancelledError, VanishedError)):
        await run
    assert server.live.closed
