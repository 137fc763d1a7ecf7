"""Steps batches of lanes: a batch becomes tensors (:mod:`.staging`), is stepped (:mod:`.step`), on CUDA as one graph
(:mod:`.graphs`), and its numbers become results. Per row, the host only copies the window in and builds the result.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from wavelane.decode.ctc import CtcDecoder
from wavelane.decode.rnnt import GreedyTransducer
from wavelane.decode.search import Found
from wavelane.decode.transducer_search import TorchNetworks, TransducerSearch
from wavelane.engine.base import DeviceLostError, Outcome
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.cuda import CudaRecorder, configure
from wavelane.engine.faults import not_finite
from wavelane.engine.graphs import Graphs, Recorder
from wavelane.engine.metrics import GraphStats
from wavelane.engine.outcomes import outcome_of
from wavelane.engine.searching import Searches, SearchRows
from wavelane.engine.selfcheck import SPARE
from wavelane.engine.staging import Stage, Stages
from wavelane.engine.step import HEADER, Carry, DeviceStep, Outputs, Row
from wavelane.errors import WavelaneError
from wavelane.model.base import LoadedModel


@dataclass(frozen=True, slots=True)
class Launched:
    """A step in flight."""

    batch: Batch
    stage: Stage
    """Its buffers."""
    numbers: Tensor
    """See :class:`wavelane.engine.step.Outputs`; on the host."""
    confidences: Tensor
    """The same."""
    carry: Carry | None
    done: torch.cuda.Event | None
    """Numbers, confidences and scores are on the host after this event (None: they are)."""
    wanted: SearchRows | None
    """Rows that are searched when the step is collected."""
    scores: Tensor | None
    """Of CTC: [R, T, symbols] float32, log-probabilities for them; on the host. Of RNN-T: [R, T, D], their frames."""


class Runner:
    """Steps batches of lanes of one model; owns the lanes' memory.

    Several threads may launch batches at the same time if these have no slot in common. With graphs one thread
    launches.

    Args:
        model: on its device and in its precision.
        head: name of the decoder.
        slots: number of lanes.
        graphs: when CUDA graphs are captured, see ``engine.cuda_graphs``; a CPU has none.
        max_graphs: how many.
        tell: called when graphs were captured, on the thread that did it.
        recorder: makes graphs of steps; None is CUDA's on CUDA, and none on a CPU.
    """

    def __init__(
        self,
        model: LoadedModel,
        head: str,
        slots: int,
        *,
        graphs: Literal["startup", "lazy", "off"] = "startup",
        max_graphs: int = 128,
        tell: Callable[[GraphStats], None] = lambda _: None,
        recorder: Recorder | None = None,
    ) -> None:
        self.device = next(iter(model.encoder.init_state(1).values())).device
        self._on_cuda = self.device.type == "cuda"
        if self._on_cuda:
            configure()
            if graphs != "off" and recorder is None:
                recorder = CudaRecorder(self.device)
        self._bounded = self._on_cuda or recorder is not None
        """A step never waits for the device, and its results are copied before the next one."""
        self._step = DeviceStep(model, head, slots, bounded=self._bounded, spare=SPARE if recorder is not None else 0)
        self._graphs = None if recorder is None else Graphs(self._step, recorder, max_graphs, tell)
        self._lazy = graphs == "lazy"
        self._decoder = model.decoders[head]
        self.searches = Searches(model, head)
        """Of the lanes that have one."""
        self._stages = Stages(self.device)

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane's state (bytes)."""
        return self._step.bytes_per_lane

    def launch(self, batch: Batch) -> Launched:
        """Begin a step. On a CPU it is done on return; on CUDA it is queued."""
        try:
            with torch.inference_mode(), self._on_device():
                return self._launch(batch)
        except torch.AcceleratorError as error:
            raise DeviceLostError(str(error)) from error

    def collect(self, launched: Launched) -> list[Outcome]:
        """Wait for a step and read its results: one :class:`StepResult` for each row, or what went wrong with it."""
        try:
            with torch.inference_mode(), self._on_device():
                numbers, confidences = self._read(launched)
                found = self._search(launched, numbers)
        except torch.AcceleratorError as error:
            raise DeviceLostError(str(error)) from error
        width = (len(numbers[0]) - HEADER) // 2
        outcomes: list[Outcome] = []
        rows = zip(launched.batch.rows, numbers, confidences, strict=False)
        for number, (pending, row, row_confidences) in enumerate(rows):
            count, frames, finite, _ = row[:HEADER]
            outcomes.append(
                outcome_of(
                    pending,
                    frames=frames,
                    finite=bool(finite),
                    ids=row[HEADER : HEADER + count],
                    positions=row[HEADER + width : HEADER + width + count],
                    confidences=row_confidences,
                    found=found.get(number),
                )
            )
        return outcomes

    def warm_up(self, buckets: Sequence[int], lookaheads: Sequence[int]) -> None:
        """Step padding only, for each bucket and lookahead: allocates memory, chooses kernels, captures graphs.

        No lane is touched.

        Raises:
            WavelaneError: INTERNAL, if the model gives something else than the contract says.
        """
        if self._graphs is not None and not self._lazy:
            # If there are more shapes than graphs allowed, those of most sessions have one.
            default = self._step.spec.default_lookahead
            with self._on_device():
                self._graphs.prepare(buckets, sorted(lookaheads, key=lambda lookahead: lookahead != default))
        for lookahead in lookaheads:
            self.prepare(lookahead)
            for bucket in buckets:
                launched = self.launch(Batch(lookahead, (), bucket))
                with torch.inference_mode(), self._on_device():
                    numbers, _ = self._read(launched)
                if not all(row[2] for row in numbers):
                    raise not_finite()

    def prepare(self, lookahead: int) -> None:
        """Make steps of a lookahead fast. May run beside them, on another thread."""
        self._step.prepare(lookahead)

    def _launch(self, batch: Batch) -> Launched:
        stage = self._stages.take()
        try:
            shape = batch.bucket, self._step.window(batch.lookahead)
            rows = [self._row(pending) for pending in batch.rows]
            windows = [pending.chunk.samples for pending in batch.rows]
            samples, table = stage.up(windows, rows, self._step.padding(batch.lookahead), shape)
            outputs = self._run(batch, samples, table)
            numbers, confidences = outputs.numbers, outputs.confidences
            wanted = self.searches.of(batch)
            scores = None if wanted is None else self._scores(outputs, wanted)
            if self._bounded:
                numbers, confidences = stage.down(numbers, confidences)
            done = None
            if self._on_cuda:
                # Whoever waits for it sleeps, and does not take a core from the event loop.
                done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
                done.record(torch.cuda.current_stream(self.device))
        except BaseException:
            self._stages.give(stage)
            raise
        return Launched(batch, stage, numbers, confidences, outputs.carry, done, wanted, scores)

    def _scores(self, outputs: Outputs, wanted: SearchRows) -> Tensor:
        """What the search needs of the rows that are searched; the host does not wait for the device."""
        rows = torch.tensor(wanted.rows, dtype=torch.int64)
        if not isinstance(self._decoder, CtcDecoder):
            # Copied before the next step, which on CUDA writes to the same memory.
            return outputs.encoded.index_select(0, rows.to(self.device, non_blocking=True))
        if not self._on_cuda:
            return self._decoder.log_probabilities(outputs.encoded[rows]).contiguous()
        rows = rows.pin_memory().to(self.device, non_blocking=True)
        scores = self._decoder.log_probabilities(outputs.encoded.index_select(0, rows))
        return torch.empty(scores.shape, pin_memory=True).copy_(scores, non_blocking=True)

    def _search(self, launched: Launched, numbers: list[list[int]]) -> dict[int, Found | WavelaneError]:
        """Advance the searches of a step whose results are on the host."""
        wanted, scores = launched.wanted, launched.scores
        if wanted is None or scores is None:
            return {}
        table = np.array(numbers)[:, 1:3].astype(np.int32)
        lengths, finite = table[:, 0], table[:, 1].astype(np.bool_)
        decoder = self._decoder
        if isinstance(decoder, GreedyTransducer):
            used: list[TorchNetworks] = []

            def networks_of(places: list[int], searches: list[TransducerSearch]) -> TorchNetworks:
                used.append(TorchNetworks(decoder, scores[places], searches))
                return used[0]

            results = self.searches.take_rnnt(wanted, networks_of, lengths, finite)
            for networks in used:
                networks.keep()
            return results
        base, row_bytes = scores.data_ptr(), scores[0].nbytes if wanted.rows else 0
        places = [base + i * row_bytes for i in range(len(wanted.rows))]
        return self.searches.take_ctc(wanted, places, scores.shape[2], lengths, finite)

    def _run(self, batch: Batch, samples: Tensor, table: Tensor) -> Outputs:
        shape = batch.bucket, batch.lookahead
        if self._graphs is not None:
            if self._lazy and not self._graphs.known(shape) and not self._graphs.full():
                self._graphs.record(shape)
            outputs = self._graphs.run(shape, samples, table)
            if outputs is not None:
                return outputs
        return self._step(samples, table, batch.lookahead, None if self._bounded else len(batch.rows))

    def _row(self, pending: Pending) -> Row:
        chunk, index = pending.chunk, pending.slot.index
        prompt = chunk.prompt if chunk.prompt is not None else self._step.spec.default_prompt or 0
        return Row(self._step.blank if chunk.start else index, index, chunk.frames, chunk.start, chunk.last, prompt)

    def _read(self, launched: Launched) -> tuple[list[list[int]], list[list[float]]]:
        """Numbers and confidences of every row, of a step of padding only of that; gives its buffers back."""
        if launched.done is not None:
            launched.done.synchronize()
        count = len(launched.batch.rows) or launched.batch.bucket
        numbers: list[list[int]] = launched.numbers[:count].tolist()
        confidences: list[list[float]] = launched.confidences[:count].tolist()
        self._stages.give(launched.stage)
        if launched.carry is not None and any(row[3] for row in numbers):
            # Speech faster than what a step is bounded to: rare, so that waiting for the device does no harm.
            more = self._step.resume(launched.carry)
            return more[0].tolist(), more[1].tolist()
        return numbers, confidences

    def _on_device(self) -> contextlib.AbstractContextManager[object]:
        """CUDA calls that name no device mean ours."""
        return torch.cuda.device(self.device) if self._on_cuda else contextlib.nullcontext()
