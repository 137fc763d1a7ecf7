"""Frames of a stream are counted as exactly in its last hour as in its first."""

from typing import Any

import torch
from engineharness import Recorder, running
from toymodel import SPEC, ToyEncoder, make_chunk, toy_front_end

from wavelane.model.base import Emissions, Encoded, LoadedModel, State

LEAP = 2**52 + 1


class LeapingEncoder(ToyEncoder):
    """Claims that every step completes so many frames."""

    def step(self, *arguments: Any) -> tuple[Encoded, State]:
        encoded, state = super().step(*arguments)
        return Encoded(encoded.frames, torch.full_like(encoded.lengths, LEAP)), state


class OnePiece:
    """Emits one piece at the second frame of every step."""

    name = "ctc"

    def init_state(self, batch: int) -> State:
        return {"nothing": torch.zeros(batch)}

    def step(self, encoded: Encoded, state: State) -> tuple[Emissions, State]:
        ones = torch.ones((len(encoded.frames), 1), dtype=torch.int64)
        return Emissions(ids=ones, frames=ones, confidences=ones.float(), counts=ones[:, 0]), state


def test_positions_of_pieces_pass_every_limit():
    recorder = Recorder()
    model = LoadedModel(SPEC, toy_front_end, LeapingEncoder(), {"ctc": OnePiece()})
    with running(model, recorder, max_sessions=2) as engine:
        slot = engine.open()
        for sequence in range(6):
            engine.submit(slot, make_chunk(sequence))
        recorder.wait_for(6)
    assert [result.tokens[0].frame for result in recorder.results(slot)] == [n * LEAP + 1 for n in range(6)]
