"""Silero for many streams: a thread that judges all windows that wait in one call, and sleeps when there are none."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Judged:
    """Judgements of one stream, in the order of its windows."""

    stream: "Stream"
    outcome: NDArray[np.float32] | WavelaneError
    """Probabilities of speech [k], or why there will be none any more."""


@dataclass(eq=False, slots=True)
class Stream:
    """One stream's place in the service. Made by :meth:`VadService.open`."""

    key: Any
    """Tells the caller which of its streams this is; the service never looks at it."""
    state: NDArray[np.float32]
    queue: deque[tuple[NDArray[np.float32], bool]] = field(default_factory=deque)
    open: bool = True


class Network(Protocol):
    """A batched detector, as :class:`wavelane.vad.silero.SileroBatch`."""

    def init_state(self, batch: int) -> NDArray[np.float32]:
        """State of streams that have heard nothing, [batch, ...]."""

    def probabilities(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Judge one window of each stream: probabilities [B] and the next states."""


class VadService:
    """Batches windows over streams on a thread of its own.

    Args:
        network: the detector.
        sink: takes the judgements of a call, on the service's thread; must not block.
        max_batch: most windows of one call.
    """

    def __init__(self, network: Network, sink: Callable[[Sequence[Judged]], None], *, max_batch: int = 128) -> None:
        self._network = network
        self._sink = sink
        self._max_batch = max_batch
        self._condition = threading.Condition()
        self._ready: deque[Stream] = deque()
        self._running = True
        self._thread = threading.Thread(target=self._run, name="wavelane-vad", daemon=True)
        self._thread.start()

    def open(self, key: Any) -> Stream:
        """A place for a stream."""
        return Stream(key, self._network.init_state(1)[0])

    def submit(self, stream: Stream, windows: NDArray[np.float32], *, fresh: bool) -> None:
        """Queue windows [k, samples]; ``fresh`` windows begin anew. Thread-safe."""
        with self._condition:
            idle = not stream.queue
            stream.queue.extend((window, fresh and index == 0) for index, window in enumerate(windows))
            if idle and stream.queue:
                self._ready.append(stream)
                self._condition.notify()

    def close(self, stream: Stream) -> None:
        """Forget a stream; nothing of it is delivered any more once the call that runs is over."""
        with self._condition:
            stream.open = False
            stream.queue.clear()

    def stop(self) -> None:
        """End the thread; what waits is dropped."""
        with self._condition:
            self._running = False
            self._condition.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._running and not self._ready:
                    self._condition.wait()
                if not self._running:
                    return
                streams = [self._ready.popleft() for _ in range(min(len(self._ready), self._max_batch))]
                streams = [stream for stream in streams if stream.queue]
                work = [stream.queue[0] for stream in streams]
            if streams:
                self._judge(streams, work)

    def _judge(self, streams: list[Stream], work: list[tuple[NDArray[np.float32], bool]]) -> None:
        fresh = self._network.init_state(1)[0]
        states = np.stack([fresh if new else stream.state for stream, (_, new) in zip(streams, work, strict=True)])
        results: list[Judged]
        try:
            probabilities, states = self._network.probabilities(np.stack([window for window, _ in work]), states)
        except Exception:
            _log.exception("the speech detector failed")
            error = WavelaneError(ErrorCode.INTERNAL, "the speech detector failed; it was logged")
            results = [Judged(stream, error) for stream in streams]
        else:
            results = [
                Judged(stream, probabilities[row : row + 1]) for row, stream in enumerate(streams) if stream.open
            ]
        with self._condition:
            for row, stream in enumerate(streams):
                stream.state = states[row]
                if stream.queue:
                    stream.queue.popleft()
                if stream.queue:
                    self._ready.append(stream)
        self._sink(results)
