"""Random models are the same wherever they are made, and go through a NeMo archive unchanged."""

from pathlib import Path

import pytest
import torch
from torch import nn

from wavelane.bench.export import save_nemo
from wavelane.bench.shapes import SHAPES, shape_checkpoint, shape_config, shape_model
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint import load_model
from wavelane.model.checkpoint.native import load_native
from wavelane.model.embedded import embedded_path


def buffers(encoder: object) -> dict[str, torch.Tensor]:
    assert isinstance(encoder, nn.Module)
    return {name: tensor.clone() for name, tensor in encoder.state_dict().items()}


def test_the_same_seed_gives_the_same_model() -> None:
    first, same, other = (buffers(shape_model("tiny", seed=seed).encoder) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first["layers.0.attention.qkv"], other["layers.0.attention.qkv"])


def test_every_shape_has_a_configuration() -> None:
    assert {name: shape_config(name).name for name in SHAPES} == {name: f"shape:{name}" for name in SHAPES}
    small = shape_config("small").encoder
    assert small == load_native(embedded_path())[0].encoder
    with pytest.raises(WavelaneError) as caught:
        shape_config("huge")
    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND


def test_a_shape_as_an_archive_is_the_same_model(tmp_path: Path) -> None:
    save_nemo(*shape_checkpoint("tiny"), tmp_path / "tiny.nemo")
    loaded, made = load_model(tmp_path / "tiny.nemo"), shape_model("tiny")
    theirs, ours = buffers(loaded.encoder), buffers(made.encoder)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)
    assert loaded.spec.vocabulary == made.spec.vocabulary
    assert loaded.spec.features == made.spec.features
    # NeMo takes no lookahead 3: its chunk of 4 frames does not divide a left context of 70.
    assert loaded.spec.lookaheads == tuple(x for x in made.spec.lookaheads if x != 3)


def test_the_embedded_model_goes_through_an_archive(tmp_path: Path) -> None:
    save_nemo(*load_native(embedded_path()), tmp_path / "embedded.nemo")
    loaded, ours = load_model(tmp_path / "embedded.nemo"), load_model(embedded_path())
    assert all(
        torch.equal(a, b) for a, b in zip(buffers(loaded.encoder).values(), buffers(ours.encoder).values(), strict=True)
    )
    assert loaded.spec.vocabulary == ours.spec.vocabulary
    assert loaded.spec.features == ours.spec.features


def test_what_that_archive_cannot_hold_is_refused(tmp_path: Path) -> None:
    config = shape_config("large-rnnt")
    with pytest.raises(WavelaneError) as caught:
        save_nemo(config, load_native(embedded_path())[1], tmp_path / "x.nemo")
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    assert not (tmp_path / "x.nemo").exists()
