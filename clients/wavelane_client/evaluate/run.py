"""Streams recordings through a running server, several at a time, and compares what it hears with what was said."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE
from wavelane_client.client import open_transport
from wavelane_client.evaluate.conditions import CLEAN, Condition, Sent, Studio
from wavelane_client.evaluate.listen import Listener
from wavelane_client.evaluate.row import Heard, Row, make_row
from wavelane_client.evaluate.text import normaliser
from wavelane_client.file import Block
from wavelane_client.load.corpus import decode
from wavelane_client.load.plan import Plan
from wavelane_client.load.run import Run
from wavelane_client.manifest import Entry
from wavelane_client.messages import ModelInfo
from wavelane_client.pacing import paced
from wavelane_client.transcribe import transcribe

PATIENCE_SECONDS = 120.0
"""How long a session may take beyond its audio, and how long a server that is full is asked again."""
RETRY_SECONDS = 0.5
BESIDE_RAMP_SECONDS = 5.0
BESIDE_MOST_SECONDS = 86_400.0
clock = time.monotonic


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How recordings are streamed."""

    url: str
    lookaheads: tuple[int | str | None, ...] = (None,)
    """Each recording is streamed once for each; None is the server's default."""
    conditions: tuple[Condition, ...] = (CLEAN,)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of every session."""
    sessions: int = 8
    """At the same time."""
    realtime: bool = False
    packet_ms: int = 100
    normaliser: str = "whisper"
    beside: int = 0
    """Sessions that load the server meanwhile, in real time."""
    beside_manifest: str | None = None


@dataclass(slots=True)
class Evaluation:
    """What a run gave."""

    rows: list[Row] = field(default_factory=list)
    model: ModelInfo | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    """Effective options of the first session."""
    beside: Mapping[str, Any] | None = None
    """What became of the sessions beside."""


@dataclass(frozen=True, slots=True)
class _Job:
    entry: Entry
    condition: Condition
    lookahead: int | str | None


async def evaluate(
    settings: Settings, entries: Sequence[Entry], studio: Studio, on_row: Callable[[Row], None] = lambda _row: None
) -> Evaluation:
    """Stream all entries under all conditions and lookaheads.

    Args:
        settings: how.
        entries: what.
        studio: that knows what the conditions need.
        on_row: told of each utterance as it is done.

    Returns:
        Rows in the order of lookaheads, conditions and entries.

    Raises:
        WavelaneError: UNAVAILABLE when no server answers; INVALID_CONFIG for options or conditions that cannot be;
            INVALID_AUDIO for a file that does not decode. What else goes wrong in a session is an error of its row.
    """
    for condition in settings.conditions:
        studio.check(condition)
    normaliser(settings.normaliser)
    await (await open_transport(settings.url)).close()
    jobs = [_Job(e, c, k) for k in settings.lookaheads for c in settings.conditions for e in entries]
    evaluation = Evaluation()
    rows: list[Row | None] = [None] * len(jobs)
    numbers = iter(range(len(jobs)))

    async def work() -> None:
        for number in numbers:  # shared: each takes what is next
            row = await _run(jobs[number], settings, studio, evaluation)
            rows[number] = row
            on_row(row)

    async with _load_beside(settings, evaluation):
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(settings.sessions, len(jobs))):
                    group.create_task(work())
        except* WavelaneError as errors:
            raise errors.exceptions[0] from None
    evaluation.rows = [row for row in rows if row is not None]
    return evaluation


async def _run(job: _Job, settings: Settings, studio: Studio, evaluation: Evaluation) -> Row:
    """One utterance."""
    sent = await asyncio.to_thread(_record, job, studio)
    # Nobody looks at partials where no latency is measured; finals are the same without.
    options = {"partials": settings.realtime, **settings.options, **sent.options}
    if job.lookahead is not None:
        options["lookahead"] = job.lookahead
    listener = Listener(live=settings.realtime)
    error = None
    try:
        listener = await _stream(settings, sent, options)
    except WavelaneError as failure:
        if failure.code is ErrorCode.INVALID_CONFIG:
            raise
        error = f"{failure.code}: {failure.message}"
    except TimeoutError:
        error = f"{ErrorCode.DEADLINE_EXCEEDED}: not done {PATIENCE_SECONDS:g} s after its audio"
    lookahead = job.lookahead
    if listener.ready is not None:
        evaluation.model = evaluation.model or listener.ready.model
        evaluation.config = evaluation.config or listener.ready.config
        lookahead = listener.ready.config.get("lookahead", lookahead)
    heard = Heard(error=error) if error else listener.heard(clock())
    return make_row(job.entry, job.condition.name, lookahead, sent.seconds, heard, normaliser(settings.normaliser))


async def _stream(settings: Settings, sent: Sent, options: Mapping[str, Any]) -> Listener:
    """One session. A server that is full is asked again: it counts on audio that comes no faster than it is spoken."""
    give_up = clock() + PATIENCE_SECONDS
    while True:
        listener = Listener(live=settings.realtime)
        blocks = _blocks(settings, sent, listener)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS + sent.seconds):
                await transcribe(
                    settings.url,
                    blocks,
                    options,
                    lambda event, to=listener: to.event(event, clock()),  # type: ignore[misc]
                )
            return listener
        except WavelaneError as error:
            if error.code is not ErrorCode.OVERLOADED or clock() > give_up:
                raise
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            await blocks.aclose()


async def _blocks(settings: Settings, sent: Sent, listener: Listener) -> AsyncGenerator[Block, None]:
    async for block in paced(sent.blocks(settings.packet_ms / 1000), realtime=settings.realtime):
        listener.meter.sent(round(block.seconds * CLOCK_RATE), clock())
        yield block
    listener.meter.ended(clock())


def _record(job: _Job, studio: Studio) -> Sent:
    return studio.record(job.entry.name, decode(str(job.entry.path)), job.condition)


@asynccontextmanager
async def _load_beside(settings: Settings, evaluation: Evaluation) -> AsyncGenerator[None, None]:
    """Keeps other sessions going while the block runs, and says what became of them."""
    if not settings.beside:
        yield
        return
    plan = Plan(
        url=settings.url,
        sessions=settings.beside,
        ramp=BESIDE_RAMP_SECONDS,
        duration=BESIDE_MOST_SECONDS,
        options=dict(settings.options),
        manifest=settings.beside_manifest,
    )
    run = Run(plan)
    going = asyncio.create_task(run.run())
    try:
        await asyncio.wait([going], timeout=BESIDE_RAMP_SECONDS + 1)
        if going.done():
            going.result()
        yield
    finally:
        going.cancel()
        with suppress(asyncio.CancelledError):
            await going
    result = replace(run.result)
    evaluation.beside = {
        "sessions": settings.beside,
        "sending": run.total("active"),
        "audio_seconds": round(run.total("sent_seconds"), 1),
        "errors": dict(result.errors()),
        "refused": dict(result.refused()),
    }
