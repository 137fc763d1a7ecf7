"""A session that holds its lanes, on the event loop: work to the engine, events to the client."""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wavelane.engine.base import Delivery, Timing
from wavelane.engine.dial import assigned
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Event, Failed, Final, Partial
from wavelane.session.options import SessionOptions
from wavelane.session.session import Session
from wavelane_server.adapters.base import Configured, Corrected, Progress
from wavelane_server.arrivals import Arrivals
from wavelane_server.logs import get_logger
from wavelane_server.outbox import Outbox
from wavelane_server.profiles.personal import Personal
from wavelane_server.submissions import Submissions

if TYPE_CHECKING:
    from wavelane_server.bridge import Recognizer

OFF_LOOP_BYTES = 16_384
"""Larger messages are decoded on another thread: decoding, resampling and detection of so much takes milliseconds."""

OFF_LOOP_CONTAINER_BYTES = 2_048
"""The same for containers, whose bytes hold more audio."""


class LiveSession:
    """A session that holds its lanes. Frees them when it closes, whichever way.

    Args:
        recognizer: its owner.
        session: the sans-I/O core.
        slots: one for each lane.
        outbox: where its events go.
        personal: what is known of its user.
    """

    # A dictionary of so many is a kilobyte, and each packet finds it out of the caches.
    __slots__ = (
        "__weakref__",
        "_arrivals",
        "_asked_at",
        "_broken",
        "_busy",
        "_closed",
        "_deferred",
        "_drained",
        "_engine",
        "_late",
        "_limits",
        "_log",
        "_loop",
        "_max_backlog_ms",
        "_max_backlog_s",
        "_metrics",
        "_off_loop_bytes",
        "_on_spot_bytes",
        "_opened_at",
        "_outbox",
        "_personal",
        "_progress",
        "_rate",
        "_received",
        "_recognizer",
        "_session",
        "_slots",
        "_streams",
        "_submissions",
        "_timing",
        "_windows_out",
        "failure",
        "id",
        "report_progress",
    )

    def __init__(
        self,
        recognizer: "Recognizer",
        session: Session,
        slots: Sequence[Slot],
        outbox: Outbox,
        personal: Personal | None = None,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.failure: WavelaneError | None = None
        """The fatal error that ended or is ending the session."""
        self.report_progress = False
        """Whether the client's protocol is to hear of :class:`Progress`."""
        self._recognizer = recognizer
        self._engine = recognizer.engine
        self._metrics = recognizer.metrics
        self._limits = recognizer.config.limits
        self._max_backlog_s = recognizer.config.engine.max_backlog_seconds
        self._max_backlog_ms = 1000 * self._max_backlog_s
        self._session = session
        self._slots = list(slots)
        self._rate = self._engine.spec.features.sample_rate
        self._outbox = outbox
        self._personal = personal or Personal(self._engine.spec)
        self._submissions = Submissions(self._engine, self._slots, self._limits.backpressure_ms, self._max_backlog_s)
        self._off_loop_bytes = OFF_LOOP_CONTAINER_BYTES if session.options.encoding == "container" else OFF_LOOP_BYTES
        # A container's bytes may hold more audio than is decoded at once.
        self._on_spot_bytes = 0 if session.options.encoding == "container" else OFF_LOOP_BYTES
        self._busy = False
        self._deferred: list[tuple[Callable[[int, Any], None], int, object]] = []
        self._windows_out = 0
        self._streams = recognizer.judges.open(self, session.lanes) if session.options.vad.kind == "silero" else []
        self._late: WavelaneError | None = None
        self._drained: asyncio.Future[None] | None = None
        self._arrivals = Arrivals()
        self._asked_at = 0.0
        self._timing: Timing | None = None
        """Of the result whose events go out next."""
        self._received = 0
        self._progress = [0] * len(slots)
        self._closed = False
        self._broken = False
        self._loop = asyncio.get_running_loop()
        self._opened_at = self._loop.time()
        self._log = get_logger(session=self.id)
        self._log.info("session opened", lanes=len(slots), **_summary(session.options))

    @property
    def options(self) -> SessionOptions:
        """Effective options."""
        return self._session.options

    @property
    def received(self) -> int:
        """Sample clock at the end of the audio received."""
        return self._received

    @property
    def ended(self) -> bool:
        """No more audio is taken."""
        return self._session.ended

    @property
    def closed(self) -> bool:
        """The lanes are free, and no event comes any more."""
        return self._closed

    async def receive_audio(self, data: bytes) -> None:
        """Take audio; returns when all of it is decoded, which waits for the engine where it holds much.

        Large messages are decoded off the event loop. Not to be called again before it returned.
        """
        await self._decode(len(data) > self._off_loop_bytes, self._session.receive_audio, data)

    def takes_audio(self, size: int) -> bool:
        """Whether nothing stands against taking so many bytes of audio on the spot, by :meth:`take_audio`."""
        return not (self._closed or self._busy or size > self._on_spot_bytes or self._session.ended or self._congested)

    def take_audio(self, data: bytes) -> None:
        """Take a little audio on the spot: the short way of :meth:`receive_audio`."""
        session = self._session
        try:
            session.receive_audio(data)
        except Exception:
            self._break()
        self._account()
        if self._broken or self.report_progress or not session.idle:
            self._advance()

    def flush(self) -> None:
        """Finalise what was heard and stay open."""
        self._asked_at = time.monotonic()
        self._guard(self._session.receive_flush)
        self._advance()

    async def end(self) -> None:
        """No more audio. A container's tail is decoded off the event loop."""
        self._asked_at = time.monotonic()
        await self._decode(self._session.options.encoding == "container", self._session.receive_end)

    async def reconfigure(self, values: object) -> None:
        """Change options; answered by ``Configured``. Raises INVALID_CONFIG and changes nothing."""
        if isinstance(values, dict):
            values = self._personal.applied(values, self.options, whole=False)
            if isinstance(grammar := values.get("grammar"), str):
                await self._recognizer.read_grammar(grammar)
                if self._closed:
                    return
        self._outbox.put(Configured(config=self._session.receive_options(values)))
        self.tune(self._recognizer.dial)

    async def correct(self, values: object) -> None:
        """Learn from a user's correction; answered by ``Corrected``.

        Raises:
            WavelaneError: INVALID_MESSAGE or INVALID_CONFIG: nothing is changed; or it counts for this session, and
                could not be stored.
        """
        correction, changes = self._personal.correct(values, self.options)
        self._session.receive_options(changes)
        stored = await self._personal.keep(correction)
        if self._closed:
            return
        self._outbox.put(
            Corrected(
                channel=correction.channel,
                utterance=correction.utterance,
                hotword="hotwords" in changes,
                stored=stored,
            )
        )

    def tune(self, dial: int) -> None:
        """Follow the engine's dial for lookaheads, from the next chunk on, if the client leaves that to the server."""
        bounds = self._session.options.lookahead_bounds
        if bounds is not None:
            lookaheads = sorted(self._engine.spec.lookaheads)
            self._when_free(self._take_lookahead, 0, assigned(lookaheads, bounds, self._slots[0].index, dial))

    def fail(self, error: WavelaneError) -> None:
        """The client broke a rule, or the server ends: what was heard becomes finals, then the session closes."""
        if self._closed:
            return
        if self._busy:
            self._late = error
            return
        self._asked_at = time.monotonic()
        self._guard(self._session.receive_failure, error)
        self._advance()

    def close(self) -> None:
        """Free the lanes at once: nobody listens any more. Harmless when closed."""
        if self._closed:
            return
        self._closed = True
        self._recognizer.forget(self, self._slots)
        self._recognizer.judges.close(self._streams)
        self._submissions.clear()
        self._deferred.clear()
        self._wake()
        if self.failure is not None:
            self._recognizer.metrics.failures.labels(self.failure.code.value).inc()
        self._log.info(
            "session closed",
            seconds=round(self._loop.time() - self._opened_at, 3),
            audio_seconds=round(self._received / self._rate, 3),
            complete=self._session.closed,
            error=None if self.failure is None else self.failure.code.value,
        )

    async def writable(self) -> None:
        """Wait until more audio is welcome: while the engine works on more than the limit, the client has to wait."""
        while self._congested:
            self._drained = self._loop.create_future()
            await self._drained

    def deliver(self, lane: int, delivery: Delivery) -> None:
        """Take the engine's answer to the oldest chunk of a lane."""
        self._when_free(self._take, lane, delivery)

    def judge(self, lane: int, outcome: NDArray[np.float32] | WavelaneError) -> None:
        """Take the speech detector's answer to the oldest windows of a lane."""
        self._when_free(self._take_judgement, lane, outcome)

    @property
    def _congested(self) -> bool:
        """The engine works on more of this session than the limit, so that more audio would only wait."""
        # Most of the time the engine has nothing of a session, and nothing else needs to be asked then.
        return (
            (self._submissions.count > 0 or self._windows_out > 0)
            and not self._closed
            and self._full
            and self._awaiting
            and (self._session.more or not self._session.ended)
        )

    @property
    def _full(self) -> bool:
        """More waits than should."""
        return self._session.backlog_ms > self._limits.backpressure_ms or self._submissions.crowded

    @property
    def _awaiting(self) -> bool:
        """An answer of the engine or the detector will come."""
        return self._submissions.with_engine or self._windows_out > 0

    async def _decode(self, off_loop: bool, call: Callable[..., object], *arguments: object) -> None:
        """Give input to the session, and go on as long as it holds more; the engine keeps up in between."""
        while not self._closed:
            if off_loop:
                await self._off_loop(call, *arguments)
            else:
                self._guard(call, *arguments)
            self._account()
            self._advance()
            if not self._session.more:
                return
            await self.writable()
            call, arguments = self._session.resume, ()

    def _account(self) -> None:
        """Note what arrived when, and refuse what is more than may wait."""
        received = self._session.received
        backlog = self._session.backlog_ms
        if received > self._received:
            self._arrivals.note(received, backlog * self._rate // 1000)
            self._metrics.audio.value += (received - self._received) / self._rate
            self._received = received
        if backlog > self._max_backlog_ms and not self._session.ended:
            self.fail(
                WavelaneError(
                    ErrorCode.BACKLOG_EXCEEDED,
                    f"{backlog / 1000:.1f} s of audio wait to be recognised, and the limit is {self._max_backlog_s:g} "
                    "s (setting engine.max_backlog_seconds): send smaller messages",
                )
            )

    def _when_free(self, take: Callable[[int, Any], None], lane: int, outcome: object) -> None:
        if self._busy:
            self._deferred.append((take, lane, outcome))
        elif not self._closed:
            take(lane, outcome)
            self._advance()

    def _take_lookahead(self, _lane: int, lookahead: int) -> None:
        self._guard(self._session.receive_lookahead, lookahead)

    def _take_judgement(self, lane: int, outcome: NDArray[np.float32] | WavelaneError) -> None:
        if isinstance(outcome, WavelaneError):
            self._guard(self._session.receive_error, outcome)
        else:
            self._windows_out -= len(outcome)
            self._guard(self._session.receive_judgements, lane, outcome)

    def _take(self, lane: int, delivery: Delivery) -> None:
        outcome = delivery.outcome
        self._timing = delivery.timing
        if isinstance(outcome, WavelaneError):
            self._guard(self._session.receive_error, outcome)
        else:
            self._submissions.answered(lane)
            self._guard(self._session.receive_result, outcome)

    async def _off_loop(self, call: Callable[..., object], *arguments: object) -> None:
        """Run a call of the session on another thread; results and failures that come meanwhile wait for it."""
        self._busy = True
        try:
            await asyncio.to_thread(self._guard, call, *arguments)
        finally:
            self._busy = False
        while self._deferred and not self._closed:
            take, lane, outcome = self._deferred.pop(0)
            take(lane, outcome)
        if self._late is not None:
            self.fail(self._late)

    def _guard(self, call: Callable[..., object], *arguments: object) -> None:
        """Call the session core; a fault there ends this session and no other."""
        try:
            call(*arguments)
        except Exception:
            self._break()

    def _break(self) -> None:
        """The session core has raised the exception that is being handled."""
        self._log.exception("the session core failed")
        error = WavelaneError(ErrorCode.INTERNAL, "a fault of the server ended this session; it was logged")
        with suppress(Exception):
            self._session.receive_error(error)
        self._broken = not self._session.closed
        self.failure = error

    def _advance(self) -> None:
        """Work to the engine, events to the client, and the end if it has come."""
        if self._closed or self._busy:
            return
        if self._broken:
            assert self.failure is not None
            self._outbox.put(Failed(code=self.failure.code, message=self.failure.message, fatal=True))
            self._outbox.put(Closed(received=self._received))
            self.close()
            return
        self._submit()
        for event in self._session.events():
            if isinstance(event, Failed) and event.fatal:
                self.failure = WavelaneError(event.code, event.message)
            elif isinstance(event, Final):
                self._personal.heard(event)
            self._outbox.put(event, self._since(event), self._timing)
        self._timing = None
        if self._session.closed:
            self.close()
            return
        if self.report_progress:
            self._tell_progress()
        if not (self._full and self._awaiting):
            self._wake()

    def _tell_progress(self) -> None:
        for channel, told in enumerate(self._progress):
            if (at := self._session.processed(channel)) > told:
                self._progress[channel] = at
                self._outbox.put(Progress(channel=channel, at=at))

    def _submit(self) -> None:
        while (work := self._session.next_windows()) is not None:
            self._windows_out += len(work.windows)
            self._recognizer.judges.submit(self._streams[work.lane], work)
        while (chunk := self._session.next_chunk()) is not None:
            self._submissions.add(chunk)
        try:
            self._submissions.submit()
        except WavelaneError as error:
            self._session.receive_error(error)

    def _since(self, event: Event) -> float | None:
        """When what caused a result was received."""
        if isinstance(event, Final) and event.reason in ("flush", "end", "failure"):
            return self._asked_at
        return self._arrivals.time_of(event.processed) if isinstance(event, (Partial, Final)) else None

    def _wake(self) -> None:
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None


def _summary(options: SessionOptions) -> dict[str, object]:
    return {
        "encoding": options.encoding,
        "sample_rate": options.sample_rate,
        "lookahead": options.lookahead,
        "vad": options.vad.kind,
    }
