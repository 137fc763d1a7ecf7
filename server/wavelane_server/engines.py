"""The engine as the event loop sees it: in this process, or in another one (:mod:`wavelane_server.frontends`)."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from wavelane.engine import EngineConfig, EngineObserver, EngineStats
from wavelane.engine.admission import overloaded
from wavelane.engine.base import Delivery
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import ModelSpec
from wavelane.work import Chunk

if TYPE_CHECKING:
    # Both need torch, which a process without an engine of its own never loads.
    from wavelane.engine import Engine
    from wavelane.model.base import LoadedModel

Receive = Callable[[Sequence[Delivery]], None]
"""Takes the results of a step, on the event loop; must not raise. An error ends its lane."""


class EngineClient(Protocol):
    """An engine, from the event loop. No method blocks."""

    @property
    def spec(self) -> ModelSpec:
        """The model's specification."""

    @property
    def head(self) -> str:
        """Name of the decoder in use."""

    @property
    def stats(self) -> EngineStats:
        """A snapshot; of an engine elsewhere the newest one that came from there."""

    @property
    def trouble(self) -> str | None:
        """Why no session gets on at the moment; None when all is well."""

    async def open(self, lanes: int, lookahead: int | None = None) -> list[Slot]:
        """All lanes of a session, or none.

        Args:
            lanes: how many.
            lookahead: the longest that the session allows; None: the model's default.

        Raises:
            WavelaneError: OVERLOADED, SHUTTING_DOWN or INTERNAL.
        """

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Queue a chunk.

        Raises:
            WavelaneError: as :meth:`wavelane.engine.Engine.submit`; an engine elsewhere delivers it as the lane's
                outcome instead.
        """

    def backlog(self, slot: Slot) -> float:
        """Audio (s) of the lane that was submitted and not yet answered; infinite while no more should be."""

    def close(self, slot: Slot) -> None:
        """Give a lane back. Harmless when it is gone."""

    def delayed(self, seconds: float) -> None:
        """How late this process is with what the engine gives it; told every second, so that the engine takes fewer
        steps for sessions that allow it."""


class EngineSource(Protocol):
    """Where a service's engine comes from."""

    async def start(self, receive: Receive) -> EngineClient:
        """The engine, once it can serve.

        Args:
            receive: takes its results.

        Raises:
            WavelaneError: there will be none.
        """

    async def stop(self) -> None:
        """End it, or leave it. Harmless before the start."""


class LocalEngine:
    """An engine of this process, whose threads deliver to the event loop; see :class:`EngineClient`.

    Args:
        engine: running.
    """

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        # What is called for every chunk goes straight through.
        self.submit = engine.submit
        self.backlog = engine.backlog
        self.close = engine.close
        self.audit = engine.audit

    @property
    def spec(self) -> ModelSpec:
        """See :class:`EngineClient`."""
        return self._engine.spec

    @property
    def head(self) -> str:
        """See :class:`EngineClient`."""
        return self._engine.head

    @property
    def stats(self) -> EngineStats:
        """See :class:`EngineClient`."""
        return self._engine.stats

    @property
    def healthy(self) -> bool:
        """Whether streams move."""
        return self._engine.healthy

    @property
    def trouble(self) -> str | None:
        """See :class:`EngineClient`."""
        return None if self.healthy else "stuck: the engine does not move"

    async def open(self, lanes: int, lookahead: int | None = None) -> list[Slot]:
        """See :class:`EngineClient`."""
        return open_lanes(self._engine, lanes, lookahead)

    def delayed(self, seconds: float) -> None:
        """See :class:`EngineClient`."""
        self._engine.delayed(seconds)


class LocalSource:
    """Loads a model and runs an engine over it in this process; see :class:`EngineSource`.

    Args:
        load: makes the model; runs on another thread.
        config: of the engine.
        observer: told what the engine does.
    """

    def __init__(self, load: "Callable[[], LoadedModel]", config: EngineConfig, observer: EngineObserver) -> None:
        self._load = load
        self._config = config
        self._observer = observer
        self._engine: Engine | None = None

    async def start(self, receive: Receive) -> LocalEngine:
        """See :class:`EngineSource`."""
        loop = asyncio.get_running_loop()

        def sink(deliveries: Sequence[Delivery]) -> None:
            """On the engine's thread: one wake-up of the event loop a step."""
            # A closed loop raises: the service ended while a step ran, and nobody waits for its results.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(receive, deliveries)

        return LocalEngine(await asyncio.to_thread(self._start, sink))

    def _start(self, sink: Receive) -> "Engine":
        from wavelane.engine import Engine

        engine = Engine(self._load(), self._config, sink, self._observer)
        engine.start()
        self._engine = engine
        engine.warm_up()
        return engine

    async def stop(self) -> None:
        """See :class:`EngineSource`."""
        if self._engine is not None:
            await asyncio.to_thread(self._engine.stop, False, 1.0)


def open_lanes(engine: "Engine", lanes: int, lookahead: int | None) -> list[Slot]:
    """All lanes of a session, or none. Raises OVERLOADED, SHUTTING_DOWN or INTERNAL."""
    slots: list[Slot] = []
    try:
        for _ in range(lanes):
            slots.append(engine.open(lookahead))
    except WavelaneError:
        for slot in slots:
            engine.close(slot)
        raise
    return slots


def full(stats: EngineStats) -> WavelaneError | None:
    """The refusal of one more session, if no lane is left or the machine has enough to do."""
    if stats.lanes < stats.max_lanes:
        return overloaded(stats.condition) if stats.condition.refusing else None
    return WavelaneError(
        ErrorCode.OVERLOADED,
        f"all {stats.max_lanes} lanes of this server are in use (setting engine.max_sessions); try again later or on "
        "another server",
    )
