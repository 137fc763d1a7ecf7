"""The speech detector that runs off the event loop, and its way back onto it."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wavelane.errors import WavelaneError
from wavelane.vad.service import Judged, Stream, VadService
from wavelane.work import VadWork


class Client(Protocol):
    """Who waits for judgements."""

    def judge(self, lane: int, outcome: NDArray[np.float32] | WavelaneError) -> None:
        """Take the probabilities [k] of speech in the lane's oldest windows, or why there are none."""


class Judges:
    """Silero for all sessions of a server; lives on the event loop, computes on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._service: VadService | None = None
        self._missing: WavelaneError | None = None
        self._loading: asyncio.Task[None] | None = None

    async def load(self) -> None:
        """Load the network off the event loop, once. Its package may be missing."""
        if self._loading is None:
            self._loading = self._loop.create_task(self._load())
        await asyncio.shield(self._loading)

    async def check(self) -> None:
        """Have the network loaded. Raises INVALID_CONFIG when silero is not installed."""
        await self.load()
        if self._missing is not None:
            raise WavelaneError(self._missing.code, self._missing.message)

    async def _load(self) -> None:
        try:
            self._service = await asyncio.to_thread(self._start)
        except WavelaneError as error:
            self._missing = error

    async def stop(self) -> None:
        """End the thread."""
        if self._loading is not None:
            await self._loading
        if self._service is not None:
            await asyncio.to_thread(self._service.stop)

    def open(self, client: Client, lanes: int) -> list[Stream]:
        """A stream for each lane of a session."""
        assert self._service is not None, "checked when the session was admitted"
        return [self._service.open((client, lane)) for lane in range(lanes)]

    def submit(self, stream: Stream, work: VadWork) -> None:
        """Have windows judged."""
        if self._service is not None:
            self._service.submit(stream, work.windows, fresh=work.fresh)

    def close(self, streams: Sequence[Stream]) -> None:
        """Forget streams; nothing of them comes back any more."""
        if self._service is not None:
            for stream in streams:
                self._service.close(stream)

    def _start(self) -> VadService:
        from wavelane.vad.silero import SileroBatch

        return VadService(SileroBatch(), self._sink)

    def _sink(self, results: Sequence[Judged]) -> None:
        # A closed loop raises: the server ended while a call ran, and nobody waits for its results.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, results)

    def _deliver(self, results: Sequence[Judged]) -> None:
        for result in results:
            client, lane = result.stream.key
            if result.stream.open:
                client.judge(lane, result.outcome)
