"""The interface of every model family: a specification, a streaming step with explicit state, a batched decoder.

State is a flat ``dict[str, Tensor]`` whose every leaf is ``[B, ...]``; nothing is hidden on a module. A row of
``init_state(1)`` is the state of a stream that has heard nothing: resetting a lane is copying that row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

from torch import Tensor

from wavelane.lm.fusion import Fusion
from wavelane.lm.graph import Floats
from wavelane.spec import FeatureSpec, ModelSpec
from wavelane.work import FusionRequest

__all__ = [
    "Decoder",
    "Emissions",
    "Encoded",
    "FeatureSpec",
    "FrontEnd",
    "LoadedModel",
    "ModelSpec",
    "State",
    "StreamingModel",
]

State = dict[str, Tensor]


class Encoded(NamedTuple):
    """Output of one encoder step."""

    frames: Tensor
    """[B, T, D]"""
    lengths: Tensor
    """[B] int64, valid frames of each row"""


class Emissions(NamedTuple):
    """Output of one decoder step; the first ``counts[b]`` columns of row ``b`` are valid."""

    ids: Tensor
    """[B, U] int64"""
    frames: Tensor
    """[B, U] int64, encoder frame of each piece within this step"""
    confidences: Tensor
    """[B, U] float32, probability of each piece"""
    counts: Tensor
    """[B] int64"""


class StreamingModel(Protocol):
    """An encoder that advances many streams by one chunk."""

    spec: ModelSpec

    def init_state(self, batch: int) -> State:
        """State of ``batch`` streams that have heard nothing; every leaf ``[B, ...]``."""

    def prepare(self, lookahead: int) -> None:
        """Do now what makes later steps of a lookahead fast. Steps work without it; may run beside them."""

    def step(
        self,
        features: Tensor,
        frames: Tensor,
        start: Tensor,
        last: Tensor,
        state: State,
        lookahead: int,
        prompts: Tensor | None = None,
    ) -> tuple[Encoded, State]:
        """Advance every row by one chunk.

        Args:
            features: [B, chunk_frames, n_mels]; rows laid out as :class:`wavelane.work.Chunk` says, unused frames zero.
            frames: [B] int64, valid feature frames.
            start: [B] bool, the row begins a stream (its state row is fresh).
            last: [B] bool, the row ends a stream.
            state: as given by :meth:`init_state` or an earlier step.
            lookahead: of all rows.
            prompts: [B] int64 language prompts, for prompted models.
        """


class Decoder(Protocol):
    """A decoder that advances many hypotheses by the frames of one step."""

    name: Literal["ctc", "rnnt"]

    def init_state(self, batch: int) -> State:
        """State of ``batch`` empty hypotheses."""

    def step(self, encoded: Encoded, state: State) -> tuple[Emissions, State]:
        """Emit the new pieces of every row."""


class FrontEnd(Protocol):
    """Samples to features for a batch of windows."""

    def __call__(self, samples: Tensor, frames: Tensor, start: Tensor, last: Tensor) -> Tensor:
        """[B, window_samples(chunk_frames)] float32 to [B, chunk_frames, n_mels]; unused frames are zero.

        ``frames``, ``start`` and ``last`` are those of :meth:`StreamingModel.step`.
        """


@dataclass(slots=True)
class LoadedModel:
    """Everything the engine needs of one checkpoint, on its device and in its precision."""

    spec: ModelSpec
    front_end: FrontEnd
    encoder: StreamingModel
    decoders: Mapping[str, Decoder]
    """By head name; every head of the checkpoint."""
    fusions: Callable[[FusionRequest], Fusion] | None = None
    """Makes what a session's search adds to the acoustic score; None: there are no language models and no hotwords."""
    prior: Floats | None = None
    """[vocabulary], how frequent the model takes pieces to be (:func:`wavelane.lm.compile.centred_prior`)."""
