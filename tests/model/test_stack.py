"""Layers that run without Python give the bits of those that run from it."""

from pathlib import Path

import pytest
import torch

from support.golden import CHECKPOINTS, golden_samples
from wavelane.model import stack as stack_module
from wavelane.model.checkpoint import load_model
from wavelane.model.encoder import Encoder
from wavelane.model.offline import StepInput, step_inputs, windows


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.name)
@pytest.mark.parametrize("rows", [1, 4])
def test_recorded_layers_give_the_same_bits(checkpoint: Path, rows: int) -> None:
    plain, recorded = load_model(checkpoint), load_model(checkpoint)
    lookahead = plain.spec.default_lookahead
    recorded.encoder.prepare(lookahead)
    assert isinstance(recorded.encoder, Encoder)
    assert isinstance(recorded.encoder._recorded[lookahead], torch.jit.ScriptModule)
    # Rows end one after the other, so that starts, middles, short tails and rows without a stream all occur.
    streams = [
        list(step_inputs(windows(plain.spec, golden_samples()[: 60_000 - 7_001 * row], lookahead)))
        for row in range(rows)
    ]
    states = [model.encoder.init_state(rows) for model in (plain, recorded)]
    for turn in range(len(streams[0])):
        given = StepInput(
            *(torch.cat(parts) for parts in zip(*(s[min(turn, len(s) - 1)] for s in streams), strict=True))
        )
        encoded = []
        for index, model in enumerate((plain, recorded)):
            features = model.front_end(given.samples, given.frames, given.start, given.last)
            out, states[index] = model.encoder.step(
                features, given.frames, given.start, given.last, states[index], lookahead
            )
            encoded.append(out)
        inside = torch.arange(encoded[0].frames.shape[1]) < encoded[0].lengths[:, None]
        assert torch.equal(encoded[0].lengths, encoded[1].lengths)
        assert torch.equal(encoded[0].frames[inside], encoded[1].frames[inside])
        assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_what_cannot_be_recorded_runs_from_python(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(stack_module.torch.jit, "trace", refuse)
    model = load_model(CHECKPOINTS[0])
    model.encoder.prepare(model.spec.default_lookahead)
    step = next(step_inputs(windows(model.spec, golden_samples(), model.spec.default_lookahead)))
    features = model.front_end(step.samples, step.frames, step.start, step.last)
    encoded, _ = model.encoder.step(
        features, step.frames, step.start, step.last, model.encoder.init_state(1), model.spec.default_lookahead
    )
    assert torch.isfinite(encoded.frames).all()
