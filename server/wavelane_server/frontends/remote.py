"""A front end's side of the socket: the engine process as an :class:`wavelane_server.engines.EngineClient`."""

import asyncio
import math
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import cast

from wavelane.engine.base import Delivery
from wavelane.engine.metrics import EngineStats
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, Decoding
from wavelane_server.engines import Receive
from wavelane_server.frontends.frames import (
    Open,
    Refused,
    Stats,
    Welcome,
    decode_json,
    decode_opened,
    decode_results,
    encode_chunks,
    encode_close,
    encode_decoding,
    encode_delay,
    encode_open,
)
from wavelane_server.frontends.framing import MAX_ENGINE_FRAME_BYTES, FrameError, FrameReader, Kind
from wavelane_server.logs import get_logger

CHECK_S = 0.25
"""Time between two looks at whether the engine still says something (s)."""

UNSENT_BYTES = 1 << 22
"""With more unsent audio (bytes), lanes that wait for an answer hold theirs back."""

_EPOCH = 1 << 32
"""Added to the generations of a front end's slots for each engine it has had: a slot of a dead engine names no lane of
the next one."""


class RemoteEngine:
    """The engine process, from a front end; see :class:`wavelane_server.engines.EngineClient`.

    Chunks submitted within one turn of the event loop leave in one write. When the engine process dies, or says nothing
    for ``timeout_s``, every open lane is delivered an error, and sessions are refused until it is back.

    Args:
        path: of the engine's Unix socket.
        timeout_s: longest silence of an engine that lives (s).
    """

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout = timeout_s
        self._loop = asyncio.get_running_loop()
        self._receive: Receive = lambda deliveries: None
        self._welcome: Welcome | None = None
        self._stats: EngineStats | None = None
        self._healthy = False
        self._link: _Link | None = None
        self._epoch = 0
        self._heard_at = 0.0
        self._lanes: dict[Slot, deque[int]] = {}
        """Frames of the chunks that are not yet answered, by lane."""
        self._decodings: dict[Slot, Decoding] = {}
        """What the engine process was told of how each lane is searched."""
        self._outgoing: list[tuple[Slot, Chunk]] = []
        self._requests = 0
        self._opening: dict[int, asyncio.Future[list[Slot]]] = {}
        self._connected = asyncio.Event()
        self._another = False
        """An engine process listens to which we have not tried to connect."""
        self._connector: asyncio.Task[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._log = get_logger()

    # A source: from start to stop

    async def start(self, receive: Receive) -> "RemoteEngine":
        """See :class:`wavelane_server.engines.EngineSource`; waits for :meth:`connect` to have been successful."""
        self._receive = receive
        await self._connected.wait()
        return self

    async def stop(self) -> None:
        """See :class:`wavelane_server.engines.EngineSource`: the engine process is left alone."""
        if self._connector is not None:
            self._connector.cancel()
        if self._watchdog is not None:
            self._watchdog.cancel()
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    def connect(self) -> None:
        """There is an engine process, and it listens: connect. Where we are connected, that is to a dead one."""
        if self._link is None and (self._connector is None or self._connector.done()):
            self._connector = self._loop.create_task(self._connect())
        else:
            self._another = True

    async def _connect(self) -> None:
        self._another = True
        while self._link is None and self._another:
            self._another = False
            with suppress(OSError):  # it died meanwhile; we are told when the next one listens
                await self._loop.create_unix_connection(lambda: _Link(self), str(self._path))

    # An engine

    @property
    def spec(self) -> ModelSpec:
        """See :class:`wavelane_server.engines.EngineClient`."""
        assert self._welcome is not None, "it was started"
        return self._welcome.spec

    @property
    def head(self) -> str:
        """See :class:`wavelane_server.engines.EngineClient`."""
        assert self._welcome is not None, "it was started"
        return self._welcome.head

    @property
    def stats(self) -> EngineStats:
        """See :class:`wavelane_server.engines.EngineClient`."""
        assert self._stats is not None, "it was started"
        return self._stats

    @property
    def trouble(self) -> str | None:
        """See :class:`wavelane_server.engines.EngineClient`."""
        if self._link is None:
            return "stuck: the engine process is gone and is started again"
        if self._loop.time() - self._heard_at > self._timeout:
            return "stuck: the engine process does not answer"
        return None if self._healthy else "stuck: the engine does not move"

    async def open(self, lanes: int, lookahead: int | None = None) -> list[Slot]:
        """See :class:`wavelane_server.engines.EngineClient`."""
        if self._link is None:
            raise _away()
        self._requests += 1
        number = self._requests
        answer: asyncio.Future[list[Slot]] = self._loop.create_future()
        self._opening[number] = answer
        self._link.write(encode_open(Open(number, lanes, lookahead)))
        try:
            return await answer
        except asyncio.CancelledError:
            # Nobody waits any more. Lanes that are still to come are given back then, see _assign; these have come.
            if not answer.cancelled() and answer.exception() is None:
                for slot in answer.result():
                    self.close(slot)
            raise

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """See :class:`wavelane_server.engines.EngineClient`. Raises INTERNAL for a lane that is gone."""
        waiting = self._lanes.get(slot)
        if waiting is None:
            raise WavelaneError(ErrorCode.INTERNAL, f"{slot} is closed; open a new session.")
        waiting.append(chunk.frames)
        if chunk.decoding is not None:
            self._tell_decoding(slot, chunk.decoding)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append((slot, chunk))

    def backlog(self, slot: Slot) -> float:
        """See :class:`wavelane_server.engines.EngineClient`. Infinite while the socket takes no more."""
        waiting = self._lanes.get(slot)
        if waiting is None:
            return 0.0
        if self._link is not None and self._link.full:
            return math.inf
        features = self.spec.features
        return sum(waiting) * features.hop / features.sample_rate

    def close(self, slot: Slot) -> None:
        """See :class:`wavelane_server.engines.EngineClient`."""
        if self._lanes.pop(slot, None) is None:
            return
        self._decodings.pop(slot, None)
        if self._outgoing:
            self._outgoing = [item for item in self._outgoing if item[0] != slot]
        if self._link is not None:
            self._link.write(encode_close([self._outside(slot)]))

    def delayed(self, seconds: float) -> None:
        """See :class:`wavelane_server.engines.EngineClient`."""
        if self._link is not None:
            self._link.write(encode_delay(seconds))

    def _flush(self) -> None:
        """Send what was submitted in this turn of the loop."""
        work, self._outgoing = self._outgoing, []
        if self._link is not None and work:
            for message in encode_chunks((self._outside(slot), chunk) for slot, chunk in work):
                self._link.write(message)

    def _tell_decoding(self, slot: Slot, decoding: Decoding) -> None:
        """Say how the lane's next stream is searched, unless that is known: hotwords may be many."""
        if self._decodings.get(slot) != decoding and self._link is not None:
            self._flush()  # chunks before it may begin a stream that is searched otherwise
            self._decodings[slot] = decoding
            self._link.write(encode_decoding(self._outside(slot), decoding))

    def _outside(self, slot: Slot) -> Slot:
        """The name that the engine process knows a lane by."""
        return Slot(slot.index, slot.generation - self._epoch * _EPOCH)

    def _inside(self, slot: Slot) -> Slot:
        return Slot(slot.index, slot.generation + self._epoch * _EPOCH)

    # What the connection tells

    def opened(self, link: "_Link") -> None:
        """Connected."""
        self._link = link
        self._epoch += 1
        self._heard_at = self._loop.time()
        self._watch()

    def heard(self, kind: Kind, body: memoryview) -> None:
        """A frame came. Raises FrameError."""
        self._heard_at = self._loop.time()
        match kind:
            case Kind.RESULTS:
                self._deliver(decode_results(body))
            case Kind.OPENED:
                message = decode_opened(body)
                self._assign(message.request, [self._inside(slot) for slot in message.slots])
            case Kind.REFUSED:
                refused = decode_json(Refused, body)
                waiter = self._opening.pop(refused.request, None)
                if waiter is not None and not waiter.done():
                    waiter.set_exception(WavelaneError(refused.code, refused.message))
            case Kind.STATS:
                news = decode_json(Stats, body)
                self._stats, self._healthy = news.stats, news.healthy
            case Kind.WELCOME:
                self._welcome = decode_json(Welcome, body)
                self._stats, self._healthy = self._welcome.stats, self._welcome.healthy
                self._connected.set()
            case _:
                raise FrameError(f"an engine does not send {kind.name}")

    def lost(self, link: "_Link", why: str) -> None:
        """The connection is over: every lane gets an error."""
        if self._link is not link:
            return
        self._link = None
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        error = engine_lost(why)
        lanes, self._lanes = list(self._lanes), {}
        self._decodings.clear()
        self._outgoing = []
        opening, self._opening = self._opening, {}
        for waiter in opening.values():
            if not waiter.done():
                waiter.set_exception(_away())
        self._log.error("the engine process is gone", why=why, lanes=len(lanes))
        self._receive([Delivery(slot, error) for slot in lanes])
        if self._another:
            self.connect()

    def _deliver(self, deliveries: list[Delivery]) -> None:
        known = []
        for delivery in deliveries:
            delivery.slot = self._inside(delivery.slot)
            waiting = self._lanes.get(delivery.slot)
            if waiting is not None:
                if waiting:
                    waiting.popleft()
                known.append(delivery)
        self._receive(known)

    def _assign(self, request: int, slots: list[Slot]) -> None:
        waiter = self._opening.pop(request, None)
        for slot in slots:
            self._lanes[slot] = deque()
        if waiter is None or waiter.done():
            for slot in slots:
                self.close(slot)
        else:
            waiter.set_result(slots)

    def _watch(self) -> None:
        """Give up an engine that says nothing."""
        if self._link is None:
            return
        now = self._loop.time()
        if self._watchdog is not None and now - self._watchdog.when() > CHECK_S:
            # We were late ourselves: what the engine said may still wait to be read.
            self._heard_at = now
        if now - self._heard_at > self._timeout:
            self._link.abort()
            self.lost(self._link, f"has not answered for {self._timeout:g} s (setting server.engine_timeout_s)")
            return
        self._watchdog = self._loop.call_later(CHECK_S, self._watch)


class _Link(asyncio.Protocol):
    """The connection."""

    def __init__(self, engine: RemoteEngine) -> None:
        self._engine = engine
        self._frames = FrameReader(MAX_ENGINE_FRAME_BYTES)
        self._transport: asyncio.Transport | None = None
        self.full = False
        """The engine process reads slower than we write."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Tell."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES)
        self._engine.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell."""
        self._engine.lost(self, "ended")

    def pause_writing(self) -> None:
        """The socket is full."""
        self.full = True

    def resume_writing(self) -> None:
        """The socket has room."""
        self.full = False

    def data_received(self, data: bytes) -> None:
        """Tell."""
        try:
            for kind, body in self._frames.feed(data):
                self._engine.heard(kind, body)
        except FrameError:
            get_logger().exception("the engine process cannot be understood")
            self.abort()

    def write(self, message: bytes) -> None:
        """Send a frame."""
        if self._transport is not None:
            self._transport.write(message)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()


def engine_lost(why: str) -> WavelaneError:
    """What sessions are told whose engine went away."""
    return WavelaneError(
        ErrorCode.INTERNAL,
        f"the engine process of this server {why}, and is started again by itself; start a new session in a few "
        "seconds, or connect to another server",
    )


def _away() -> WavelaneError:
    return WavelaneError(
        ErrorCode.OVERLOADED, "the engine process of this server is being started again; try again in a few seconds"
    )
