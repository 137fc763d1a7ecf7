"""A run: it learns, can be taken up again, and its checkpoints become a model that is served."""

import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from wavelane.lm.spelling import speller
from wavelane.model.checkpoint import load_model
from wavelane.model.checkpoint.native import load_native, save_native
from wavelane.model.embedded import DEFAULT, embedded_path
from wavelane.model.weights import Weights
from wavelane_training.augment import Augment
from wavelane_training.batches import Batch, collate, examples
from wavelane_training.card import main as card
from wavelane_training.checkpoints import averaged, starting_point
from wavelane_training.export import main as export
from wavelane_training.network import Network
from wavelane_training.store import Store, StoreWriter
from wavelane_training.train import ctc_loss, learning_rate
from wavelane_training.train import main as train


def invoke(command: click.Command, *arguments: str | Path) -> str:
    result = CliRunner().invoke(command, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded model's pieces on a tiny encoder."""
    config = starting_point(DEFAULT)[0]
    encoder = replace(config.encoder, layers=1, d_model=32, heads=2, d_ff=32, channels=8)
    config = replace(config, encoder=encoder)
    folder = tmp_path_factory.mktemp("base")
    save_native(config, Weights.of(Network(config).state_dict()), folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store")
    rng = np.random.default_rng(0)
    with StoreWriter(path) as store:
        for text in ("go", "stop"):
            store.add(rng.normal(-6, 2, (60, 80)), text, "made", "nobody")
    return path


def test_a_run_goes_on_where_it_ended_and_becomes_a_model(tmp_path: Path, base: Path, data: Path) -> None:
    run = tmp_path / "run"
    arguments = (run, "--data", data, "--base", base, "--minutes", "0.0005", "--warmup", "1", "--seconds", "2")
    invoke(train, *arguments, "--agreement", "0.2")
    first = torch.load(run / "last.pt", weights_only=True)
    invoke(train, *arguments)
    second = torch.load(run / "last.pt", weights_only=True)
    assert 0 < first["step"] < second["step"]
    assert 0 < first["hours"] < second["hours"]
    assert second["optimiser"]["state"][0]["step"] == second["step"]

    folders = sorted(run.glob("step-*"))
    assert len(folders) == 2
    invoke(export, run, tmp_path / "out", "--name", "mine", "--last", "2", "--nemo", tmp_path / "out.nemo")
    for path in (tmp_path / "out", tmp_path / "out.nemo"):
        assert set(load_model(path).spec.lookaheads) == {13, 6, 1, 0}
    assert load_model(tmp_path / "out").spec.name == "mine"
    assert load_native(embedded_path())[0].words  # fitted to other weights
    assert not load_native(tmp_path / "out")[0].words
    mean = averaged(starting_point(str(folder))[1] for folder in folders)
    stored = starting_point(str(tmp_path / "out"))[1]
    torch.testing.assert_close(stored["ctc.bias"].float(), mean["ctc.bias"], atol=1e-2, rtol=1e-3)

    invoke(export, run, tmp_path / "blended", "--last", "1", "--blend", base)
    ends = [starting_point(str(path))[1]["ctc.bias"].float() for path in (base, folders[-1])]
    blended = starting_point(str(tmp_path / "blended"))[1]["ctc.bias"].float()
    torch.testing.assert_close(blended, (ends[0] + ends[1]) / 2, atol=1e-2, rtol=1e-3)
    other = CliRunner().invoke(export, [str(run), str(tmp_path / "none"), "--blend", DEFAULT])
    assert other.exit_code == 1
    assert "another encoder" in other.output


def test_the_loss_falls_at_every_lookahead(data: Path) -> None:
    config, weights = starting_point(DEFAULT)
    network = Network(config)
    network.load(weights)
    found = examples([Store(data, 80)], speller(config.vocabulary))
    batch = collate(found, Augment(None, config.features.log_guard, np.random.default_rng(0)))
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-3)

    def losses() -> list[float]:
        return [float(ctc_loss(network, batch, lookahead, "cpu")) for lookahead in config.lookaheads]

    with torch.inference_mode():
        before = losses()
    for lookahead in (6, 1, 13, 0, 6, 1):
        optimiser.zero_grad()
        torch.autograd.backward(ctc_loss(network, batch, lookahead, "cpu"))
        optimiser.step()
    with torch.inference_mode():
        after = losses()
    assert all(late < 0.7 * early for late, early in zip(after, before, strict=True))


def test_two_views_are_pulled_together(data: Path) -> None:
    config, weights = starting_point(DEFAULT)
    network = Network(config)
    network.load(weights)
    found = examples([Store(data, 80)], speller(config.vocabulary))
    augment = Augment(None, config.features.log_guard, np.random.default_rng(0))
    batch = collate(found, augment, 2)
    rows = len(found)
    assert batch.lengths[:rows].tolist() == batch.lengths[rows:].tolist()
    alike = replace(batch, features=torch.cat([batch.features[:rows]] * 2))

    def apart(heard: Batch) -> float:
        with torch.inference_mode():
            plain, tied = (float(ctc_loss(network, heard, 6, "cpu", weight)) for weight in (0.0, 0.2))
        return tied - plain

    assert apart(alike) == pytest.approx(0, abs=1e-5)
    assert apart(batch) > 1e-3
    # Each view is the other's teacher: there is a gradient, and a step along it brings them together.
    optimiser = torch.optim.SGD(network.parameters(), lr=1e-3)
    loss = ctc_loss(network, batch, 6, "cpu", 1.0) - ctc_loss(network, batch, 6, "cpu")
    before = apart(batch)
    torch.autograd.backward(loss)
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    optimiser.step()
    assert apart(batch) < before


def test_data_that_cannot_be_trained_on_is_refused(tmp_path: Path, data: Path) -> None:
    arguments = [str(tmp_path / "run"), "--data", str(data), "--minutes", "1", "--weight", "made=0"]
    result = CliRunner().invoke(train, arguments)
    assert result.exit_code == 1
    assert "no utterance" in str(result.output)


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    assert learning_rate(0, 10, 0.0, 1.0) == pytest.approx(0.1)
    assert learning_rate(9, 10, 0.0, 1.0) == 1.0
    assert learning_rate(99, 10, 0.5, 1.0) == pytest.approx(0.5)
    assert learning_rate(99, 10, 1.2, 1.0) == 0.0


def test_an_average_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        averaged([])
    assert CliRunner().invoke(export, [str(tmp_path), str(tmp_path / "out")]).exit_code == 1


def test_the_card_shows_old_and_new(tmp_path: Path) -> None:
    def report(wer: float) -> str:
        rows = [
            {"corpus": corpus, "lookahead": 6, "backend": "torch", "utterances": 2, "words": 9, "wer": wer}
            for corpus in ("all", "words")
        ]
        return json.dumps({"scores": rows})

    (tmp_path / "new.json").write_text(report(12.34))
    (tmp_path / "old.json").write_text(report(56.78))
    lines = invoke(card, tmp_path / "new.json", "--before", tmp_path / "old.json").splitlines()
    assert lines[-2:] == ["| words | 2 | 9 | 12.3 (56.8) |", "| all | 2 | 9 | 12.3 (56.8) |"]
