"""One process of the load generator: ``python -m wavelane_client.load.worker``, driven by the parent (``run.py``).

In: the plan as one line of JSON; then, once this process has said that it is ready, the time to start at. Out: lines of
JSON, ``ready``, ``snapshot`` twice a second, ``done``. Times are those of the machine's monotonic clock, which all its
processes share.

A session is one task that sleeps until its next packet is due: with uvloop that costs less than 10 µs a packet, a
fraction of what the socket takes, so that a timer wheel of our own would save nothing. Measured here and reported:
how late packets were because this process, not the server, was busy.
"""

import asyncio
import json
import os
import random
import sys
import time
from contextlib import suppress
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE, Closed, Failed
from wavelane_client.client import open_transport
from wavelane_client.file import BYTES_PER_SAMPLE
from wavelane_client.load.corpus import BYTES_PER_SECOND, Corpus, Script, load_corpus
from wavelane_client.load.meter import Meter, SessionRecord
from wavelane_client.load.plan import Plan
from wavelane_client.messages import Ready
from wavelane_client.pacing import Schedule
from wavelane_client.transport import DisconnectedError, Transport, connection_lost

SNAPSHOT_SECONDS = 0.5
FINAL_TIMEOUT = 30.0
"""Seconds after the end of the audio within which a session must be closed."""
RETRY_SECONDS = 1.0
"""Pause after a refusal or an error, so that a full server is not flooded with connections."""
clock = time.monotonic


