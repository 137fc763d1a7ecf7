"""Front ends and an engine host over a real socket, in one process: lanes, order, limits, and who pays for a fault."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from engineharness import Recorder, running
from toymodel import SPEC, make_chunk, toy_model

from support.waiting import until
from wavelane.engine import Delivery, Engine, EngineConfig, Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import StepResult
from wavelane_server.frontends import frames, framing, host, remote
from wavelane_server.frontends.framing import Kind
from wavelane_server.frontends.host import EngineHost
from wavelane_server.frontends.remote import RemoteEngine


class FrontEnd:
    """A remote engine, and what it delivered."""

    def __init__(self, engine: RemoteEngine) -> None:
        self.engine = engine
        self.deliveries: list[Delivery] = []
        self._news = asyncio.Event()

    def receive(self, deliveries: Sequence[Delivery]) -> None:
        self.deliveries.extend(deliveries)
        self._news.set()

    async def heard(self, count: int) -> list[Delivery]:
        async with asyncio.timeout(60):
            while len(self.deliveries) < count:
                self._news.clear()
                await self._news.wait()
        return self.deliveries

    def results(self, slot: Slot) -> list[StepResult]:
        return [outcome for at, outcome in self.deliveries if at == slot and isinstance(outcome, StepResult)]

    def errors(self) -> dict[Slot, ErrorCode]:
        return {slot: outcome.code for slot, outcome in self.deliveries if isinstance(outcome, WavelaneError)}


class Rig:
    """An engine host and its front ends."""

    def __init__(self, path: Path, stack: AsyncExitStack) -> None:
        self.path = path
        self.stack = stack
        self.engine: Engine
        self.host: EngineHost

    async def serve(self, **settings: object) -> None:
        self.host = EngineHost()
        config = EngineConfig.model_validate({"device": "cpu", "workers": 1, "threads": 1} | settings)
        self.engine = Engine(toy_model(), config, self.host.sink)
        self.engine.start()
        await self.host.start(self.engine, self.path)

    async def end(self) -> None:
        await self.host.stop()
        await asyncio.to_thread(self.engine.stop, False)

    async def front_end(self, timeout_s: float = 5.0) -> FrontEnd:
        front = FrontEnd(RemoteEngine(self.path, timeout_s))
        self.stack.push_async_callback(front.engine.stop)
        front.engine.connect()
        await front.engine.start(front.receive)
        return front

    async def lanes(self, count: int) -> None:
        """Until so many lanes are taken, and all slots add up."""
        await until(lambda: self.engine.stats.lanes == count)
        self.engine.audit()


@asynccontextmanager
async def serving(folder: Path, **settings: object) -> AsyncIterator[Rig]:
    async with AsyncExitStack() as stack:
        rig = Rig(folder / "engine", stack)
        await rig.serve(**settings)
        stack.push_async_callback(lambda: rig.end())
        yield rig


async def test_results_are_those_of_the_engine_itself(tmp_path: Path) -> None:
    recorder = Recorder()
    with running(toy_model(), recorder) as engine:
        slot = engine.open()
        for number in range(6):
            engine.submit(slot, make_chunk(number, prompt=1, last=number == 5))
        recorder.wait_for(6)
        wanted = recorder.results(slot)

    async with serving(tmp_path) as rig:
        fronts = [await rig.front_end(), await rig.front_end()]
        assert fronts[0].engine.spec == SPEC
        assert (fronts[0].engine.head, fronts[0].engine.trouble) == ("ctc", None)
        slots = [(await front.engine.open(1))[0] for front in fronts for _ in range(3)]
        for number in range(6):
            for at, slot in enumerate(slots):
                fronts[at // 3].engine.submit(slot, make_chunk(number, prompt=1, last=number == 5))
        for at, slot in enumerate(slots):
            await fronts[at // 3].heard(18)
            assert fronts[at // 3].results(slot) == wanted
        assert fronts[0].engine.backlog(slots[0]) == 0
        for at, slot in enumerate(slots):
            fronts[at // 3].engine.close(slot)
            fronts[at // 3].engine.close(slot)
        await rig.lanes(0)


async def test_the_backlog_counts_what_is_unanswered(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        (slot,) = await front.engine.open(1)
        front.engine.submit(slot, make_chunk(0))
        front.engine.submit(slot, make_chunk(1))
        assert front.engine.backlog(slot) == pytest.approx((make_chunk(0).frames + make_chunk(1).frames) / 100)
        await front.heard(2)
        assert front.engine.backlog(slot) == 0


async def test_lanes_run_out_for_everybody(tmp_path: Path) -> None:
    async with serving(tmp_path, max_sessions=3) as rig:
        one, other = await rig.front_end(), await rig.front_end()
        held = await one.engine.open(2)
        with pytest.raises(WavelaneError, match=r"All 3 lanes .*engine.max_sessions = 3") as refusal:
            await other.engine.open(2)
        assert refusal.value.code is ErrorCode.OVERLOADED
        await rig.lanes(2)  # all or none
        (last,) = await other.engine.open(1)
        await until(lambda: one.engine.stats.lanes == other.engine.stats.lanes == 3)
        assert one.engine.stats.max_lanes == 3
        for slot in held:
            one.engine.close(slot)
        await until(lambda: other.engine.stats.lanes == 1)
        other.engine.close(last)
        await rig.lanes(0)


async def test_an_opening_that_nobody_waits_for_gives_its_lanes_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        opening = asyncio.create_task(front.engine.open(2))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.gather(opening, return_exceptions=True)
        (slot,) = await front.engine.open(1)  # answered after the one that was given up
        await rig.lanes(1)
        front.engine.close(slot)
        await rig.lanes(0)


async def test_an_opening_that_is_given_up_as_its_answer_comes_gives_its_lanes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        opening = asyncio.create_task(front.engine.open(2))
        assign = front.engine._assign

        def assign_and_cancel(request: int, slots: list[Slot]) -> None:
            assign(request, slots)
            opening.cancel()

        monkeypatch.setattr(front.engine, "_assign", assign_and_cancel)
        with pytest.raises(asyncio.CancelledError):
            await opening
        await rig.lanes(0)
        assert not front.engine._lanes


async def test_a_front_end_that_dies_takes_its_own_lanes_along(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        dying, living = await rig.front_end(), await rig.front_end()
        lost = await dying.engine.open(3)
        (kept,) = await living.engine.open(1)
        for number in range(3):
            for slot in lost:
                dying.engine.submit(slot, make_chunk(number))
            living.engine.submit(kept, make_chunk(number, seed=5))
        await dying.engine.stop()
        await rig.lanes(1)
        living.engine.submit(kept, make_chunk(3, seed=5))
        await living.heard(4)
        assert [result.sequence for result in living.results(kept)] == [0, 1, 2, 3]


async def test_an_engine_that_dies_is_an_error_for_every_lane_and_its_successor_serves(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        old = await front.engine.open(2)
        for slot in old:
            front.engine.submit(slot, make_chunk(0))
        await front.heard(2)
        unanswered = asyncio.create_task(front.engine.open(1))
        await rig.end()
        await front.heard(4)
        assert front.errors() == dict.fromkeys(old, ErrorCode.INTERNAL)
        assert front.engine.trouble == "stuck: the engine process is gone and is started again"
        await asyncio.gather(unanswered, return_exceptions=True)
        with pytest.raises(WavelaneError, match="started again; try again in a few seconds") as refusal:
            await front.engine.open(1)
        assert refusal.value.code is ErrorCode.OVERLOADED
        with pytest.raises(WavelaneError, match="closed; open a new session"):
            front.engine.submit(old[0], make_chunk(1))
        assert front.engine.backlog(old[0]) == 0

        await rig.serve()
        front.engine.connect()
        await until(lambda: front.engine.trouble is None)
        new = await front.engine.open(2)
        assert not set(new) & set(old), "a slot names one lane for ever"
        for slot in old:
            front.engine.close(slot)  # by sessions that come late
        front.engine.submit(new[0], make_chunk(0))
        await front.heard(5)
        assert len(front.results(new[0])) == 1
        await rig.lanes(2)


async def test_a_successor_that_is_told_of_before_the_end_of_the_connection_is_seen(tmp_path: Path) -> None:
    """A front end that stood still for long learns both in one turn of its loop, in any order."""
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        host, engine = rig.host, rig.engine
        await rig.serve()
        front.engine.connect()
        await host.stop()
        await asyncio.to_thread(engine.stop, False)
        await until(lambda: len(rig.host._links) == 1 and front.engine.trouble is None)
        await front.engine.open(1)
        await rig.lanes(1)


async def test_the_engine_hears_how_late_a_front_end_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(tmp_path) as rig:
        heard: list[float] = []
        monkeypatch.setattr(rig.engine, "delayed", heard.append)
        front = await rig.front_end()
        front.engine.delayed(0.25)
        await until(lambda: heard == [0.25])


async def test_an_engine_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end(timeout_s=1.0)
        (slot,) = await front.engine.open(1)
        for _ in range(3):  # an idle engine gives signs of life
            heard_at = front.engine._heard_at
            await until(lambda before=heard_at: front.engine._heard_at > before)  # type: ignore[misc]
        assert front.engine.trouble is None
        assert not front.deliveries
        beat = rig.host._beat
        assert beat is not None
        beat.cancel()
        await front.heard(1)
        assert front.errors() == {slot: ErrorCode.INTERNAL}
        assert "has not answered for 1 s (setting server.engine_timeout_s)" in str(front.deliveries[0].outcome)


async def test_an_engine_whose_step_hangs_makes_the_front_end_unready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        assert front.engine.trouble is None
        monkeypatch.setattr(Engine, "healthy", property(lambda _: False))
        await until(lambda: front.engine.trouble is not None)
        assert front.engine.trouble == "stuck: the engine does not move"
        monkeypatch.undo()
        await until(lambda: front.engine.trouble is None)
        del rig


async def test_a_chunk_that_the_engine_refuses_fails_its_lane_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, max_backlog_seconds=1.0) as rig:
        front = await rig.front_end()
        greedy, wrong, fine = await front.engine.open(3)
        for number in range(400):
            front.engine.submit(greedy, make_chunk(number))
        front.engine.submit(wrong, make_chunk(0, samples=np.zeros(3, np.float32)))
        front.engine.submit(fine, make_chunk(0))
        await until(lambda: {greedy, wrong} <= set(front.errors()) and len(front.results(fine)) == 1)
        assert front.errors() == {greedy: ErrorCode.BACKLOG_EXCEEDED, wrong: ErrorCode.INTERNAL}


FOREIGN = Slot(0, 0)
ATTACKS = {
    "a frame too long": (framing.MAX_FRAME_BYTES + 1).to_bytes(4, "little") + b"\x02\0\0\0",
    "a kind that is none": b"\0\0\0\0\x63\0\0\0",
    "what only engines say": frames.encode_results([]),
    "chunks for another's lane": next(frames.encode_chunks([(FOREIGN, make_chunk(0))])),
    "another's lane closed": frames.encode_close([FOREIGN]),
    "a cut chunk": framing.frame(Kind.CHUNKS, b"\0" * 20),
    "too many lanes": frames.encode_open(frames.Open(1, 9)),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_breaks_the_protocol_loses_its_connection_alone(tmp_path: Path, attack: str) -> None:
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        (slot,) = await front.engine.open(1)
        assert slot.index == FOREIGN.index
        reader, writer = await asyncio.open_unix_connection(str(rig.path))
        writer.write(frames.encode_open(frames.Open(1, 2)))
        await rig.lanes(3)
        writer.write(ATTACKS[attack])
        async with asyncio.timeout(60):
            while await reader.read(1 << 16):
                pass
        writer.close()
        await rig.lanes(1)
        front.engine.submit(slot, make_chunk(0))
        front.engine.submit(slot, make_chunk(1))
        await front.heard(2)
        assert [result.sequence for result in front.results(slot)] == [0, 1]


async def test_a_front_end_that_does_not_read_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "MAX_UNREAD_BYTES", 10_000)
    async with serving(tmp_path) as rig:
        mute = socket.socket(socket.AF_UNIX)
        mute.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        mute.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(mute, str(rig.path))
        await loop.sock_sendall(mute, frames.encode_open(frames.Open(1, 1)))
        await rig.lanes(1)
        async with asyncio.timeout(60):
            with pytest.raises(ConnectionError):
                await _ask_for_ever(loop, mute)
        mute.close()
        await rig.lanes(0)


async def _ask_for_ever(loop: asyncio.AbstractEventLoop, mute: socket.socket) -> None:
    while True:  # each is answered, by lanes or by a refusal
        await loop.sock_sendall(mute, frames.encode_open(frames.Open(1, 1)))


async def test_an_engine_that_does_not_read_gets_no_more_than_one_chunk_of_a_lane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "UNSENT_BYTES", 50_000)
    async with serving(tmp_path) as rig:
        front = await rig.front_end()
        (slot,) = await front.engine.open(1)
        (link,) = rig.host._links
        assert link._transport is not None
        link._transport.pause_reading()
        sent = 0
        async with asyncio.timeout(60):
            while front.engine.backlog(slot) != float("inf"):
                front.engine.submit(slot, make_chunk(sent))
                sent += 1
                await asyncio.sleep(0)
        assert sent > 2
        link._transport.resume_reading()
        await front.heard(sent)
        assert front.engine.backlog(slot) == 0
