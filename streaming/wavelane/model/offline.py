"""A whole file through the serving path, one stream at batch size 1: what live results are compared with."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wavelane.audio.framer import Framer, Window
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, Decoding, Samples, Token


class StepInput(NamedTuple):
    """A window as the tensors that front end and encoder take, each with one row."""

    samples: Tensor
    """[1, window samples] float32"""
    frames: Tensor
    """[1] int64"""
    start: Tensor
    """[1] bool"""
    last: Tensor
    """[1] bool"""


def windows(spec: ModelSpec, samples: Samples, lookahead: int) -> list[Window]:
    """Cut a whole file [n] (float32, at the model's rate) into the windows of a live stream."""
    framer = Framer(spec.features, subsampling=spec.subsampling, lookahead=lookahead, lead=spec.lead)
    return [*framer.push(samples.astype(np.float32, copy=False)), *framer.finish()]


def chunks(spec: ModelSpec, samples: Samples, lookahead: int, decoding: Decoding | None = None) -> list[Chunk]:
    """Cut a whole file [n] (float32, at the model's rate) into the chunks of a live stream, searched as asked."""
    cut = windows(spec, samples, lookahead)
    return [
        Chunk(
            lane=0,
            sequence=number,
            samples=window.samples,
            frames=window.frames,
            start=window.start,
            last=number == len(cut) - 1,  # a model without a closing frame does not mark it
            lookahead=lookahead,
            decoding=decoding if window.start else None,
        )
        for number, window in enumerate(cut)
    ]


def step_inputs(cut: list[Window], device: torch.device | str = "cpu") -> Iterator[StepInput]:
    """One batch of a single row for each window; the last one ends the stream."""
    for number, window in enumerate(cut):
        yield StepInput(
            samples=torch.from_numpy(window.samples).unsqueeze(0).to(device),
            frames=torch.tensor([window.frames], device=device),
            start=torch.tensor([window.start], device=device),
            last=torch.tensor([number == len(cut) - 1], device=device),
        )


@torch.inference_mode()
def transcribe_tokens(
    loaded: LoadedModel,
    samples: Samples,
    *,
    lookahead: int | None = None,
    head: str | None = None,
    prompt: int | None = None,
) -> list[Token]:
    """Stream a whole file and collect its pieces.

    Args:
        loaded: the model.
        samples: [n] float32 at the model's rate.
        lookahead: None is the model's default.
        head: ``ctc`` or ``rnnt``; None is the model's preferred one.
        prompt: language prompt of a prompted model; None is its default.

    Raises:
        WavelaneError: the model has no such head.
    """
    spec = loaded.spec
    head = head or spec.heads[0]
    if head not in loaded.decoders:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"The model {spec.name} has no head {head!r}; it has {', '.join(spec.heads)}."
        )
    lookahead = spec.default_lookahead if lookahead is None else lookahead
    decoder = loaded.decoders[head]
    state, hypothesis = loaded.encoder.init_state(1), decoder.init_state(1)
    device = next(iter(state.values())).device
    prompts = None if prompt is None else torch.tensor([prompt], device=device)
    tokens: list[Token] = []
    base = 0
    for step in step_inputs(windows(spec, samples, lookahead), device):
        features = loaded.front_end(step.samples, step.frames, step.start, step.last)
        encoded, state = loaded.encoder.step(
            features, step.frames, step.start, step.last, state, lookahead, prompts=prompts
        )
        emissions, hypothesis = decoder.step(encoded, hypothesis)
        for column in range(int(emissions.counts[0])):
            tokens.append(
                Token(
                    id=int(emissions.ids[0, column]),
                    frame=base + int(emissions.frames[0, column]),
                    confidence=float(emissions.confidences[0, column]),
                )
            )
        base += int(encoded.lengths[0])
    return tokens
