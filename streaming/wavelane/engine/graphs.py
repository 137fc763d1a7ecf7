"""A recorded step for each batch shape: the host starts one graph instead of some thousand kernels.

A recording works on fixed memory. A step's inputs are copied to where it reads, it is replayed, and what it gave is
copied away; all of that is queued on one stream, so that the host never waits. Recordings share their inputs' memory
and, on CUDA, the memory of their intermediate values, because only one of them runs at a time: the largest shapes are
recorded first, and the others fit into what they left.

No recording is trusted: each is compared with the step it was made of, on the same random audio and state, before it
serves anybody. A shape whose recording fails or differs runs without one.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from wavelane.engine.metrics import GraphStats
from wavelane.engine.selfcheck import SelfCheck
from wavelane.engine.step import COLUMNS, DeviceStep, Outputs

logger = logging.getLogger(__name__)

Shape = tuple[int, int]
"""Bucket and lookahead."""


class Recording(Protocol):
    """A function that was recorded."""

    outputs: Outputs
    """Memory that a replay writes to."""

    def replay(self) -> None:
        """Do again what the function did, to the same memory."""


class Recorder(Protocol):
    """Makes recordings; :class:`wavelane.engine.cuda.CudaRecorder`."""

    def record(self, function: Callable[[], Outputs]) -> Recording:
        """Record a function; it may be called several times. Raises whatever goes wrong."""

    def memory(self) -> int:
        """Device memory that recordings take (bytes)."""


@dataclass(frozen=True, slots=True)
class _Entry:
    samples: Tensor
    table: Tensor
    recording: Recording


class Graphs:
    """The recordings of one model. Used by one thread at a time.

    Args:
        step: what is recorded.
        recorder: records it.
        limit: on the number of recordings, those that failed included; further shapes run without one.
        tell: called whenever the statistics change.
    """

    def __init__(
        self, step: DeviceStep, recorder: Recorder, limit: int, tell: Callable[[GraphStats], None] = lambda _: None
    ) -> None:
        self._step = step
        self._recorder = recorder
        self._limit = limit
        self._tell = tell
        self._check = SelfCheck(step)
        self._entries: dict[Shape, _Entry | None] = {}
        self._samples = torch.empty(0, device=step.device)
        self._table = torch.empty(0, dtype=torch.int64, device=step.device)
        self._seconds = 0.0

    @property
    def stats(self) -> GraphStats:
        """A snapshot."""
        captured = sum(entry is not None for entry in self._entries.values())
        return GraphStats(
            captured=captured,
            fallen_back=len(self._entries) - captured,
            seconds=self._seconds,
            bytes=self._recorder.memory(),
        )

    def prepare(self, buckets: Sequence[int], lookaheads: Sequence[int]) -> None:
        """Record shapes, the first lookahead first, its largest bucket first, as many as the limit allows."""
        wanted = [(bucket, lookahead) for lookahead in lookaheads for bucket in sorted(buckets, reverse=True)]
        for shape in wanted:
            if not self.known(shape):
                if len(self._entries) >= self._limit:
                    logger.warning(
                        "%d of %d batch shapes run without a CUDA graph: engine.max_graphs is %d",
                        sum(not self.known(shape) for shape in wanted),
                        len(wanted),
                        self._limit,
                    )
                    break
                self.record(shape)
        stats = self.stats
        logger.info(
            "%d CUDA graphs captured in %.1f s, %d MiB; %d batch shapes fell back",
            stats.captured,
            stats.seconds,
            stats.bytes >> 20,
            stats.fallen_back,
        )

    def known(self, shape: Shape) -> bool:
        """Whether the shape was recorded, or is known not to work."""
        return shape in self._entries

    def full(self) -> bool:
        """Whether the limit is reached."""
        return len(self._entries) >= self._limit

    @torch.inference_mode()
    def record(self, shape: Shape) -> bool:
        """Record a shape and check the recording; returns whether it serves."""
        started = time.perf_counter()
        bucket, lookahead = shape
        self._step.prepare(lookahead)
        entry: _Entry | None = None
        try:
            samples, table = self._inputs(bucket, self._step.window(lookahead))
            samples.zero_()
            table.copy_(torch.tensor(self._step.padding(lookahead))[:, None].expand(-1, bucket))
            entry = _Entry(samples, table, self._recorder.record(lambda: self._step(samples, table, lookahead)))
            wrong = self._check(bucket, lookahead, lambda *inputs: _replay(entry, *inputs))
        except Exception as error:
            # Should the device be lost, the next step finds out.
            logger.debug("recording failed", exc_info=True)
            wrong = f"{type(error).__name__}: {error}"
        self._entries[shape] = None if wrong else entry
        self._seconds += time.perf_counter() - started
        if wrong:
            logger.warning("steps of %d rows at lookahead %d run without a CUDA graph: %s", bucket, lookahead, wrong)
        self._tell(self.stats)
        return not wrong

    @torch.inference_mode()
    def run(self, shape: Shape, samples: Tensor, table: Tensor) -> Outputs | None:
        """Queue a step; None if there is no recording of its shape.

        The outputs are in memory that the next step of the shape writes to, but for what is carried.
        """
        entry = self._entries.get(shape)
        if entry is None:
            return None
        outputs = _replay(entry, samples, table)
        return outputs if outputs.carry is None else outputs._replace(carry=outputs.carry.clone())

    def _inputs(self, bucket: int, window: int) -> tuple[Tensor, Tensor]:
        """Memory to read from; recordings made before keep theirs."""
        if self._samples.numel() < bucket * window:
            self._samples = torch.empty(bucket * window, device=self._step.device)
        if self._table.numel() < COLUMNS * bucket:
            self._table = self._table.new_empty(COLUMNS * bucket)
        samples = self._samples[: bucket * window].view(bucket, window)
        return samples, self._table[: COLUMNS * bucket].view(COLUMNS, bucket)


def _replay(entry: _Entry, samples: Tensor, table: Tensor) -> Outputs:
    entry.samples.copy_(samples)
    entry.table.copy_(table)
    entry.recording.replay()
    return entry.recording.outputs
