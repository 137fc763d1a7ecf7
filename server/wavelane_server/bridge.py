"""The only place where asyncio meets the engine.

A :class:`Recognizer` is the server's side of one engine; a :class:`wavelane_server.live.LiveSession` is a session with
its lanes. Both live on the event loop, and reach the engine through an :class:`wavelane_server.engines.EngineClient`.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from wavelane.engine.base import Delivery
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.effective import effective_options
from wavelane.session.options import parse_options
from wavelane.session.session import DetectorFactory, Session, make_detector
from wavelane_server.adapters.base import ModelInfo, Ready
from wavelane_server.auth import Keys
from wavelane_server.config import Config
from wavelane_server.engines import EngineClient, full
from wavelane_server.grammars import load_grammars
from wavelane_server.judges import Judges
from wavelane_server.limits import decoder_limits
from wavelane_server.live import LiveSession
from wavelane_server.metrics import Metrics
from wavelane_server.outbox import Outbox
from wavelane_server.profiles.personal import Personal
from wavelane_server.profiles.store import make_store, no_profiles

SLICE_S = 0.002
"""Least time (s) that results are worked off for, if there are so many, before the event loop gets a turn."""

MOST_SLICE_S = 0.05
"""Longest such time. In between it is what the rest of the loop took since: where there is more to do than the loop
can, results do not wait behind packets that only make more of them."""

REPORT_S = 1.0
"""Time (s) between two reports to the engine of how late results are."""


class Recognizer:
    """Sessions over one engine.

    Args:
        config: the server's.
        metrics: counts what happens.
        detectors: makes the speech detector of each lane.
    """

    def __init__(self, config: Config, metrics: Metrics, detectors: DetectorFactory = make_detector) -> None:
        self.config = config
        self.metrics = metrics
        self.draining = False
        self.live: set[LiveSession] = set()
        self.judges = Judges()
        self.keys = Keys(config.auth)
        self.grammars = load_grammars(config.grammar)
        self.profiles = make_store(config.profiles)
        self._detectors = detectors
        self._engine: EngineClient | None = None
        self._tenants: dict[Slot, tuple[LiveSession, int]] = {}
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[Delivery] = deque()
        self._working = False
        self._worked = 0.0
        self._dial = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def attach(self, engine: EngineClient) -> None:
        """Begin to serve: the engine is loaded and running."""
        # Loading a model holds the interpreter for long turns; that says nothing about serving.
        self.metrics.forget_loop_delay()
        self._engine = engine

    @property
    def loading(self) -> bool:
        """No engine yet."""
        return self._engine is None

    @property
    def engine(self) -> EngineClient:
        """The engine. Raises OVERLOADED while the model is being loaded."""
        if self._engine is None:
            raise WavelaneError(ErrorCode.OVERLOADED, "the model is still being loaded; try again in a few seconds")
        return self._engine

    @property
    def model(self) -> ModelInfo:
        """What a client may know of the model."""
        return ModelInfo.of(self.engine.spec, self.engine.head)

    @property
    def dial(self) -> int:
        """Where the engine has its dial for lookaheads."""
        return self.engine.stats.condition.dial

    def unready(self) -> str | None:
        """Why new sessions should go elsewhere; None when they are welcome."""
        if self.draining:
            return "draining"
        if self._engine is None:
            return "loading"
        return self._engine.trouble

    def admit(self) -> None:
        """Check, before a handshake, whether a session could be opened.

        Raises:
            WavelaneError: SHUTTING_DOWN or OVERLOADED.
        """
        try:
            self._check_open()
            self._check_loop()
            if (refusal := full(self.engine.stats)) is not None:
                raise refusal
        except WavelaneError as error:
            self.metrics.refusals.labels(error.code.value).inc()
            raise

    def check(self, values: object) -> None:
        """Check, before a handshake, options that it brought.

        Raises:
            WavelaneError: INVALID_CONFIG; OVERLOADED while the model is being loaded.
        """
        options = parse_options(values, base=self.config.session)
        effective_options(options, self.engine.spec, self.config.lm.max_hotwords)

    async def open(self, values: object, outbox: Outbox) -> LiveSession:
        """A session with its lanes; its first event is ``Ready``.

        Args:
            values: the client's options, as decoded from JSON.
            outbox: where its events go.

        Raises:
            WavelaneError: INVALID_CONFIG, SHUTTING_DOWN, OVERLOADED; no lane is held then.
        """
        try:
            self._check_open()
            self._check_loop()
            engine = self.engine
        except WavelaneError as error:
            self.metrics.refusals.labels(error.code.value).inc()
            raise
        options = parse_options(values, base=self.config.session)
        personal = Personal(engine.spec)
        if options.profile is not None:
            if self.profiles is None:
                raise no_profiles()
            profile = await self.profiles.load(options.profile)
            personal = Personal(engine.spec, options.profile, profile, self.profiles)
            assert isinstance(values, dict), "options that are none are refused"
            options = parse_options(personal.applied(values, options, whole=True), base=self.config.session)
        if options.vad.kind == "silero":
            await self.judges.check()
        if options.grammar is not None:
            await self.read_grammar(options.grammar)
        session = Session(
            options,
            engine.spec,
            limits=decoder_limits(self.config.limits),
            max_hotwords=self.config.lm.max_hotwords,
            grammars=self.grammars,
            detectors=self._detectors,
        )
        try:
            slots = await engine.open(session.lanes, session.longest_lookahead)
            try:
                self._check_open()  # a drain may have begun meanwhile
            except WavelaneError:
                for slot in slots:
                    engine.close(slot)
                raise
        except WavelaneError as error:
            self.metrics.refusals.labels(error.code.value).inc()
            raise
        live = LiveSession(self, session, slots, outbox, personal)
        for lane, slot in enumerate(slots):
            self._tenants[slot] = (live, lane)
        self.live.add(live)
        self._empty.clear()
        self.metrics.sessions.set(len(self.live))
        self.metrics.sessions_total.inc()
        outbox.put(Ready(session=live.id, config=session.options, model=self.model))
        live.tune(self.dial)
        return live

    async def read_grammar(self, option: str) -> None:
        """Read a grammar off the event loop: that takes tenths of a second. It is remembered: sessions find it read.

        Raises:
            WavelaneError: INVALID_CONFIG.
        """
        await asyncio.to_thread(self.grammars.find, option)

    def forget(self, live: LiveSession, slots: Sequence[Slot]) -> None:
        """Give a session's lanes back. Called by the session, once."""
        for slot in slots:
            del self._tenants[slot]
            self.engine.close(slot)
        self.live.discard(live)
        self.metrics.sessions.set(len(self.live))
        if not self.live:
            self._empty.set()

    async def wait_empty(self) -> None:
        """Until no session is left."""
        await self._empty.wait()

    def receive(self, deliveries: Sequence[Delivery]) -> None:
        """Take the results of one step, on the event loop."""
        self._tune()
        self._inbox.extend(deliveries)
        if not self._working:
            self._working = True
            self._worked = time.monotonic()
            self._work()

    def _tune(self) -> None:
        """Where the engine has turned its dial, sessions that leave their lookahead to it follow."""
        dial = self.dial
        if dial != self._dial:
            self._dial = dial
            for live in list(self.live):
                live.tune(dial)

    async def report(self) -> None:
        """Run for ever: tell the engine how late results are."""
        while True:
            await asyncio.sleep(REPORT_S)
            self.engine.delayed(self.metrics.recent_delay)

    def _check_open(self) -> None:
        if self.draining:
            raise WavelaneError(
                ErrorCode.SHUTTING_DOWN, "this server is shutting down; connect to another one or try again later"
            )

    def _check_loop(self) -> None:
        delay, limit = self.metrics.recent_delay * 1000, self.config.limits.max_loop_delay_ms
        if delay > limit:
            raise WavelaneError(
                ErrorCode.OVERLOADED,
                f"this process serves its connections {delay:.0f} ms late, and new sessions are taken up to {limit} ms "
                "(setting limits.max_loop_delay_ms); try again later, on another server, or with more front ends "
                "(setting server.frontends)",
            )

    def _work(self) -> None:
        """Hand results out, a slice of time after the other, so that sockets are served in between."""
        begun = time.monotonic()
        if self._inbox and (timing := self._inbox[0].timing) is not None:
            self.metrics.waited(begun - timing.done)
        until = begun + min(max(SLICE_S, begun - self._worked), MOST_SLICE_S)
        while self._inbox:
            delivery = self._inbox.popleft()
            tenant = self._tenants.get(delivery.slot)
            if tenant is not None:
                tenant[0].deliver(tenant[1], delivery)
            if self._inbox and (now := time.monotonic()) > until:
                self._worked = now
                self._loop.call_soon(self._work)
                return
        self._working = False
