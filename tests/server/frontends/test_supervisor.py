"""The supervisor over processes that do nothing but say that they serve."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from wavelane.errors import WavelaneError
from wavelane_server.frontends import supervisor
from wavelane_server.frontends.supervisor import Supervisor
from wavelane_server.loading import load_config

CHILD = """
import os, sys
end = int(sys.argv[1])
os.read(end, 1)
os.write(end, b'{"word": "ready"}\\n')
while os.read(end, 65536):
    pass
"""

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux shares ports")


class Starts:
    """Starts a child in place of a real one, unless it is to fail or to wait."""

    def __init__(self) -> None:
        self.faults: list[OSError] = []
        self.proceed = asyncio.Event()
        self.proceed.set()
        self.processes: list[Process] = []
        self._start = asyncio.create_subprocess_exec

    async def __call__(self, *command: str, **options: Any) -> Process:
        if self.faults:
            raise self.faults.pop()
        process = await self._start(sys.executable, "-S", "-E", "-c", CHILD, command[-1], **options)
        self.processes.append(process)
        await self.proceed.wait()
        return process


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> Starts:
    starts = Starts()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", starts)
    monkeypatch.setattr(supervisor, "REPORT_S", 0.01)
    return starts


def make() -> Supervisor:
    ports = {"server.port": 0, "server.grpc": False, "server.frontends": 1}
    return Supervisor(load_config(flags=ports))


@asynccontextmanager
async def running() -> AsyncIterator[Supervisor]:
    running = make()
    await running.start(asyncio.Event())
    try:
        yield running
    finally:
        async with asyncio.timeout(60):
            await running._end()


async def test_a_process_that_cannot_be_started_again_is_tried_again(starts: Starts) -> None:
    async with running() as over, asyncio.timeout(60):
        starts.faults = [OSError(12, "Cannot allocate memory")] * 2
        child = over._front_ends[0]
        child.kill()
        while starts.faults or not child.ready.is_set():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert len(starts.processes) == 3


async def test_a_process_that_cannot_be_started_at_first_says_why(starts: Starts) -> None:
    starts.faults = [OSError(12, "Cannot allocate memory")]
    with pytest.raises(WavelaneError, match="cannot be started: Cannot allocate memory"):
        await make().start(asyncio.Event())


async def test_a_process_that_starts_as_all_others_end_is_ended_too(starts: Starts) -> None:
    async with running() as over, asyncio.timeout(60):
        starts.proceed.clear()
        over._front_ends[0].kill()
        while len(starts.processes) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        asyncio.get_running_loop().call_later(0.05, starts.proceed.set)
        await over._end()
        assert all(process.returncode is not None for process in starts.processes)


async def test_reports_that_never_come_are_not_waited_for_later(starts: Starts) -> None:
    async with running() as over:
        await over._answer(over._engine, 0)
        await asyncio.sleep(0)
        assert not over._reports
