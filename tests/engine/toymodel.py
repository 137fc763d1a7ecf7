"""A small model that obeys the contract; every output depends on all that its stream heard, and on nothing else."""

import numpy as np
import torch
from torch import Tensor, nn

from wavelane.decode.rnnt import RnntDecoder
from wavelane.model.base import Emissions, Encoded, LoadedModel, State
from wavelane.model.config import TransducerConfig
from wavelane.model.weights import Weights
from wavelane.spec import FeatureSpec, ModelSpec
from wavelane.work import Chunk

SPEC = ModelSpec(
    name="toy",
    features=FeatureSpec(n_mels=4),
    lookaheads=(3, 1, 0),
    default_lookahead=1,
    left_context=4,
    vocabulary=tuple("abcdefghijklmnopqrstuvwxyz"),
    heads=("ctc",),
    prompts={"auto": 0, "en": 1},
    default_prompt=0,
)

POISON = 777.0
"""A window that begins with this makes the encoder raise."""


def toy_front_end(samples: Tensor, frames: Tensor, start: Tensor, last: Tensor) -> Tensor:
    """[B, window] to [B, chunk_frames, 4]: four samples at every hop; unused frames zero."""
    count = (samples.shape[1] - SPEC.features.left - SPEC.features.right) // SPEC.features.hop + 1
    features = samples[:, : count * 160].reshape(samples.shape[0], count, 160)[:, :, :4]
    position = torch.arange(count)
    offset = torch.where(start, SPEC.subsampling - 1, 0)[:, None]
    valid = (position >= offset) & (position < offset + frames[:, None])
    return features * valid[:, :, None]


class ToyEncoder(nn.Module):
    """h(t) = tanh(x(t) A + h(t-1) U + prompt); one frame for every eight."""

    spec = SPEC

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.inputs = torch.randn(32, 16, generator=generator)
        self.recurrence = torch.randn(16, 16, generator=generator) / 4

    def prepare(self, lookahead: int) -> None:
        """Nothing to do."""

    def init_state(self, batch: int) -> State:
        return {"h": torch.full((batch, 16), 0.25), "steps": torch.zeros(batch, dtype=torch.int64)}

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
        assert prompts is not None
        assert features.shape[1] == SPEC.chunk_frames(lookahead)
        assert bool((state["steps"][start] == 0).all()), "a stream starts on a row that was not reset"
        if bool((features == POISON).any()):
            raise RuntimeError("poison")
        h = state["h"]
        outputs = []
        for frame in features.unflatten(1, (-1, 8)).flatten(2).unbind(1):
            h = torch.tanh(frame @ self.inputs + h @ self.recurrence + prompts[:, None] * 0.1)
            outputs.append(h)
        lengths = (frames + 7) // 8
        return Encoded(torch.stack(outputs, dim=1), lengths), {"h": h, "steps": state["steps"] + 1}


class ToyDecoder:
    """Emits the largest channel of a frame where it differs from the one before."""

    name = "ctc"

    def init_state(self, batch: int) -> State:
        return {"previous": torch.full((batch,), -1, dtype=torch.int64)}

    def step(self, encoded: Encoded, state: State) -> tuple[Emissions, State]:
        confidence, best = encoded.frames.max(dim=2)
        before = torch.cat((state["previous"][:, None], best[:, :-1]), dim=1)
        column = torch.arange(best.shape[1])
        emitted = (best != before) & (column < encoded.lengths[:, None])
        order = torch.argsort(~emitted, dim=1, stable=True)
        emissions = Emissions(
            ids=best.gather(1, order),
            frames=column.expand_as(best).gather(1, order),
            confidences=confidence.abs().gather(1, order),
            counts=emitted.sum(dim=1),
        )
        return emissions, {"previous": best.gather(1, encoded.lengths[:, None] - 1)[:, 0]}


def toy_model() -> LoadedModel:
    return LoadedModel(SPEC, toy_front_end, ToyEncoder(), {"ctc": ToyDecoder()})


def toy_transducer(max_symbols: int = 5, blank_bias: float = 3.0) -> RnntDecoder:
    """An RNN-T decoder for the toy's frames; a lower bias of the blank makes it talk more."""
    generator = torch.Generator().manual_seed(2)
    symbols, hidden, joint = len(SPEC.vocabulary) + 1, 6, 8
    shapes: dict[str, tuple[int, ...]] = {
        "prediction.embedding.weight": (symbols, hidden),
        "prediction.lstm.0.input.weight": (4 * hidden, hidden), "prediction.lstm.0.input.bias": (4 * hidden,),
        "prediction.lstm.0.hidden.weight": (4 * hidden, hidden), "prediction.lstm.0.hidden.bias": (4 * hidden,),
        "joint.encoder.weight": (joint, 16), "joint.encoder.bias": (joint,),
        "joint.prediction.weight": (joint, hidden), "joint.prediction.bias": (joint,),
        "joint.out.weight": (symbols, joint), "joint.out.bias": (symbols,),
    }  # fmt: skip
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    made["joint.out.bias"][-1] = blank_bias
    config = TransducerConfig(hidden=hidden, layers=1, joint=joint, activation="relu", max_symbols=max_symbols)
    return RnntDecoder(Weights.of(made), config, 16, symbols, symbols - 1)


def toy_talker(max_symbols: int = 5, blank_bias: float = 3.0) -> LoadedModel:
    """The toy with an RNN-T head."""
    return LoadedModel(SPEC, toy_front_end, ToyEncoder(), {"rnnt": toy_transducer(max_symbols, blank_bias)})


def make_chunk(sequence: int, seed: int = 0, lookahead: int = 1, start: bool | None = None, **values: object) -> Chunk:
    """Chunk ``sequence`` of the stream ``seed``: other seeds sound different."""
    start = sequence == 0 if start is None else start
    generator = np.random.default_rng((seed, sequence))
    width = SPEC.features.window_samples(SPEC.chunk_frames(lookahead))
    fields: dict[str, object] = {
        "lane": seed,
        "sequence": sequence,
        "samples": generator.standard_normal(width).astype(np.float32),
        "frames": SPEC.start_frames(lookahead) if start else SPEC.chunk_frames(lookahead),
        "start": start,
        "last": False,
        "lookahead": lookahead,
    }
    return Chunk(**(fields | values))  # type: ignore[arg-type]
