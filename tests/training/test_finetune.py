"""A domain is learned from its sentences, by speech that nobody spoke, and other speech is not forgotten."""

import json
import wave
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from wavelane.errors import WavelaneError
from wavelane.model.checkpoint import load_model
from wavelane.model.checkpoint.native import load_native
from wavelane.model.embedded import DEFAULT, embedded_path
from wavelane_server.cli.adapt import command as adapt
from wavelane_training import finetune
from wavelane_training.checkpoints import starting_point
from wavelane_training.finetune import FineTuning, fine_tune
from wavelane_training.voices import Hibari

SENTENCES = [
    f"please {verb} the {colour} {thing}"
    for verb in ("open", "close", "paint")
    for colour in ("red", "blue")
    for thing in ("garage", "greenhouse", "window", "letterbox")
]
SHORT = FineTuning(minutes=4 / 60, guard_sentences=12, look_every=3, processes=1, forgetting=0.1)


@pytest.fixture(autouse=True)
def steps_of_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step takes a second by the clock of the training, so that a slow machine makes as many as a fast one."""
    seconds = count()
    monkeypatch.setattr(finetune, "time", SimpleNamespace(monotonic=lambda: float(next(seconds))))


def test_the_domain_is_learned_and_the_lower_layers_stay() -> None:
    config, weights = starting_point(DEFAULT)
    lines: list[str] = []
    tuned = fine_tune(config, weights, SENTENCES, SHORT, lines.append, [Hibari()])
    assert tuned.steps > 0
    assert tuned.after.domain < tuned.before.domain
    assert tuned.after.guard <= 1.1 * tuned.before.guard
    assert tuned.hours > 0.005
    changed = {
        name
        for name, value in tuned.weights.items()
        if not torch.equal(value.flatten(), weights[name].float().flatten())
    }
    assert "ctc.weight" in changed
    assert any(name.startswith("encoder.layers.7.") for name in changed)
    assert not any(name.startswith(("encoder.subsampling", "encoder.layers.3.")) for name in changed)
    assert any("hibari" in line for line in lines)


def test_weights_that_forget_are_not_kept() -> None:
    """Here nothing is good enough: the guard would have to become ten times better. Every part of the way is tried."""
    config, weights = starting_point(DEFAULT)
    lines: list[str] = []
    tuned = fine_tune(config, weights, SENTENCES, replace(SHORT, forgetting=-0.9), lines.append, [Hibari()])
    assert sum("of the way" in line for line in lines) == 5
    assert tuned.steps == 0
    assert tuned.after == tuned.before
    assert torch.equal(tuned.weights["ctc.bias"], weights["ctc.bias"].float())


def test_what_cannot_be_learned_is_refused(tmp_path: Path) -> None:
    config, weights = starting_point(DEFAULT)
    with pytest.raises(WavelaneError, match="no synthesiser"):
        fine_tune(config, weights, SENTENCES[:3], SHORT, voices=[])
    few = replace(SHORT, guard_sentences=2)
    with pytest.raises(WavelaneError, match="a guard cannot be read"):
        fine_tune(config, weights, SENTENCES[:3], replace(few, guards=(tmp_path / "none",)), voices=[Hibari()])
    with pytest.raises(WavelaneError, match="too little speech of the domain"):
        fine_tune(config, weights, SENTENCES[:1], few, voices=[Hibari()])
    with pytest.raises(WavelaneError, match="CTC head alone"):
        fine_tune(replace(config, heads=("ctc", "rnnt")), weights, SENTENCES, SHORT, voices=[Hibari()])


def test_adapt_trains_and_the_base_is_untouched(tmp_path: Path) -> None:
    before = (embedded_path() / "model.safetensors").read_bytes()
    (tmp_path / "text.txt").write_text("\n".join(SENTENCES))
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes((np.random.default_rng(0).normal(0, 2_000, 16_000)).astype(np.int16).tobytes())
    (tmp_path / "guard.jsonl").write_text(json.dumps({"audio_filepath": "a.wav", "text": "no"}) + "\n")
    out = tmp_path / "house"
    options = [
        "--train",
        "--train-minutes",
        "0.05",
        "--frozen-layers",
        "7",
        "--guard-sentences",
        "20",
        "--forgetting",
        "0.5",
        "--guard",
        tmp_path / "guard.jsonl",
    ]
    arguments = ["--text", tmp_path / "text.txt", "--out", out, *options]
    result = CliRunner().invoke(adapt, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    assert "spoke" in result.output
    assert (embedded_path() / "model.safetensors").read_bytes() == before
    assert load_model(out).spec.name == "house"
    assert load_native(out)[0].words == load_native(embedded_path())[0].words
