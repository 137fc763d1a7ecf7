"""Batched greedy RNN-T against torch's LSTM, one row and one symbol at a time."""

import pytest
import torch
from torch import Tensor, nn

from support.transducer import BLANK, D_MODEL, HIDDEN, JOINT, SYMBOLS, transducer_tensors
from wavelane.decode.rnnt import RnntDecoder
from wavelane.model.base import Encoded, State
from wavelane.model.config import TransducerConfig
from wavelane.model.weights import Weights


def config(layers: int, max_symbols: int = 10) -> TransducerConfig:
    return TransducerConfig(hidden=HIDDEN, layers=layers, joint=JOINT, activation="tanh", max_symbols=max_symbols)


def plain(frames: Tensor, given: dict[str, Tensor], layers: int, max_symbols: int) -> list[tuple[int, int, float]]:
    """Symbols, frames and probabilities of one row, [T, D]."""
    lstm = nn.LSTM(HIDDEN, HIDDEN, layers)
    for i in range(layers):
        for part, short in (("input", "ih"), ("hidden", "hh")):
            for kind in ("weight", "bias"):
                getattr(lstm, f"{kind}_{short}_l{i}").data = given[f"prediction.lstm.{i}.{part}.{kind}"]
    said = []
    with torch.no_grad():
        output, state = lstm(given["prediction.embedding.weight"][BLANK][None])
        for number, frame in enumerate(frames):
            for _ in range(max_symbols):
                joined = torch.tanh(
                    given["joint.encoder.weight"] @ frame
                    + given["joint.encoder.bias"]
                    + given["joint.prediction.weight"] @ output[0]
                    + given["joint.prediction.bias"]
                )
                logits = given["joint.out.weight"] @ joined + given["joint.out.bias"]
                best = int(logits.argmax())
                if best == BLANK:
                    break
                said.append((best, number, float(torch.softmax(logits, 0)[best])))
                output, state = lstm(given["prediction.embedding.weight"][best][None], state)
    return said


def collect(decoder: RnntDecoder, rows: list[Tensor], step: int) -> tuple[list[list[tuple[int, int, float]]], State]:
    """Decode rows of different lengths in steps of ``step`` frames."""
    state = decoder.init_state(len(rows))
    found: list[list[tuple[int, int, float]]] = [[] for _ in rows]
    longest = max(len(row) for row in rows)
    for at in range(0, longest, step):
        frames, lengths = torch.full((len(rows), step, D_MODEL), 3.0), torch.zeros(len(rows), dtype=torch.int64)
        for index, row in enumerate(rows):
            part = row[at : at + step]
            frames[index, : len(part)] = part
            lengths[index] = len(part)
        emissions, state = decoder.step(Encoded(frames, lengths), state)
        for index in range(len(rows)):
            for column in range(int(emissions.counts[index])):
                found[index].append(
                    (
                        int(emissions.ids[index, column]),
                        at + int(emissions.frames[index, column]),
                        float(emissions.confidences[index, column]),
                    )
                )
    return found, state


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("step", [1, 3, 8])
@pytest.mark.parametrize("max_symbols", [10, 2])
def test_batched_rows_say_what_each_says_alone(layers: int, step: int, max_symbols: int) -> None:
    given = transducer_tensors(layers)
    decoder = RnntDecoder(Weights.of(given), config(layers, max_symbols), D_MODEL, SYMBOLS, BLANK)
    generator = torch.Generator().manual_seed(5)
    rows = [torch.randn(length, D_MODEL, generator=generator) for length in (17, 8, 1, 24, 3)]
    found, _ = collect(decoder, rows, step)
    expected = [plain(row, given, layers, max_symbols) for row in rows]
    assert sum(map(len, expected)) > 20
    for said, wanted in zip(found, expected, strict=True):
        assert [entry[:2] for entry in said] == [entry[:2] for entry in wanted]
        torch.testing.assert_close(
            torch.tensor([entry[2] for entry in said]), torch.tensor([entry[2] for entry in wanted]), atol=1e-4, rtol=0
        )


def test_the_limit_of_symbols_moves_on_to_the_next_frame() -> None:
    given = transducer_tensors(1)
    given["joint.out.bias"][BLANK] = -1e4
    decoder = RnntDecoder(Weights.of(given), config(1, 3), D_MODEL, SYMBOLS, BLANK)
    found, _ = collect(decoder, [torch.randn(5, D_MODEL)], 5)
    assert [frame for _, frame, _ in found[0]] == [frame for frame in range(5) for _ in range(3)]


def test_a_row_without_frames_changes_nothing() -> None:
    decoder = RnntDecoder(Weights.of(transducer_tensors(2)), config(2), D_MODEL, SYMBOLS, BLANK)
    _, state = collect(decoder, [torch.randn(9, D_MODEL), torch.randn(9, D_MODEL)], 3)
    emissions, after = decoder.step(Encoded(torch.randn(2, 4, D_MODEL), torch.tensor([0, 4])), state)
    assert int(emissions.counts[0]) == 0
    assert all(torch.equal(after[name][0], state[name][0]) for name in state)


def test_blank_only_steps_leave_the_state_as_it_is() -> None:
    given = transducer_tensors(1)
    given["joint.out.bias"][BLANK] = 1e4
    decoder = RnntDecoder(Weights.of(given), config(1), D_MODEL, SYMBOLS, BLANK)
    fresh = decoder.init_state(2)
    emissions, after = decoder.step(Encoded(torch.randn(2, 4, D_MODEL), torch.tensor([4, 2])), fresh)
    assert emissions.counts.tolist() == [0, 0]
    assert all(torch.equal(after[name], fresh[name]) for name in fresh)
    assert {leaf.shape[0] for leaf in fresh.values()} == {2}
