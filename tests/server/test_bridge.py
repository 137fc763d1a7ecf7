"""Results and sockets share the event loop."""

import asyncio
import time
from typing import Any

import pytest

from wavelane.engine.base import Delivery, Timing
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.bridge import Recognizer
from wavelane_server.config import Config
from wavelane_server.metrics import Metrics

SLOT = Slot(0, 0)


class Client:
    """Takes a millisecond for each result."""

    def __init__(self) -> None:
        self.taken = 0

    def deliver(self, lane: int, delivery: Delivery) -> None:
        time.sleep(0.001)
        self.taken += 1


async def test_results_get_as_much_of_a_busy_loop_as_the_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    recognizer, client = Recognizer(Config(), Metrics()), Client()
    tenants: Any = recognizer._tenants
    tenants[SLOT] = client, 0
    monkeypatch.setattr(Recognizer, "dial", 0)
    now = time.monotonic()
    error = WavelaneError(ErrorCode.INTERNAL, "only to be handed out")
    recognizer.receive([Delivery(SLOT, error, Timing(now, now, now - 0.4))] * 200)
    assert 0 < client.taken < 20, "the loop has its turn"
    turns = 0
    while client.taken < 200:
        time.sleep(0.02)  # noqa: ASYNC251 (a round of the sockets)
        await asyncio.sleep(0)
        turns += 1
    assert turns < 30, "not two milliseconds in twenty"
    assert recognizer.metrics._waited >= 0.4, "how late they are is known"
