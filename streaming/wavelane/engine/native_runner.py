"""Steps batches with the native CPU library (:mod:`wavelane.native`).

A step is one call that holds no interpreter lock, so steps of several workers and the event loop never wait for each
other. Rows are computed one like the other whatever their number: there is no padding, and a stream's results are bit
for bit the same whoever else is served, in every precision.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray

from wavelane.decode.search import Found
from wavelane.engine.base import Outcome
from wavelane.engine.batching import Batch
from wavelane.engine.faults import not_finite
from wavelane.engine.outcomes import outcome_of
from wavelane.engine.searching import Searches, SearchRows
from wavelane.errors import WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.native.library import PARTS
from wavelane.native.model import NativeModel, Scratch
from wavelane.native.networks import NativeNetworks
from wavelane.work import Chunk


@dataclass(frozen=True, slots=True)
class Finished:
    """A step that is done; the first ``counts[b]`` columns of row ``b`` are its pieces."""

    batch: Batch
    lengths: NDArray[np.int32]
    """[B] encoder frames"""
    finite: NDArray[np.bool_]
    """[B]"""
    counts: NDArray[np.int32]
    """[B]"""
    ids: NDArray[np.int32]
    """[B, U]"""
    frames: NDArray[np.int64]
    """[B, U] encoder frames since the start of the stream"""
    confidences: NDArray[np.float32]
    """[B, U]"""
    found: dict[int, Found | WavelaneError] = field(default_factory=dict)
    """What searches gave, by row."""


class NativeRunner:
    """Steps batches of lanes of one model; owns the lanes' memory. Implements
    :class:`wavelane.engine.base.StepRunner`.

    Several threads may launch batches at the same time if these have no slot in common.

    Args:
        model: in float32 on a CPU.
        head: name of the decoder.
        slots: number of lanes.
        precision: see :class:`wavelane.native.model.NativeModel`.
        workers: threads that launch.
        largest: rows of the largest step.
    """

    device = torch.device("cpu")

    def __init__(
        self,
        model: LoadedModel,
        head: str,
        slots: int,
        precision: str,
        workers: int,
        largest: int,
    ) -> None:
        self._spec = model.spec
        self._head = head
        self.searches = Searches(model, head)
        """Of the lanes that have one."""
        self._largest = largest
        self._slots = slots
        # Behind the lanes of streams, each worker has some to warm up and to measure with.
        self._native = NativeModel(model, precision, slots + (workers + 1) * largest, head)
        self._local = threading.local()
        self._scratches: list[Scratch] = []
        self._host_seconds: list[list[float]] = []
        self._lock = threading.Lock()

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane's state (bytes)."""
        return self._native.bytes_per_lane

    def launch(self, batch: Batch) -> Finished:
        """Compute a step."""
        begin = perf_counter()
        scratch, spare, host = self._thread()
        rows = [(pending.slot.index, pending.chunk) for pending in batch.rows]
        if not rows:
            rows = [(spare + i, self._silence(batch.lookahead)) for i in range(min(batch.bucket, self._largest))]
        before = scratch.seconds_inside
        stepped = scratch.step(batch.lookahead, rows)
        frames = stepped.frames + stepped.positions[:, None]
        finished = Finished(
            batch, stepped.lengths, stepped.finite, stepped.counts, stepped.ids, frames, stepped.confidences
        )
        if (wanted := self.searches.of(batch)) is not None:
            finished.found.update(self._search(wanted, finished, scratch))
        host[0] += perf_counter() - begin - (scratch.seconds_inside - before)
        return finished

    def collect(self, finished: Finished) -> list[Outcome]:
        """One :class:`StepResult` for each row, or what went wrong with it."""
        return [
            outcome_of(
                pending,
                frames=length,
                finite=finite,
                ids=finished.ids[row, :count].tolist() if count else (),
                positions=finished.frames[row, :count].tolist() if count else (),
                confidences=finished.confidences[row, :count].tolist() if count else (),
                found=finished.found.get(row),
            )
            for row, (pending, count, length, finite) in enumerate(
                zip(
                    finished.batch.rows,
                    finished.counts.tolist(),
                    finished.lengths.tolist(),
                    finished.finite.tolist(),
                    strict=False,
                )
            )
        ]

    def warm_up(self, buckets: Sequence[int], lookaheads: Sequence[int]) -> None:
        """Step silence, for each bucket and lookahead: commits memory; no lane of a stream is touched.

        Raises:
            WavelaneError: INTERNAL, if the output is not finite.
        """
        for lookahead in lookaheads:
            for bucket in buckets:
                if not self.launch(Batch(lookahead, (), bucket)).finite.all():
                    raise not_finite()

    def look(self) -> None:
        """Read all weights: a step of one row of silence, of the shortest lookahead."""
        self.launch(Batch(min(self._spec.lookaheads), (), 1))

    def prepare(self, lookahead: int) -> None:
        """Every lookahead is ready from the start."""

    def shares(self) -> Mapping[str, float]:
        """Seconds that all threads have spent in each part of their steps since the start."""
        with self._lock:
            scratches, host = list(self._scratches), sum(one[0] for one in self._host_seconds)
        parts = [scratch.seconds() for scratch in scratches]
        return {**{name: sum(part[name] for part in parts) for name in PARTS}, "host": host}

    def _search(self, wanted: SearchRows, stepped: Finished, scratch: Scratch) -> dict[int, Found | WavelaneError]:
        """Advance the searches of a step that is done."""
        if self._head == "rnnt":
            chunk = stepped.batch.lookahead + 1
            return self.searches.take_rnnt(
                wanted,
                lambda places, searches: NativeNetworks(
                    scratch, chunk, [wanted.rows[place] for place in places], searches
                ),
                stepped.lengths,
                stepped.finite,
            )
        base, stride = scratch.scores()
        row_bytes = (stepped.batch.lookahead + 1) * stride * 4
        scores = [base + row * row_bytes for row in wanted.rows]
        return self.searches.take_ctc(wanted, scores, stride, stepped.lengths, stepped.finite)

    def _thread(self) -> tuple[Scratch, int, list[float]]:
        """Working memory, first spare lane and host seconds of the calling thread."""
        mine: tuple[Scratch, int, list[float]] | None = getattr(self._local, "mine", None)
        if mine is None:
            scratch, host = self._native.scratch(), [0.0]
            with self._lock:
                mine = (scratch, self._slots + len(self._scratches) * self._largest, host)
                self._scratches.append(scratch)
                self._host_seconds.append(host)
            self._local.mine = mine
        return mine

    def _silence(self, lookahead: int) -> Chunk:
        frames = self._spec.chunk_frames(lookahead)
        return Chunk(
            lane=0,
            sequence=0,
            samples=np.zeros(self._spec.features.window_samples(frames), dtype=np.float32),
            frames=frames,
            start=False,
            last=False,
            lookahead=lookahead,
        )
