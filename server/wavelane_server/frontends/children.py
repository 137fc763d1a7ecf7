"""What the processes under the supervisor have in common."""

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any, Protocol

from wavelane.errors import WavelaneError
from wavelane_server.config import Config
from wavelane_server.frontends.control import Channel, Line, Word, unpack_config
from wavelane_server.logs import configure_logs, get_logger
from wavelane_server.metrics import Family
from wavelane_server.serve import SWITCH_S, loop_factory, settle_memory

BEAT_S = 0.5
"""Time between two signs of life to the supervisor (s)."""


class Role(Protocol):
    """What a process does."""

    @property
    def healthy(self) -> bool:
        """Nothing hangs."""

    async def start(self) -> dict[str, Any]:
        """Begin to serve.

        Returns:
            what is served, for the log.

        Raises:
            WavelaneError: it cannot.
        """

    async def stop(self) -> None:
        """Finish what is in progress, then end."""

    def hear(self, line: Line) -> None:
        """The supervisor said something."""

    def families(self) -> list[Family]:
        """The process's metrics."""


def run(descriptor: int) -> int:
    """Be what the supervisor says at the other end of a socket; returns the exit code."""
    # As in wavelane_server.serve.
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_run(socket.socket(fileno=descriptor)))


async def _run(end: socket.socket) -> int:
    channel = await Channel.of(end)
    lines = channel.hear()
    begin = await anext(lines, None)
    if begin is None:
        return 1
    assert begin.word is Word.BEGIN
    config = unpack_config(begin.values["config"])
    configure_logs(config.server)
    process = _make(begin.values["role"], config, Path(begin.values["socket"]), channel)
    work = asyncio.create_task(process.start())
    work.add_done_callback(lambda done: _started(done, channel))
    beat = asyncio.create_task(_beat(channel, process))
    async for line in lines:
        if line.word in (Word.DRAIN, Word.STOP):
            await process.stop()
            beat.cancel()
            channel.close()
            return 0
        if line.word is Word.REPORT:
            channel.say(Word.METRICS, id=line.values["id"], families=process.families())
        else:
            process.hear(line)
    # The supervisor is dead, or wants us to be.
    os._exit(1)


def _make(role: str, config: Config, path: Path, channel: Channel) -> Role:
    # Imported by need: a front end never loads torch.
    if role == "engine":
        from wavelane_server.frontends.engine_process import EngineProcess

        return EngineProcess(config, path)
    from wavelane_server.frontends.front_end import FrontEnd

    return FrontEnd(config, path, channel)


def _started(work: "asyncio.Task[dict[str, Any]]", channel: Channel) -> None:
    """Tell how the start went."""
    if work.cancelled():
        return
    error = work.exception()
    if error is None:
        settle_memory()
        channel.say(Word.READY, **work.result())
    elif isinstance(error, WavelaneError):
        channel.say(Word.FAILED, message=error.message)
    else:
        get_logger().error("the process could not start", exc_info=error)
        channel.say(Word.FAILED, message=f"{type(error).__name__}: {error}")


async def _beat(channel: Channel, process: Role) -> None:
    while True:
        channel.say(Word.BEAT, healthy=process.healthy)
        await asyncio.sleep(BEAT_S)
