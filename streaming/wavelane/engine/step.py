"""One step as a function of two tensors: windows and a table in, tokens out, the lanes' memory moved on.

Everything that happens to a row (state, features, encoder, decoder, position) happens for all rows in one tensor
operation, of a shape that depends on the batch's shape alone. Where a step begins a stream, pads the batch or fails is
told by the rows of memory that it reads and writes, not by branches. With ``bounded`` the function also never waits for
the device, so that a CUDA graph can hold it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from wavelane.decode.rnnt import GreedyTransducer, Walk
from wavelane.engine.states import StatePool, lane_bytes
from wavelane.model.base import Decoder, Emissions, Encoded, LoadedModel, State
from wavelane.spec import ModelSpec

_POSITION = "frames"
"""The engine's own leaf: encoder frames since the start of the stream."""

COLUMNS = 6
"""Lines of a table: row of memory to read and to write, feature frames, start, last, prompt."""

HEADER = 4
"""Columns before the pieces in a step's numbers: count, encoder frames, finite, open."""


class Row(NamedTuple):
    """A line of the table, for one row of a batch."""

    source: int
    """Row of memory that is read: the lane's, or the blank one."""
    target: int
    """Row of memory that is written: the lane's, or the waste."""
    frames: int
    """Valid feature frames."""
    start: bool
    last: bool
    prompt: int


class Carry(NamedTuple):
    """What is needed to go on with rows whose decoder was not through."""

    walk: Walk
    encoder_frames: Tensor
    """[B, 3] int64: encoder frames of the step, finite, encoder frames before the step."""
    target: Tensor
    """[B] int64, row of memory to write."""

    def clone(self) -> "Carry":
        """A copy that the next step on the same buffers does not touch."""
        walk = Walk(*(leaf.clone() for leaf in self.walk))
        return Carry(walk, self.encoder_frames.clone(), self.target.clone())


class Outputs(NamedTuple):
    """What a step gives. U is as many pieces as a row may have."""

    numbers: Tensor
    """[B, 4 + 2 U] int64: count, encoder frames, finite, open (there may be more pieces, :meth:`DeviceStep.resume`), U
    ids, U frames since the start of the stream."""
    confidences: Tensor
    """[B, U] float32"""
    encoded: Tensor
    """[B, T, D], the encoder's frames."""
    carry: Carry | None
    """None where the decoder is always through."""


