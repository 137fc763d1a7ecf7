"""The encoder's invariants: a row is what it would be alone, state is explicit, rows without a stream do no harm."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from support.golden import CHECKPOINTS, GOLDEN, MORE, golden_samples, loaded
from wavelane.model.base import Encoded, LoadedModel, State
from wavelane.model.checkpoint import load_model
from wavelane.model.encoder import Encoder
from wavelane.model.offline import StepInput, step_inputs, windows
from wavelane.work import Samples

LENGTHS = (50_000, 50_017, 30_001, 17_280, 9_600, 4_321, 1_000, 160)
"""Streams that end in every part of a step, some before their first step is full."""


def steps(model: LoadedModel, samples: Samples, lookahead: int) -> list[StepInput]:
    return list(step_inputs(windows(model.spec, samples, lookahead)))


def step(model: LoadedModel, given: StepInput, state: State, lookahead: int) -> tuple[Encoded, State]:
    features = model.front_end(given.samples, given.frames, given.start, given.last)
    return model.encoder.step(features, given.frames, given.start, given.last, state, lookahead)


def alone(model: LoadedModel, samples: Samples, lookahead: int) -> list[Tensor]:
    state, outputs = model.encoder.init_state(1), []
    for row in steps(model, samples, lookahead):
        encoded, state = step(model, row, state, lookahead)
        outputs.append(encoded.frames[0, : int(encoded.lengths[0])])
    return outputs


def stack(inputs: list[StepInput]) -> StepInput:
    return StepInput(*(torch.cat(parts) for parts in zip(*inputs, strict=True)))


def rows_of(state: State, rows: list[int]) -> State:
    return {name: leaf[rows] for name, leaf in state.items()}


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.name)
def test_a_batched_step_equals_each_row_alone(checkpoint: Path) -> None:
    model = loaded(checkpoint)
    audio = golden_samples()
    for lookahead in model.spec.lookaheads[:2]:
        streams = [audio[1_000 * i : 1_000 * i + count] for i, count in enumerate(LENGTHS)]
        queues = [steps(model, samples, lookahead) for samples in streams]
        expected = [alone(model, samples, lookahead) for samples in streams]
        states = [model.encoder.init_state(1) for _ in streams]
        positions = [0] * len(streams)
        waiting = range(len(streams))  # each begins one step after the one before: starts meet middles and tails
        mixed = 0
        for turn in range(200):
            active = [i for i, queue in enumerate(queues) if turn >= waiting[i] and positions[i] < len(queue)]
            if not active:
                continue
            inputs = [queues[i][positions[i]] for i in active]
            batch = stack(inputs)
            mixed += bool(batch.start.any()) and not bool(batch.start.all())
            state = {name: torch.cat([states[i][name] for i in active]) for name in states[0]}
            encoded, after = step(model, batch, state, lookahead)
            for row, i in enumerate(active):
                length = int(encoded.lengths[row])
                reference = expected[i][positions[i]]
                assert length == len(reference)
                torch.testing.assert_close(encoded.frames[row, :length], reference, atol=2e-5, rtol=1e-4)
                states[i] = rows_of(after, [row])
                positions[i] += 1
        assert mixed, "the test has to mix starts with other rows"
        assert positions == [len(queue) for queue in queues]


@pytest.mark.parametrize("name", ["hybrid80.nemo", "hf_multi"])
def test_every_leaf_has_a_row_for_each_stream_and_keeps_its_shape(name: str) -> None:
    model = loaded(GOLDEN / name)
    fresh = model.encoder.init_state(3)
    assert {leaf.shape[0] for leaf in fresh.values()} == {3}
    inputs = stack([steps(model, golden_samples()[:20_000], 1)[0]] * 3)
    before = {key: leaf.clone() for key, leaf in fresh.items()}
    _, after = step(model, inputs, fresh, 1)
    assert {key: (leaf.shape, leaf.dtype) for key, leaf in after.items()} == {
        key: (leaf.shape, leaf.dtype) for key, leaf in fresh.items()
    }
    assert all(torch.equal(fresh[key], before[key]) for key in fresh), "a step leaves the state it was given alone"


def test_rows_without_a_stream_are_finite_and_empty() -> None:
    model = loaded(GOLDEN / "hybrid80.nemo")
    given = steps(model, golden_samples()[:20_000], 6)
    blank = given[0]._replace(samples=torch.zeros_like(given[0].samples), frames=torch.tensor([0]))
    for start in (True, False):
        batch = stack([given[0], blank._replace(start=torch.tensor([start]))])
        encoded, after = step(model, batch, model.encoder.init_state(2), 6)
        assert encoded.lengths.tolist() == [7, 0]
        assert torch.isfinite(encoded.frames).all()
        assert all(torch.isfinite(leaf).all() for leaf in after.values())
        torch.testing.assert_close(encoded.frames[:1], step(model, given[0], model.encoder.init_state(1), 6)[0].frames)


def test_a_stream_longer_than_its_context_forgets_the_beginning() -> None:
    model = loaded(GOLDEN / "ctc80.nemo")
    # Left context 28 at lookahead 0 in 2 layers, convolutions and subsampling: no frame sees 80 frames back.
    audio = golden_samples()[: 1280 * 120]
    other = audio.copy()
    other[: 1280 * 10] = 0.0
    first, second = (torch.cat(alone(model, samples, 0)) for samples in (audio, other))
    assert not torch.allclose(first[:20], second[:20], atol=1e-3)
    torch.testing.assert_close(first[90:], second[90:], atol=2e-5, rtol=1e-4)


@given(count=st.integers(160, 30_000), lookahead=st.integers(0, 8))
@settings(max_examples=25, deadline=None)
def test_number_of_frames_follows_the_audio(count: int, lookahead: int) -> None:
    model = loaded(GOLDEN / "ctc80.nemo")
    outputs = alone(model, golden_samples()[:count], lookahead)
    features = count // 160 + 1
    expected = 1 + -(-(features - 1) // 8)
    assert sum(len(output) for output in outputs) == expected


def test_the_lookahead_may_change_between_streams_of_one_lane() -> None:
    model = loaded(GOLDEN / "rnnt128.nemo")
    audio = golden_samples()[:20_000]
    expected = alone(model, audio, 1)
    alone(model, audio, 13)
    for found, reference in zip(alone(model, audio, 1), expected, strict=True):
        assert torch.equal(found, reference)


def test_bfloat16_stays_close() -> None:
    checkpoint = GOLDEN / "ctc80.nemo"
    full, half = loaded(checkpoint), load_model(checkpoint, dtype=torch.bfloat16)
    assert half.encoder.init_state(1)["keys.0"].dtype == torch.bfloat16
    audio = golden_samples()[:50_000]
    expected, found = torch.cat(alone(full, audio, 6)), torch.cat(alone(half, audio, 6))
    assert found.dtype == torch.bfloat16
    error = (found.float() - expected).norm() / expected.norm()
    assert 1e-4 < error < 0.03


def test_prompts_condition_rows_and_default_where_none_is_given() -> None:
    model = loaded(GOLDEN / "hf_multi")
    given = steps(model, golden_samples()[:20_000], 6)[0]
    features = model.front_end(given.samples, given.frames, given.start, given.last)

    def encode(prompts: list[int] | None) -> Tensor:
        rows = len(prompts) if prompts else 1
        encoded, _ = model.encoder.step(
            features.expand(rows, -1, -1),
            given.frames.expand(rows),
            given.start.expand(rows),
            given.last.expand(rows),
            model.encoder.init_state(rows),
            6,
            None if prompts is None else torch.tensor(prompts),
        )
        return encoded.frames

    default = encode(None)
    two = encode([2, 5])
    torch.testing.assert_close(two[1:], default)
    assert not torch.allclose(two[0], two[1], atol=1e-2)


def test_the_engine_sees_a_model_of_its_interface() -> None:
    model = loaded(MORE / "batchnorm.nemo")
    assert isinstance(model.encoder, Encoder)
    assert model.spec is model.encoder.spec
    assert model.spec.parameters > 10_000
    assert set(model.decoders) == set(model.spec.heads) == {"ctc", "rnnt"}
    assert np.isfinite(golden_samples()).all()
