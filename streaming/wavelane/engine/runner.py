"""One step on the device: windows in, tokens out, state kept in between.

A step is padded to its bucket with rows of the blank state, and everything that happens to a row (features, encoder,
decoder, position) happens for all rows in one tensor operation. Per row, the host only copies the window in and builds
the result.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from wavelane.engine.base import DeviceLostError, Outcome
from wavelane.engine.batching import Batch
from wavelane.engine.faults import not_finite
from wavelane.engine.states import StatePool
from wavelane.model.base import Decoder, LoadedModel
from wavelane.work import StepResult, Token

logger = logging.getLogger(__name__)

_POSITION = "frames"
"""The engine's own leaf: encoder frames since the start of the stream."""

_HEADER = 3
"""Columns before the pieces in a step's numbers: count, encoder frames, finite."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A step in flight."""

    batch: Batch
    numbers: Tensor
    """[B, 3 + 2 U] int64 on the host: count, encoder frames, finite, U ids, U frames since the start of the stream."""
    confidences: Tensor
    """[B, U] float32 on the host"""
    done: torch.cuda.Event | None
    """Both are on the host after this event (None: they are)."""


class Runner:
    """Steps batches of lanes of one model; owns the lanes' memory.

    Several threads may launch batches at the same time if these have no slot in common.

    Args:
        model: on its device and in its precision.
        head: name of the decoder.
        slots: number of lanes.
    """

    def __init__(self, model: LoadedModel, head: str, slots: int) -> None:
        self._model = model
        self._spec = model.spec
        self._decoder: Decoder = model.decoders[head]
        with torch.inference_mode():
            encoder_state = model.encoder.init_state(1)
            self.device = next(iter(encoder_state.values())).device
            self._encoder_pool = StatePool(encoder_state, slots)
            self._decoder_pool = StatePool(self._decoder.init_state(1), slots)
            position = torch.zeros(1, dtype=torch.int64, device=self.device)
            self._position_pool = StatePool({_POSITION: position}, slots)
        self._pools = (self._encoder_pool, self._decoder_pool, self._position_pool)
        self._on_cuda = self.device.type == "cuda"

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane's state (bytes)."""
        return sum(pool.bytes_per_lane for pool in self._pools)

    def launch(self, batch: Batch) -> Launched:
        """Begin a step. On a CPU it is done on return; on CUDA it is queued, as far as the decoder does not wait."""
        try:
            with torch.inference_mode():
                return self._launch(batch)
        except torch.AcceleratorError as error:
            raise DeviceLostError(str(error)) from error

    def collect(self, launched: Launched) -> list[Outcome]:
        """Wait for a step and read its results: one :class:`StepResult` for each row, or what went wrong with it."""
        try:
            if launched.done is not None:
                launched.done.synchronize()
        except torch.AcceleratorError as error:
            raise DeviceLostError(str(error)) from error
        numbers: list[list[int]] = launched.numbers.tolist()
        confidences: list[list[float]] = launched.confidences.tolist()
        width = launched.confidences.shape[1]
        outcomes: list[Outcome] = []
        for pending, row, row_confidences in zip(launched.batch.rows, numbers, confidences, strict=False):
            count, frames, finite = row[:_HEADER]
            if not finite:
                logger.error("%s: the encoder's output is not finite", pending.slot)
                outcomes.append(not_finite())
                continue
            ids = row[_HEADER : _HEADER + count]
            positions = row[_HEADER + width : _HEADER + width + count]
            tokens = tuple(
                Token(id=piece, frame=position, confidence=confidence)
                for piece, position, confidence in zip(ids, positions, row_confidences, strict=False)
            )
            chunk = pending.chunk
            outcomes.append(
                StepResult(lane=chunk.lane, sequence=chunk.sequence, tokens=tokens, frames=frames, last=chunk.last)
            )
        return outcomes

    def warm_up(self, buckets: Sequence[int], lookaheads: Sequence[int]) -> None:
        """Step padding only, for each bucket and lookahead: allocates memory and chooses kernels; no lane is touched.

        Raises:
            WavelaneError: INTERNAL, if the model gives something else than the contract says.
        """
        for lookahead in lookaheads:
            self.prepare(lookahead)
            for bucket in buckets:
                launched = self.launch(Batch(lookahead, (), bucket))
                if launched.done is not None:
                    launched.done.synchronize()
                if not bool(launched.numbers[:, 2].all()):
                    raise not_finite()

    def prepare(self, lookahead: int) -> None:
        """Make steps of a lookahead fast. May run beside them, on another thread."""
        self._model.encoder.prepare(lookahead)

    def _launch(self, batch: Batch) -> Launched:
        index, frames, start, last, prompts = self._describe(batch)
        samples = self._windows(batch)
        count = len(batch.rows)
        starting = [pending.slot.index for pending in batch.rows if pending.chunk.start]
        if starting:
            rows = torch.tensor(starting, device=self.device)
            for pool in self._pools:
                pool.reset(rows)
        features = self._model.front_end(samples, frames, start, last)
        encoded, encoder_state = self._model.encoder.step(
            features,
            frames,
            start,
            last,
            self._encoder_pool.gather(index),
            batch.lookahead,
            prompts if self._spec.prompts else None,
        )
        emissions, decoder_state = self._decoder.step(encoded, self._decoder_pool.gather(index))
        position = self._position_pool.gather(index)[_POSITION]
        valid = torch.arange(encoded.frames.shape[1], device=self.device) < encoded.lengths[:, None]
        # amax hands NaN and infinity on; frames past a row's length may hold anything.
        finite = (encoded.frames.abs().amax(dim=2).isfinite() | ~valid).all(dim=1)
        numbers = torch.cat(
            (
                torch.stack((emissions.counts, encoded.lengths, finite.to(torch.int64)), dim=1),
                emissions.ids,
                emissions.frames + position[:, None],
            ),
            dim=1,
        )
        # Last, and only now: a step that raised before has changed no lane.
        target = torch.where(finite, index, self._encoder_pool.waste)[:count]
        self._encoder_pool.scatter(target, encoder_state)
        self._decoder_pool.scatter(target, decoder_state)
        self._position_pool.scatter(target, {_POSITION: position + encoded.lengths})
        if not self._on_cuda:
            return Launched(batch, numbers, emissions.confidences, None)
        host_numbers = numbers.to("cpu", non_blocking=True)
        host_confidences = emissions.confidences.to("cpu", non_blocking=True)
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record(torch.cuda.current_stream(self.device))
        return Launched(batch, host_numbers, host_confidences, done)

    def _describe(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Slot index, valid frames, start, last and prompt of every row, each [B]; one copy to the device."""
        padding = batch.bucket - len(batch.rows)
        default_prompt = self._spec.default_prompt or 0
        columns = [
            (
                pending.slot.index,
                pending.chunk.frames,
                pending.chunk.start,
                pending.chunk.last,
                default_prompt if pending.chunk.prompt is None else pending.chunk.prompt,
            )
            for pending in batch.rows
        ]
        start_frames = self._spec.start_frames(batch.lookahead)
        columns += [(self._encoder_pool.blank, start_frames, True, False, default_prompt)] * padding
        table = torch.tensor(columns, dtype=torch.int64, pin_memory=self._on_cuda).to(self.device, non_blocking=True)
        index, frames, start, last, prompts = table.t().contiguous().unbind(0)
        return index, frames, start.bool(), last.bool(), prompts

    def _windows(self, batch: Batch) -> Tensor:
        """[B, window] float32 on the device, padding rows silent."""
        width = self._spec.features.window_samples(self._spec.chunk_frames(batch.lookahead))
        host = torch.empty((batch.bucket, width), dtype=torch.float32, pin_memory=self._on_cuda)
        array = host.numpy()
        if batch.rows:
            np.stack([pending.chunk.samples for pending in batch.rows], out=array[: len(batch.rows)])
        array[len(batch.rows) :] = 0
        return host.to(self.device, non_blocking=True)