class DeviceStep:
    """The step of one model, and the memory of its lanes.

    Args:
        model: on its device and in its precision.
        head: name of the decoder.
        slots: number of lanes.
        bounded: never wait for the device; a decoder that walks does so many rounds and reports who is not through.
        spare: rows of memory that no lane uses.
    """

    def __init__(self, model: LoadedModel, head: str, slots: int, *, bounded: bool, spare: int = 0) -> None:
        self._front_end = model.front_end
        self._encoder = model.encoder
        self._decoder: Decoder = model.decoders[head]
        self._walker = self._decoder if bounded and isinstance(self._decoder, GreedyTransducer) else None
        self.spec: ModelSpec = model.spec
        with torch.inference_mode():
            fresh = _fresh(model, head)
            self.device = fresh[2][_POSITION].device
            self._pools = [StatePool(state, slots, spare) for state in fresh]
        self._encoder_pool, self._decoder_pool, self._positions = self._pools
        self.blank = self._encoder_pool.blank
        self.waste = self._encoder_pool.waste
        self.spare = self._encoder_pool.spare

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane's state (bytes)."""
        return sum(pool.bytes_per_lane for pool in self._pools)

    def window(self, lookahead: int) -> int:
        """Samples of a row."""
        return self.spec.features.window_samples(self.spec.chunk_frames(lookahead))

    def padding(self, lookahead: int) -> Row:
        """A row without a lane."""
        start_frames = self.spec.start_frames(lookahead)
        return Row(self.blank, self.waste, start_frames, True, False, self.spec.default_prompt or 0)

    def prepare(self, lookahead: int) -> None:
        """Make steps of a lookahead fast. May run beside them, on another thread."""
        self._encoder.prepare(lookahead)

    @torch.inference_mode()
    def __call__(self, samples: Tensor, table: Tensor, lookahead: int, rows: int | None = None) -> Outputs:
        """Step a batch.

        Args:
            samples: [B, window] float32
            table: [6, B] int64, a :class:`Row` in each column.
            lookahead: of all rows.
            rows: the first so many are written back, the others are padding; None writes all, padding to the waste.
        """
        source, target, frames, start, last, prompts = table.unbind(0)
        start, last = start.bool(), last.bool()
        features = self._front_end(samples, frames, start, last)
        encoded, encoder_state = self._encoder.step(
            features,
            frames,
            start,
            last,
            self._encoder_pool.gather(source),
            lookahead,
            prompts if self.spec.prompts else None,
        )
        position = self._positions.gather(source)[_POSITION]
        valid = torch.arange(encoded.frames.shape[1], device=samples.device) < encoded.lengths[:, None]
        # amax hands NaN and infinity on; frames past a row's length may hold anything.
        finite = (encoded.frames.abs().amax(dim=2).isfinite() | ~valid).all(dim=1)
        emissions, decoder_state, walk = self._decode(encoded, self._decoder_pool.gather(source))
        encoder_frames = torch.stack((encoded.lengths, finite.to(torch.int64), position), dim=1)
        numbers = _numbers(emissions, encoder_frames, None if walk is None else walk.open)
        target = torch.where(finite, target, self.waste)
        # Last, and only now: a step that raised before has changed no lane.
        written = target[:rows]
        self._encoder_pool.scatter(written, encoder_state)
        self._decoder_pool.scatter(written, decoder_state)
        self._positions.scatter(written, {_POSITION: position + encoded.lengths})
        carry = None if walk is None else Carry(walk, encoder_frames, target)
        return Outputs(numbers, emissions.confidences.contiguous(), encoded.frames, carry)

    @torch.inference_mode()
    def resume(self, carry: Carry) -> tuple[Tensor, Tensor]:
        """Walk on until all rows are through, and write the decoder's state again. Waits for the device.

        Returns:
            numbers and confidences as in :class:`Outputs`, of the whole step.
        """
        assert self._walker is not None, "only a walk is carried"
        finite = carry.encoder_frames[:, 1].bool()
        walk = carry.walk
        while bool((walk.open & finite).any()):
            walk = self._walker.advance(walk)
        emissions, decoder_state = self._walker.finish(walk)
        self._decoder_pool.scatter(carry.target, decoder_state)
        return _numbers(emissions, carry.encoder_frames, None), emissions.confidences

    @torch.inference_mode()
    def peek(self, rows: Sequence[int]) -> list[State]:
        """A copy of rows of memory: state of the encoder, of the decoder, position."""
        index = torch.tensor(rows, device=self.device)
        return [pool.gather(index) for pool in self._pools]

    @torch.inference_mode()
    def clear(self, rows: Sequence[int]) -> None:
        """Make rows of memory streams that have heard nothing."""
        index = torch.tensor(rows, device=self.device)
        for pool in self._pools:
            pool.scatter(index, pool.gather(torch.full_like(index, self.blank)))

    def _decode(self, encoded: Encoded, state: State) -> tuple[Emissions, State, Walk | None]:
        if self._walker is None:
            return *self._decoder.step(encoded, state), None
        walk = self._walker.advance(self._walker.begin(encoded, state))
        return *self._walker.finish(walk), walk


def memory_of_a_lane(model: LoadedModel, head: str) -> int:
    """Memory of one lane's state (bytes)."""
    with torch.inference_mode():
        return sum(map(lane_bytes, _fresh(model, head)))


def _fresh(model: LoadedModel, head: str) -> tuple[State, State, State]:
    """State of encoder and decoder, and position, of a stream that has heard nothing."""
    encoder = model.encoder.init_state(1)
    device = next(iter(encoder.values())).device
    position = torch.zeros(1, dtype=torch.int64, device=device)
    return encoder, model.decoders[head].init_state(1), {_POSITION: position}


def _numbers(emissions: Emissions, encoder_frames: Tensor, unfinished: Tensor | None) -> Tensor:
    lengths, finite, position = encoder_frames.unbind(1)
    # The walk of a row that is not finite is not worth going on with.
    more = torch.zeros_like(finite) if unfinished is None else unfinished * finite
    header = torch.stack((emissions.counts, lengths, finite, more), dim=1)
    return torch.cat((header, emissions.ids, emissions.frames + position[:, None]), dim=1)
