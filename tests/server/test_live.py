"""A session on the event loop: what may not hold up the others."""

import asyncio
import threading
from typing import Any

import pytest

from support.toy import SPEC
from wavelane.engine import EngineStats, Slot
from wavelane.errors import WavelaneError
from wavelane.grammar import Grammar, GrammarLibrary
from wavelane_server.adapters.base import Configured, Ready
from wavelane_server.bridge import Recognizer
from wavelane_server.config import Config
from wavelane_server.engines import LocalEngine
from wavelane_server.metrics import Metrics
from wavelane_server.outbox import Outbox

GRAMMAR = "#JSGF V1.0; grammar g; public <a> = a;"


class IdleEngine:
    """Nothing is ever asked of it."""

    spec = SPEC
    head = "ctc"
    healthy = True
    submit = backlog = audit = None

    @property
    def stats(self) -> EngineStats:
        counts: dict[str, Any] = dict.fromkeys(
            ("lanes", "queued", "running", "steps", "rows", "padding", "refused", "dropped", "failed", "wakeups"), 0
        )
        return EngineStats(max_lanes=1, last_step_age=None, running_for=0.0, **counts)

    def open(self, lookahead: int | None = None) -> Slot:
        return Slot(0, 0)

    def close(self, slot: Slot) -> None:
        pass


async def test_a_grammar_is_read_off_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    readers: list[str | None] = []
    find = GrammarLibrary.find

    def read(library: GrammarLibrary, option: str) -> Grammar:
        readers.append(None if threading.current_thread() is threading.main_thread() else option)
        return find(library, option)

    monkeypatch.setattr(GrammarLibrary, "find", read)
    recognizer = Recognizer(Config(), Metrics())
    recognizer.attach(LocalEngine(IdleEngine()))  # type: ignore[arg-type]
    outbox = Outbox(64)
    live = await recognizer.open({"vad": {"kind": "off"}, "grammar": GRAMMAR}, outbox)
    assert readers[0] == GRAMMAR
    readers.clear()
    other = GRAMMAR.replace("<a>", "<b>")
    await live.reconfigure({"grammar": other})
    assert readers[0] == other
    with pytest.raises(WavelaneError, match="no grammar 'unknown'"):
        await live.reconfigure({"grammar": "unknown"})
    assert live.options.grammar == other
    events = [(await outbox.get()).event for _ in range(len(outbox))]
    assert [type(event) for event in events] == [Ready, Configured]

    leaving = asyncio.create_task(live.reconfigure({"grammar": GRAMMAR}))
    await asyncio.sleep(0)
    live.close()
    await leaving
    assert not len(outbox)


async def test_flushes_behind_next_to_no_audio_wait_for_the_engine() -> None:
    """Each makes whole windows of a stream, however little audio is in it."""
    engine: Any = IdleEngine()
    recognizer = Recognizer(Config(), Metrics())
    engine.submit, engine.backlog = lambda slot, chunk: None, lambda slot: 0.0
    recognizer.attach(LocalEngine(engine))
    live = await recognizer.open({"vad": {"kind": "off"}}, Outbox(64))
    taken = 0
    while live.takes_audio(2) and taken < 1_000:
        live.take_audio(b"\1\0")
        live.flush()
        taken += 1
    assert 5 < taken < 100
    waiting = asyncio.create_task(live.writable())
    await asyncio.sleep(0)
    assert not waiting.done()
    live.close()
    await waiting
