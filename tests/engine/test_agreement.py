"""The promise of ``engine.identical`` is looked into before it is given."""

import logging
from typing import Any

import pytest
import torch
from engineharness import Recorder, running
from toymodel import ToyEncoder, toy_model

from wavelane.engine.agreement import rows_agree
from wavelane.model.base import Encoded, LoadedModel, State
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path


class UnevenEncoder(ToyEncoder):
    """A kernel that ends with other instructions than it began with: the last row gets another last bit."""

    def step(self, *arguments: Any) -> tuple[Encoded, State]:
        encoded, state = super().step(*arguments)
        frames = encoded.frames.clone()
        if len(frames) > 1:
            frames[-1] = torch.nextafter(frames[-1], torch.tensor(2.0))
        return Encoded(frames, encoded.lengths), state


class ForgetfulEncoder(ToyEncoder):
    """The difference is in the state only."""

    def step(self, *arguments: Any) -> tuple[Encoded, State]:
        encoded, state = super().step(*arguments)
        return encoded, state | {"steps": state["steps"] + torch.arange(len(state["steps"]))}


def model_of(encoder: ToyEncoder) -> LoadedModel:
    toy = toy_model()
    return LoadedModel(toy.spec, toy.front_end, encoder, toy.decoders)


@pytest.mark.parametrize("encoder", [UnevenEncoder, ForgetfulEncoder])
def test_rows_that_are_computed_otherwise_are_found(encoder: type[ToyEncoder]):
    assert not rows_agree(model_of(encoder()), "ctc", 1, 8)
    assert rows_agree(model_of(encoder()), "ctc", 1, 1)


def test_rows_of_the_embedded_model_agree():
    assert rows_agree(load_model(embedded_path()), "ctc", 1, 8)


def test_the_promise_is_given_when_it_was_asked_for_and_holds(caplog: pytest.LogCaptureFixture):
    settings = {"backend": "torch", "max_batch": 4, "max_sessions": 4, "capacity": "off"}
    promised = []
    for encoder, identical in ((ToyEncoder(), True), (ToyEncoder(), False), (UnevenEncoder(), True)):
        caplog.clear()
        with (
            caplog.at_level(logging.WARNING),
            running(model_of(encoder), Recorder(), identical=identical, **settings) as engine,
        ):
            engine.warm_up()
            promised.append(engine.identical)
    assert promised == [True, False, False]
    assert "engine.identical is not kept with this model" in caplog.text
