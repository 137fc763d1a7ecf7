"""The channel between the supervisor and each of its processes: lines of JSON over a socket pair.

When it breaks the other side is dead: that is how processes notice, even after SIGKILL.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Any, NamedTuple

from wavelane_server.config import Config

MAX_LINE = 1 << 24
"""Longest line (bytes): the metrics of a process are the longest."""


class Word(StrEnum):
    """What a line is about."""

    BEGIN = "begin"
    """Supervisor, first: the role, the name, the configuration and the engine's socket."""
    READY = "ready"
    """Process: it serves. The engine tells what."""
    FAILED = "failed"
    """Process, last: it cannot start, and why."""
    BEAT = "beat"
    """Process, again and again: it is alive, and whether it is healthy."""
    ENGINE = "engine"
    """Supervisor, to front ends: an engine listens."""
    DRAIN = "drain"
    """Supervisor, to front ends: finish the sessions, then end."""
    STOP = "stop"
    """Supervisor, to the engine: end."""
    SCRAPE = "scrape"
    """Front end: it was asked for the metrics of all processes. Answered by METRICS."""
    REPORT = "report"
    """Supervisor: tell your metrics. Answered by METRICS."""
    METRICS = "metrics"
    """The answer to SCRAPE or REPORT."""


class Line(NamedTuple):
    """One message."""

    word: Word
    values: dict[str, Any]


class Channel:
    """One end. Made by :meth:`of`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def of(cls, end: socket.socket) -> "Channel":
        """Over one end of a socket pair, which it owns from now on."""
        return cls(*await asyncio.open_unix_connection(sock=end, limit=MAX_LINE))

    def say(self, word: Word, **values: object) -> None:
        """Send a line. What a dead process is told is lost."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps({"word": word, **values}).encode() + b"\n")

    async def hear(self) -> AsyncIterator[Line]:
        """Lines, until the other side is dead."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return
            if not line.endswith(b"\n"):
                return
            values = json.loads(line)
            yield Line(Word(values.pop("word")), values)

    async def drain(self) -> None:
        """Wait until what was said has left."""
        await self._writer.drain()

    def close(self) -> None:
        """End it."""
        self._writer.close()


def pack_config(config: Config) -> dict[str, Any]:
    """The configuration as JSON has it."""
    return config.model_dump(mode="json")


def unpack_config(values: dict[str, Any]) -> Config:
    """What :func:`pack_config` packed; neither files nor the environment are read again."""
    sections = {
        name: field.annotation.model_validate(values[name])  # type: ignore[union-attr]  # every section is a model
        for name, field in Config.model_fields.items()
    }
    return Config.model_construct(**sections)
