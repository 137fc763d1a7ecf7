"""A stream's age changes nothing but its positions, however old it is."""

from pathlib import Path

import numpy as np
import pytest
import torch

from support.golden import CHECKPOINTS, golden_samples, loaded
from wavelane.model.base import Encoded, LoadedModel, State
from wavelane.model.offline import StepInput, step_inputs, windows

AGES = (0, 2**31 - 5, 2**32 - 5, 2**53 - 5)
"""Encoder frames; the steps that follow cross the limit."""


def step(model: LoadedModel, given: StepInput, state: State, lookahead: int) -> tuple[Encoded, State]:
    features = model.front_end(given.samples, given.frames, given.start, given.last)
    return model.encoder.step(features, given.frames, given.start, given.last, state, lookahead)


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.name)
def test_a_step_gives_the_same_bits_past_every_limit(checkpoint: Path) -> None:
    """Once the left context is full, nothing depends on how much was heard."""
    model = loaded(checkpoint)
    lookahead, left = model.spec.lookaheads[0], model.spec.left_context
    samples = np.resize(golden_samples(), round(16_000 * 0.08 * (left + 4 * (lookahead + 1))))
    *steps, _ = step_inputs(windows(model.spec, samples, lookahead))
    state = model.encoder.init_state(1)
    young = 0
    while int(state["heard"]) < left:
        _, state = step(model, steps[young], state, lookahead)
        young += 1
    assert len(steps) - young >= 2
    states = [state | {"heard": state["heard"] + age} for age in AGES]
    for given in steps[young:]:
        outputs = [step(model, given, state, lookahead) for state in states]
        states = [state for _, state in outputs]
        for age, (encoded, after) in zip(AGES, outputs, strict=True):
            assert torch.equal(encoded.frames, outputs[0][0].frames)
            assert int(after["heard"]) == int(states[0]["heard"]) + age
