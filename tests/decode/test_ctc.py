"""Batched greedy CTC against one row and one frame at a time."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from wavelane.decode.ctc import CtcDecoder
from wavelane.model.base import Encoded
from wavelane.model.weights import Weights

SYMBOLS, BLANK = 4, 3


def decoder() -> CtcDecoder:
    """Encoder frames are logits."""
    weights = {"ctc.weight": torch.eye(SYMBOLS), "ctc.bias": torch.zeros(SYMBOLS)}
    return CtcDecoder(Weights.of(weights), SYMBOLS, SYMBOLS, BLANK)


def collapse(best: list[int]) -> list[tuple[int, int]]:
    return [
        (symbol, frame)
        for frame, symbol in enumerate(best)
        if symbol != BLANK and (frame == 0 or best[frame - 1] != symbol)
    ]


def frames_of(best: list[int], strength: float = 4.0) -> Tensor:
    return torch.nn.functional.one_hot(torch.tensor(best, dtype=torch.int64), SYMBOLS).float() * strength


@given(rows=st.lists(st.lists(st.integers(0, SYMBOLS - 1), max_size=12), min_size=1, max_size=5), cuts=st.data())
@settings(deadline=None)
def test_any_cut_into_steps_gives_the_collapsed_best_path(rows: list[list[int]], cuts: st.DataObject) -> None:
    head = decoder()
    state = head.init_state(len(rows))
    found: list[list[tuple[int, int]]] = [[] for _ in rows]
    taken = [0] * len(rows)
    while any(at < len(row) for at, row in zip(taken, rows, strict=True)):
        steps = cuts.draw(st.integers(1, 5))
        frames, lengths = torch.full((len(rows), steps, SYMBOLS), 9.0), []
        for index, row in enumerate(rows):
            part = row[taken[index] : taken[index] + steps]
            frames[index, : len(part)] = frames_of(part) if part else torch.zeros(0, SYMBOLS)
            lengths.append(len(part))
        emissions, state = head.step(Encoded(frames, torch.tensor(lengths)), state)
        for index, length in enumerate(lengths):
            for column in range(int(emissions.counts[index])):
                symbol, frame = int(emissions.ids[index, column]), int(emissions.frames[index, column])
                found[index].append((symbol, taken[index] + frame))
            taken[index] += length
    assert found == [collapse(row) for row in rows]


def test_a_run_across_steps_is_one_piece() -> None:
    head = decoder()
    first, state = head.step(Encoded(frames_of([3, 0])[None], torch.tensor([2])), head.init_state(1))
    second, _ = head.step(Encoded(frames_of([0, 0, 1])[None], torch.tensor([3])), state)
    assert first.ids[0, : int(first.counts[0])].tolist() == [0]
    assert second.ids[0, : int(second.counts[0])].tolist() == [1]
    assert second.frames[0, 0] == 2


def test_a_row_without_frames_changes_nothing() -> None:
    head = decoder()
    _, state = head.step(Encoded(frames_of([2])[None], torch.tensor([1])), head.init_state(1))
    emissions, after = head.step(Encoded(torch.rand(1, 3, SYMBOLS), torch.tensor([0])), state)
    assert emissions.counts.tolist() == [0]
    assert torch.equal(after["last"], state["last"])


def test_confidence_is_the_best_probability_of_the_run() -> None:
    head = decoder()
    frames = torch.stack([frames_of([0], 1.0)[0], frames_of([0], 3.0)[0], frames_of([3])[0], frames_of([1], 2.0)[0]])
    # The frame after the valid ones is sure of piece 1 and must not count for it.
    frames = torch.cat((frames, frames_of([1], 20.0)))
    emissions, _ = head.step(Encoded(frames[None], torch.tensor([4])), head.init_state(1))
    expected = torch.softmax(frames, dim=-1)
    assert emissions.ids[0, :2].tolist() == [0, 1]
    torch.testing.assert_close(emissions.confidences[0, :2], torch.stack([expected[1, 0], expected[3, 1]]))


def test_log_probabilities_are_float32_whatever_the_precision() -> None:
    head = decoder().to(torch.bfloat16)
    logprobs = head.log_probabilities(frames_of([0, 1])[None].to(torch.bfloat16))
    assert logprobs.dtype == torch.float32
    torch.testing.assert_close(logprobs.exp().sum(-1), torch.ones(1, 2))
