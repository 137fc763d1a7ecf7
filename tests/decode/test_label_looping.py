"""The walk by label says what the walk by frame says: the same pieces in the same frames."""

from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from support.golden import ALL, Golden, loaded
from support.transducer import BLANK, D_MODEL, HIDDEN, JOINT, SYMBOLS, transducer_tensors
from wavelane.decode.rnnt import GreedyTransducer, RnntDecoder, Walk, rounds
from wavelane.model.base import Emissions, Encoded, State
from wavelane.model.config import TransducerConfig
from wavelane.model.verify import verify
from wavelane.model.weights import Weights


def transducer(seed: int = 0, layers: int = 1, max_symbols: int = 10, blank_bias: float = 2.5) -> RnntDecoder:
    made = transducer_tensors(layers, seed, blank_bias)
    config = TransducerConfig(hidden=HIDDEN, layers=layers, joint=JOINT, activation="tanh", max_symbols=max_symbols)
    return RnntDecoder(Weights.of(made), config, D_MODEL, SYMBOLS, BLANK)


def walks(decoder: GreedyTransducer, encoded: Encoded, state: State) -> Iterator[Walk]:
    """Every walk of a step, the last one is through."""
    walk = decoder.advance(decoder.begin(encoded, state))
    yield walk
    while bool(walk.open.any()):
        walk = decoder.advance(walk)
        yield walk


def by_label(decoder: GreedyTransducer, encoded: Encoded, state: State) -> tuple[Emissions, State]:
    *_, walk = walks(decoder, encoded, state)
    return decoder.finish(walk)


def assert_same(found: tuple[Emissions, State], wanted: tuple[Emissions, State]) -> None:
    assert torch.equal(found[0].counts, wanted[0].counts)
    for row, count in enumerate(wanted[0].counts.tolist()):
        assert torch.equal(found[0].ids[row, :count], wanted[0].ids[row, :count])
        assert torch.equal(found[0].frames[row, :count], wanted[0].frames[row, :count])
        torch.testing.assert_close(found[0].confidences[row, :count], wanted[0].confidences[row, :count])
    for name, leaf in wanted[1].items():
        torch.testing.assert_close(found[1][name], leaf)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    layers=st.sampled_from((1, 2)),
    max_symbols=st.sampled_from((1, 2, 3, 10)),
    blank_bias=st.sampled_from((-2.0, 0.0, 2.5, 6.0)),
    steps=st.sampled_from((1, 2, 4, 7, 14)),
    rows=st.integers(1, 6),
)
def test_both_ways_through_the_frames_say_the_same(
    seed: int, layers: int, max_symbols: int, blank_bias: float, steps: int, rows: int
) -> None:
    decoder = transducer(seed, layers, max_symbols, blank_bias)
    generator = torch.Generator().manual_seed(seed + 1)
    state = decoder.init_state(rows)
    for _ in range(2):
        frames = torch.randn((rows, steps, D_MODEL), generator=generator)
        encoded = Encoded(frames, torch.randint(0, steps + 1, (rows,), generator=generator))
        wanted = decoder.step(encoded, state)
        assert_same(by_label(decoder, encoded, state), wanted)
        state = wanted[1]


@pytest.mark.parametrize("steps", [1, 4, 14])
@pytest.mark.parametrize("max_symbols", [1, 10])
def test_rows_that_never_stop_are_walked_on_with(steps: int, max_symbols: int) -> None:
    decoder = transducer(max_symbols=max_symbols, blank_bias=-1e4)
    encoded = Encoded(torch.randn(2, steps, D_MODEL), torch.tensor([steps, 0]))
    seen = list(walks(decoder, encoded, decoder.init_state(2)))
    # The round that finds nothing more is one too.
    assert len(seen) == steps * max_symbols // rounds(steps) + 1
    assert [walk.open.tolist()[1] for walk in seen] == [False] * len(seen), "the row without frames is through at once"
    emissions, _ = decoder.finish(seen[-1])
    assert emissions.counts.tolist() == [steps * max_symbols, 0]
    assert emissions.frames[0, : steps * max_symbols].tolist() == [
        frame for frame in range(steps) for _ in range(max_symbols)
    ]
    assert_same((emissions, decoder.finish(seen[-1])[1]), decoder.step(encoded, decoder.init_state(2)))


def test_a_row_that_is_through_stays_as_it_is() -> None:
    decoder = transducer()
    encoded = Encoded(torch.randn(3, 4, D_MODEL), torch.tensor([4, 2, 0]))
    *_, walk = walks(decoder, encoded, decoder.init_state(3))
    again = decoder.advance(walk)
    for name in ("hidden", "cell", "prediction", "frame", "in_frame", "open", "counts"):
        assert torch.equal(getattr(again, name), getattr(walk, name)), name


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    """To the last bit: shapes are the same."""
    decoder = transducer(3, blank_bias=0.0)
    rows = torch.randn(6, 7, D_MODEL)
    encoded = Encoded(rows, torch.tensor([7, 3, 5, 7, 0, 1]))
    state = decoder.init_state(6)
    together, after = by_label(decoder, encoded, state)
    for row in range(6):
        mixed = torch.randn(6, 7, D_MODEL)
        mixed[row] = rows[row]
        alone, left = by_label(decoder, Encoded(mixed, encoded.lengths), state)
        count = int(together.counts[row])
        assert int(alone.counts[row]) == count
        for part in ("ids", "frames", "confidences"):
            assert torch.equal(getattr(alone, part)[row, :count], getattr(together, part)[row, :count])
        assert all(torch.equal(left[name][row], after[name][row]) for name in after)


def test_a_round_asks_nothing_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("a tensor's value was asked for")

    decoder = transducer()
    encoded = Encoded(torch.randn(3, 4, D_MODEL), torch.tensor([4, 2, 0]))
    state = decoder.init_state(3)
    for name in ("__bool__", "__int__", "__float__", "__index__", "item", "tolist", "nonzero", "numpy"):
        monkeypatch.setattr(Tensor, name, asked)
    decoder.finish(decoder.advance(decoder.begin(encoded, state)))


@pytest.mark.parametrize(
    "golden", [g for g in ALL if g.lookahead in (0, 6) and "rnnt" in loaded(g.checkpoint).decoders], ids=str
)
def test_the_walk_by_label_gives_what_the_reference_gives(golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GreedyTransducer, "_by_frame", by_label)
    report = verify(loaded(golden.checkpoint), golden.wav, golden.reference, golden.lookahead)
    assert any("rnnt_ids" in comparison.array for comparison in report.comparisons)
    assert [(wrong.array, wrong.difference) for wrong in report.comparisons if not wrong.ok] == []
