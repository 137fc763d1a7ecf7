"""Nothing that the server keeps for a session grows with its length."""

import asyncio
from collections.abc import Sized
from typing import Any

import pytest

from support.toy import SPEC, ToyRecogniser, linear16, speech
from wavelane.engine import Delivery, EngineStats, Slot
from wavelane.events import Closed, Final
from wavelane.work import Chunk
from wavelane_server.arrivals import MANY as MANY_ARRIVALS
from wavelane_server.bridge import Recognizer
from wavelane_server.config import Config
from wavelane_server.engines import LocalEngine
from wavelane_server.live import LiveSession
from wavelane_server.metrics import Metrics
from wavelane_server.outbox import Outbox

CYCLE = linear16(speech([(0.9, 0.3), (0.35, 0.0), (1.2, 0.2), (1.55, 0.0)]))
"""4 s: speech, and a pause that ends the utterance."""


class PromptEngine:
    """Answers a chunk in the next turn of the event loop."""

    spec = SPEC
    head = "ctc"
    healthy = True

    def __init__(self) -> None:
        self.toy = ToyRecogniser()
        self.recognizer: Recognizer | None = None

    @property
    def stats(self) -> EngineStats:
        counts: dict[str, Any] = dict.fromkeys(
            ("lanes", "queued", "running", "steps", "rows", "padding", "refused", "dropped", "failed", "wakeups"), 0
        )
        return EngineStats(max_lanes=2, last_step_age=None, running_for=0.0, **counts)

    def open(self, lookahead: int | None = None) -> Slot:
        return Slot(0, 0)

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        assert self.recognizer is not None
        delivery = Delivery(slot, self.toy.step(chunk))
        asyncio.get_running_loop().call_soon(self.recognizer.receive, [delivery])

    def backlog(self, slot: Slot) -> float:
        return 0.0

    def close(self, slot: Slot) -> None:
        pass

    def audit(self) -> None:
        pass


def held(live: LiveSession, outbox: Outbox) -> int:
    """Entries of every container of the session and its outbox."""
    found = [
        getattr(part, name)
        for part in (live, live._submissions, live._arrivals)
        for name in type(part).__slots__
        if name != "__weakref__"
    ]
    found += vars(outbox).values()
    found += [part for value in found if isinstance(value, list) for part in value]
    return sum(len(value) for value in found if isinstance(value, Sized) and not isinstance(value, (str, bytes)))


@pytest.mark.parametrize("vad", ["webrtc", "off"])
async def test_half_an_hour_leaves_nothing_behind(vad: str) -> None:
    engine = PromptEngine()
    recognizer = engine.recognizer = Recognizer(Config(), Metrics())
    recognizer.attach(LocalEngine(engine))  # type: ignore[arg-type]
    outbox = Outbox(64)
    live = await recognizer.open({"vad": {"kind": vad}, "lookahead": 1}, outbox)
    sizes, finals, closed = [], 0, None

    async def send(data: bytes) -> None:
        nonlocal finals, closed
        for at in range(0, len(data), 3_200):
            await live.receive_audio(data[at : at + 3_200])
            await asyncio.sleep(0)
            while len(outbox):
                event = (await outbox.get()).event
                finals += isinstance(event, Final)

    for cycle in range(450):
        await send(CYCLE)
        if cycle in (9, 449):
            sizes.append(held(live, outbox))
    assert abs(sizes[0] - sizes[1]) <= MANY_ARRIVALS
    assert finals >= 449
    assert live.received == 450 * 64_000
    await live.end()
    while closed is None:
        event = (await outbox.get()).event
        closed = event if isinstance(event, Closed) else None
    assert closed.received == live.received
