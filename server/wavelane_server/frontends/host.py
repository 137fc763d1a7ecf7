"""The engine process's side of the socket: lanes and chunks of all front ends into one engine, results back to each."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import cast

from wavelane.engine import Engine
from wavelane.engine.base import Delivery
from wavelane.engine.metrics import EngineStats
from wavelane.engine.slots import Slot
from wavelane.errors import WavelaneError
from wavelane.work import Decoding
from wavelane_server.engines import open_lanes
from wavelane_server.frontends.frames import (
    Open,
    Opened,
    Refused,
    Stats,
    Welcome,
    decode_chunks,
    decode_decoding,
    decode_delay,
    decode_open,
    decode_slots,
    encode_json,
    encode_opened,
    encode_results,
)
from wavelane_server.frontends.framing import FrameError, FrameReader, Kind
from wavelane_server.logs import get_logger

BEAT_S = 0.5
"""Time between two signs of life (s)."""

STATS_S = 0.02
"""Least time (s) between two reports to the front ends of how many lanes are taken."""

MAX_UNREAD_BYTES = 1 << 24
"""Results that may wait for a front end which does not read (bytes); with more it is given up."""


class EngineHost:
    """Serves one engine to front ends. Lives on the event loop of the engine process.

    A front end's lanes end with its connection. One that breaks the protocol, or does not read, loses its connection;
    what it queued is bounded by its lanes and their backlog, and no other front end sees any of it.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._engine: Engine | None = None
        self._links: set[_Link] = set()
        self._owners: dict[Slot, _Link] = {}
        self._server: asyncio.Server | None = None
        self._told = (0, 0, False)
        self._beat: asyncio.TimerHandle | None = None
        self._log = get_logger()

    async def start(self, engine: Engine, path: Path) -> None:
        """Take front ends at a Unix socket.

        Args:
            engine: running, with :meth:`sink` as its sink.
            path: of the socket; nobody else may be able to reach its folder.
        """
        self._engine = engine
        with suppress(FileNotFoundError):  # the last engine's
            os.unlink(path)  # noqa: PTH108 - as quick as it gets
        self._server = await self._loop.create_unix_server(lambda: _Link(self, engine), str(path))
        self._tell()

    async def stop(self) -> None:
        """Let go of the front ends."""
        if self._beat is not None:
            self._beat.cancel()
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.abort()

    def sink(self, deliveries: Sequence[Delivery]) -> None:
        """Take the results of a step, on the engine's thread: one wake-up of the event loop."""
        # A closed loop raises: the process ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, deliveries)

    def _deliver(self, deliveries: Sequence[Delivery]) -> None:
        shares: dict[_Link, list[Delivery]] = {}
        for delivery in deliveries:
            link = self._owners.get(delivery.slot)
            if link is not None:
                shares.setdefault(link, []).append(delivery)
        for link, share in shares.items():
            link.write(encode_results(share))
        self.changed()

    def _tell(self) -> None:
        """A sign of life to every front end, with the engine's state; again after a while."""
        assert self._engine is not None
        stats = self._engine.stats
        self._told = _urgent(stats)
        if self._links:
            message = encode_json(Kind.STATS, Stats(stats=stats, healthy=self._engine.healthy))
            for link in list(self._links):
                link.write(message)
        if self._beat is not None:
            self._beat.cancel()
        self._beat = self._loop.call_later(BEAT_S, self._tell)

    def changed(self) -> None:
        """Lanes may have come or gone, or the dial turned: tell it soon, so that front ends refuse, stop to refuse and
        change lookaheads in time."""
        assert self._engine is not None
        assert self._beat is not None
        soon = self._loop.time() + STATS_S
        if self._beat.when() > soon and _urgent(self._engine.stats) != self._told:
            self._beat.cancel()
            self._beat = self._loop.call_at(soon, self._tell)

    def joined(self, link: "_Link") -> None:
        """A front end has come."""
        self._links.add(link)

    def took(self, link: "_Link", slots: Sequence[Slot]) -> None:
        """A front end has opened lanes."""
        self._owners.update(dict.fromkeys(slots, link))
        self.changed()

    def gave(self, link: "_Link", slots: Sequence[Slot]) -> None:
        """A front end has closed lanes."""
        for slot in slots:
            self._owners.pop(slot, None)
        self.changed()

    def left(self, link: "_Link", slots: Sequence[Slot]) -> None:
        """A front end has gone; its lanes are closed."""
        self._links.discard(link)
        self.gave(link, slots)
        assert self._engine is not None
        self._engine.audit()
        self._log.info("front end gone", lanes_freed=len(slots))


def _urgent(stats: EngineStats) -> tuple[int, int, bool]:
    """What front ends need to know at once."""
    return stats.lanes, stats.condition.dial, stats.condition.refusing


class _Link(asyncio.Protocol):
    """One front end's connection."""

    def __init__(self, host: EngineHost, engine: Engine) -> None:
        self._host = host
        self._engine = engine
        self._slots: set[Slot] = set()
        self._decodings: dict[Slot, Decoding] = {}
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say what is served."""
        self._transport = cast(asyncio.Transport, transport)
        self._host.joined(self)
        engine = self._engine
        self.write(
            encode_json(
                Kind.WELCOME,
                Welcome(spec=engine.spec, head=engine.head, stats=engine.stats, healthy=engine.healthy),
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the lanes."""
        self._transport = None
        for slot in self._slots:
            self._engine.close(slot)
        self._host.left(self, list(self._slots))
        self._slots.clear()

    def data_received(self, data: bytes) -> None:
        """Obey."""
        try:
            for kind, body in self._frames.feed(data):
                self._obey(kind, body)
        except FrameError as error:
            get_logger().error("a front end broke the protocol and was dropped", error=str(error))
            self.abort()

    def write(self, message: bytes) -> None:
        """Send a frame."""
        if self._transport is None or self._transport.is_closing():
            return
        self._transport.write(message)
        if self._transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
            get_logger().error("a front end does not read its results and was dropped")
            self.abort()

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _obey(self, kind: Kind, body: memoryview) -> None:
        match kind:
            case Kind.CHUNKS:
                self._submit(body)
            case Kind.DECODING:
                slot, decoding = decode_decoding(body)
                self._own(slot)
                self._decodings[slot] = decoding
            case Kind.OPEN:
                self._open(decode_open(body))
            case Kind.CLOSE:
                slots = decode_slots(body)
                for slot in slots:
                    self._own(slot)
                    self._slots.discard(slot)
                    self._decodings.pop(slot, None)
                    self._engine.close(slot)
                self._host.gave(self, slots)
            case Kind.DELAYED:
                self._engine.delayed(decode_delay(body))
            case _:
                raise FrameError(f"a front end does not send {kind.name}")

    def _open(self, message: Open) -> None:
        try:
            slots = open_lanes(self._engine, message.lanes, message.lookahead)
        except WavelaneError as error:
            refused = Refused(request=message.request, code=error.code, message=error.message)
            self.write(encode_json(Kind.REFUSED, refused))
            return
        self._slots.update(slots)
        self._host.took(self, slots)
        self.write(encode_opened(Opened(message.request, slots)))

    def _submit(self, body: memoryview) -> None:
        failures = []
        for slot, chunk in decode_chunks(body, self._decodings):
            self._own(slot)
            try:
                self._engine.submit(slot, chunk)
            except WavelaneError as error:
                failures.append(Delivery(slot, error))
        if failures:
            self.write(encode_results(failures))

    def _own(self, slot: Slot) -> None:
        """Lanes of another front end are none of its business."""
        if slot not in self._slots:
            raise FrameError(f"{slot} is not its own")