class Worker:
    """Keeps a number of sessions busy."""

    def __init__(self, plan: Plan, corpus: Corpus) -> None:
        self.plan = plan
        self.active = 0
        """Sessions that are sending audio."""
        self.opened = 0
        self.sent_seconds = 0.0
        self.received = 0
        self.finished: list[SessionRecord] = []
        self.lateness: list[float] = []
        """How much later than due this process woke up for a packet (s), in the measured window."""
        self._corpus = corpus
        self._start = 0.0
        self._sessions: set[asyncio.Task[None]] = set()

    async def run(self, start: float) -> None:
        """Run all sessions from ``start`` to the end of the plan."""
        self._start = start
        lanes = [asyncio.create_task(self._lane(index)) for index in range(self.plan.sessions)]
        await asyncio.wait(lanes, timeout=start + self.plan.measured_to - clock(), return_when=asyncio.FIRST_EXCEPTION)
        failed = [lane for lane in lanes if lane.done()]
        while running := [task for task in (*lanes, *self._sessions) if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running)
        for lane in failed:
            lane.result()  # a fault of this program, not of the server

    def snapshot(self) -> dict[str, Any]:
        """Counts, and the sessions finished since the last call."""
        records, self.finished = self.finished, []
        return {
            "at": clock(),
            "active": self.active,
            "opened": self.opened,
            "sent_seconds": self.sent_seconds,
            "received": self.received,
            "records": [record.to_json() for record in records],
        }

    async def _lane(self, index: int) -> None:
        """One session after the other: the next starts when the audio of the last has been sent, not when its final has
        come, so that a slow server gets no relief from its own delay."""
        rng = random.Random(self.plan.seed + index)
        await _sleep_until(self._start + self.plan.ramp * index / max(1, self.plan.sessions))
        script = self._corpus.tail(rng, self.plan.session_seconds, self.plan.speech_share)
        while True:
            sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
            session = asyncio.create_task(self._session(script, rng, sent))
            self._sessions.add(session)
            session.add_done_callback(self._sessions.discard)
            if not await sent:
                await asyncio.sleep(RETRY_SECONDS * rng.uniform(0.5, 1.5))
            script = self._corpus.script(rng, self.plan.session_seconds, self.plan.speech_share)

    async def _session(self, script: Script, rng: random.Random, sent: asyncio.Future[bool]) -> None:
        """Run one session; ``sent`` becomes True at the end of its audio, False when it was refused or broke."""
        meter = Meter(script.text)
        started = clock()
        transport: Transport | None = None
        self.opened += 1
        try:
            transport = await open_transport(self.plan.url, words=False)
            await self._converse(transport, script, meter, rng, started, sent)
        except WavelaneError as error:
            meter.failed(error.code, error.message)
        except TimeoutError:
            meter.failed(ErrorCode.DEADLINE_EXCEEDED, f"no `closed` within {FINAL_TIMEOUT:g} s of the end of the audio")
        finally:
            self.finished.append(meter.finish(clock(), CLOCK_RATE))
            if not sent.done():
                sent.set_result(False)
            if transport is not None:
                await transport.close()

    async def _converse(
        self,
        transport: Transport,
        script: Script,
        meter: Meter,
        rng: random.Random,
        started: float,
        sent: asyncio.Future[bool],
    ) -> None:
        with suppress(DisconnectedError):  # receive() tells why
            await transport.send("configure", self.plan.options)
        match await transport.receive():
            case Ready():
                meter.record.ready = clock() - started
            case Failed() as failure:
                raise WavelaneError(failure.code, failure.message)
            case other:
                raise connection_lost(self.plan.url, f"{other!r} instead of ready")
        receiver = asyncio.create_task(self._receive(transport, meter))
        try:
            self.active += 1
            try:
                with suppress(DisconnectedError):  # the receiver tells why
                    await self._send(transport, script, meter, rng)
                    sent.set_result(True)
            finally:
                self.active -= 1
            async with asyncio.timeout(FINAL_TIMEOUT):
                await receiver
            if not sent.done():
                raise connection_lost(self.plan.url, "closed before the end of the audio")
        finally:
            receiver.cancel()
            await asyncio.gather(receiver, return_exceptions=True)

    async def _send(self, transport: Transport, script: Script, meter: Meter, rng: random.Random) -> None:
        schedule = Schedule(clock(), jitter=self.plan.jitter_ms / 1000, rng=rng)
        measured_from = self._start + self.plan.measured_from
        for packet in script.packets:
            seconds = len(packet) / BYTES_PER_SECOND
            due = schedule.due(seconds)
            wait = due - clock()
            if wait > 0:
                await asyncio.sleep(wait)
                now = clock()
                if now >= measured_from:
                    self.lateness.append(now - due)
            else:
                now = clock()
            meter.sent(len(packet) // BYTES_PER_SAMPLE, now)
            await transport.send_audio(packet)
            self.sent_seconds += seconds
        meter.ended(clock())
        await transport.send("end", {})

    async def _receive(self, transport: Transport, meter: Meter) -> None:
        failure: WavelaneError | None = None
        while (event := await transport.receive()) is not None:
            meter.event(event, clock())
            self.received += 1
            if isinstance(event, Failed):
                failure = failure or WavelaneError(event.code, event.message)
            elif isinstance(event, Closed):
                break
        if failure is not None:
            raise failure
        if event is None:
            raise connection_lost(self.plan.url, "the server closed it")


async def _sleep_until(when: float) -> None:
    await asyncio.sleep(max(0.0, when - clock()))


def _write(kind: str, **values: Any) -> None:
    sys.stdout.write(json.dumps({"type": kind, **values}) + "\n")
    sys.stdout.flush()


async def _main() -> None:
    try:
        plan = Plan.from_json(json.loads(sys.stdin.readline()))
        worker = Worker(plan, Corpus(load_corpus(plan.manifest, plan.audio), plan.packet_ms))
    except WavelaneError as error:
        _write("failed", code=error.code.value, message=error.message)
        return
    _write("ready")
    start = float(await asyncio.to_thread(sys.stdin.readline))
    running = asyncio.create_task(worker.run(start))
    measuring = asyncio.create_task(_cores(start + plan.measured_from, start + plan.measured_to))
    while not running.done():
        await asyncio.wait([running], timeout=SNAPSHOT_SECONDS)
        _write("snapshot", **worker.snapshot())
    await running
    _write("done", cpu_cores=await measuring, lateness=worker.lateness)


async def _cores(begin: float, end: float) -> float:
    """Mean processor use of this process (cores) between two times."""
    await _sleep_until(begin)
    start, used = clock(), time.process_time()
    await _sleep_until(end)
    return (time.process_time() - used) / max(1e-9, clock() - start)


def main() -> None:
    """Run under uvloop where there is one."""
    try:
        try:
            import uvloop
        except ImportError:  # Windows
            asyncio.run(_main())
        else:
            uvloop.run(_main())
    except BrokenPipeError:
        # Whoever wanted the figures is gone; Python would try to write the rest of them at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
