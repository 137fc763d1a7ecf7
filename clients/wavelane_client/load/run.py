"""Runs a plan in worker processes and gathers what they measured."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.client import open_transport
from wavelane_client.load.machine import ProcessMonitor
from wavelane_client.load.meter import SessionRecord
from wavelane_client.load.plan import Plan
from wavelane_client.load.report import Result
from wavelane_client.load.server_metrics import Scrape, metrics_url, scrape, what_happened

START_DELAY = 0.2
"""Seconds from the last worker's readiness to the start of the run."""
LONGEST_LINE = 256 * 1024 * 1024
"""Bytes of a worker's message."""
MONITOR_SECONDS = 0.5
RECOVERY_SECONDS = 30.0
"""For which a server that refuses may go on to do so at the beginning of a run that may be given up: the one before may
have been."""


class Run:
    """One run in progress; what a live view reads.

    Args:
        plan: what is done.
        server_pid: of the server whose use of the machine is measured, where it is on this one.
        hopeless: asked about twice a second of what was measured so far: True ends the run at once.
    """

    def __init__(
        self, plan: Plan, server_pid: int | None = None, hopeless: Callable[[Result], bool] | None = None
    ) -> None:
        self.plan = plan
        self._hopeless = hopeless
        self.result = Result(plan=plan, start=0.0)
        self.latest: list[dict[str, Any]] = [{} for _ in range(plan.processes)]
        """Last snapshot of each worker."""
        self._monitor = None if server_pid is None else ProcessMonitor(server_pid)

    def total(self, name: str) -> float:
        """Sum of a count over all workers."""
        return float(sum(snapshot.get(name, 0) for snapshot in self.latest))

    async def run(self, on_snapshot: Callable[["Run"], None] | None = None) -> Result:
        """Run the plan to its end.

        Args:
            on_snapshot: called about twice a second with this object.

        Raises:
            WavelaneError: UNAVAILABLE when no server answers, or what a worker could not do.
        """
        await _reach(self.plan.url, RECOVERY_SECONDS if self._hopeless is not None else 0.0)
        workers = [await _spawn() for _ in range(self.plan.processes)]
        try:
            await asyncio.gather(*(self._prepare(index, worker) for index, worker in enumerate(workers)))
            self.result.start = time.monotonic() + START_DELAY
            for worker in workers:
                _say(worker, repr(self.result.start))
            watching = asyncio.create_task(self._watch())
            asking = asyncio.create_task(self._ask_before())
            try:
                await asyncio.gather(*(self._follow(i, worker, on_snapshot) for i, worker in enumerate(workers)))
            finally:
                watching.cancel()
                asking.cancel()
                before, _ = await asyncio.gather(asking, watching, return_exceptions=True)
            if isinstance(before, Scrape) and (after := await scrape(str(metrics_url(self.plan.url)))) is not None:
                self.result.server = what_happened(before, after)
        finally:
            for worker in workers:
                if worker.returncode is None:
                    worker.terminate()
                await worker.wait()
        return self.result

    async def _prepare(self, index: int, worker: Process) -> None:
        _say(worker, json.dumps(self.plan.share(index).to_json()))
        message = await _hear(worker)
        if message["type"] == "failed":
            raise WavelaneError(ErrorCode(message["code"]), message["message"])

    async def _follow(self, index: int, worker: Process, on_snapshot: Callable[["Run"], None] | None) -> None:
        while not self.result.given_up and (message := await _hear(worker))["type"] == "snapshot":
            self.result.records += map(SessionRecord.from_json, message.pop("records"))
            self.latest[index] = message
            if index == 0:
                self.result.counts.append(
                    (message["at"], int(self.total("active")), self.total("sent_seconds"), int(self.total("received")))
                )
                if on_snapshot is not None:
                    on_snapshot(self)
                if self._hopeless is not None and self._hopeless(self.result):
                    self.result.given_up = True
        if self.result.given_up:
            return
        self.result.lateness += message["lateness"]
        self.result.generator_cores += message["cpu_cores"]

    async def _ask_before(self) -> Scrape | None:
        """What the server says of itself at the start of the measured window."""
        url = metrics_url(self.plan.url)
        if url is None:
            return None
        await asyncio.sleep(max(0.0, self.result.window[0] - time.monotonic()))
        return await scrape(url)

    async def _watch(self) -> None:
        """The server's use of the machine in the measured window."""
        if self._monitor is None:
            return
        begin, end = self.result.window
        await asyncio.sleep(max(0.0, begin - time.monotonic()))
        start, cpu = time.monotonic(), self._monitor.cpu_seconds()
        while time.monotonic() < end:
            await asyncio.sleep(MONITOR_SECONDS)
            self.result.server_cores = (self._monitor.cpu_seconds() - cpu) / (time.monotonic() - start)
            self.result.server_rss_bytes = max(self.result.server_rss_bytes or 0, self._monitor.resident_bytes())


async def _reach(url: str, patience: float) -> None:
    """Until the server answers and takes a session: one that is late with what a run before has left gets a while."""
    deadline = time.monotonic() + patience
    while True:
        try:
            await (await open_transport(url)).close()
        except WavelaneError as error:
            if error.code != ErrorCode.OVERLOADED or time.monotonic() > deadline:
                raise
            await asyncio.sleep(MONITOR_SECONDS)
        else:
            return


async def _spawn() -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "wavelane_client.load.worker",
        stdin=PIPE,
        stdout=PIPE,
        limit=LONGEST_LINE,
        start_new_session=True,
    )


def _say(worker: Process, line: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(line.encode() + b"\n")


async def _hear(worker: Process) -> dict[str, Any]:
    assert worker.stdout is not None
    line = await worker.stdout.readline()
    if not line:
        raise WavelaneError(
            ErrorCode.INTERNAL,
            f"a process of the load generator died (exit code {await worker.wait()}); its own words are above",
        )
    message: dict[str, Any] = json.loads(line)
    return message
