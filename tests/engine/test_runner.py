import numpy as np
import pytest
import torch
from engineharness import Recorder
from hypothesis import given, settings
from hypothesis import strategies as st
from toymodel import SPEC, ToyEncoder, make_chunk, toy_model

from wavelane.engine import Engine, EngineConfig
from wavelane.engine.base import Outcome
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.runner import Runner
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Chunk, StepResult

SLOTS = 8


def step(runner: Runner, rows: dict[int, Chunk], bucket: int) -> list[Outcome]:
    """Step chunks by slot index."""
    pending = tuple(
        Pending(Slot(index, 0), chunk, order, 0.0, 0.0, 0.0) for order, (index, chunk) in enumerate(rows.items())
    )
    lookahead = next(iter(rows.values())).lookahead
    return runner.collect(runner.launch(Batch(lookahead, pending, bucket)))


def alone(seed: int, count: int, bucket: int, lookahead: int = 1, index: int = 0) -> list[Outcome]:
    runner = Runner(toy_model(), "ctc", SLOTS)
    return [step(runner, {index: make_chunk(sequence, seed, lookahead)}, bucket)[0] for sequence in range(count)]


@settings(max_examples=25, deadline=None)
@given(data=st.data(), bucket=st.sampled_from((4, 8)), lookahead=st.sampled_from((3, 1, 0)))
def test_a_batched_step_equals_each_row_alone(data: st.DataObject, bucket: int, lookahead: int):
    """Streams of different lengths and phases, any subset of them in any order in each step, in any slot."""
    lengths = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=bucket))
    slots = data.draw(st.permutations(range(SLOTS)))
    runner = Runner(toy_model(), "ctc", SLOTS)
    got: dict[int, list[Outcome]] = {seed: [] for seed in range(len(lengths))}
    while left := [seed for seed, length in enumerate(lengths) if len(got[seed]) < length]:
        chosen = data.draw(st.lists(st.sampled_from(left), min_size=1, unique=True))
        rows = {slots[seed]: make_chunk(len(got[seed]), seed, lookahead) for seed in chosen}
        for seed, outcome in zip(chosen, step(runner, rows, bucket), strict=True):
            got[seed].append(outcome)
    for seed, length in enumerate(lengths):
        assert got[seed] == alone(seed, length, bucket, lookahead), "to the last bit: confidences are compared too"


def test_other_buckets_give_the_same_within_rounding():
    for one, eight in zip(alone(3, 6, 1), alone(3, 6, 8), strict=True):
        assert isinstance(one, StepResult)
        assert isinstance(eight, StepResult)
        assert [(t.id, t.frame) for t in one.tokens] == [(t.id, t.frame) for t in eight.tokens]
        assert [t.confidence for t in one.tokens] == pytest.approx([t.confidence for t in eight.tokens], abs=1e-4)


def test_tokens_carry_the_frame_since_the_start_of_the_stream():
    results = alone(1, 5, 1)
    assert [result.frames for result in results] == [2] * 5
    frames = [token.frame for result in results for token in result.tokens]
    assert frames == sorted(set(frames))
    for sequence, result in enumerate(results):
        assert all(2 * sequence <= token.frame < 2 * sequence + 2 for token in result.tokens)
    assert sum(len(result.tokens) for result in results) > 3


def test_a_start_forgets_what_the_slot_heard_before():
    runner = Runner(toy_model(), "ctc", SLOTS)
    for sequence in range(3):
        step(runner, {2: make_chunk(sequence, seed=1)}, 1)
    again = [step(runner, {2: make_chunk(sequence, seed=2)}, 1)[0] for sequence in range(3)]
    assert again == alone(2, 3, 1)


def test_a_stream_may_change_its_lookahead_at_a_start():
    runner = Runner(toy_model(), "ctc", SLOTS)
    step(runner, {0: make_chunk(0, seed=1, lookahead=3)}, 1)
    assert [step(runner, {0: make_chunk(n, 2, lookahead=0)}, 1)[0] for n in range(3)] == alone(2, 3, 1, lookahead=0)


def test_a_short_tail_shares_its_batch_with_starts_and_middles():
    runner = Runner(toy_model(), "ctc", SLOTS)
    step(runner, {0: make_chunk(0, 0), 1: make_chunk(0, 1)}, 4)
    rows = {0: make_chunk(1, 0, frames=3, last=True), 1: make_chunk(1, 1), 2: make_chunk(0, 2)}
    tail, middle, start = step(runner, rows, 4)
    assert isinstance(tail, StepResult)
    assert (tail.frames, tail.last) == (1, True)
    assert middle == alone(1, 2, 4)[1]
    assert start == alone(2, 1, 4)[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_fails_alone_and_keeps_its_state(value: float):
    runner = Runner(toy_model(), "ctc", SLOTS)
    step(runner, {0: make_chunk(0, 0), 1: make_chunk(0, 1)}, 2)
    bad = make_chunk(1, 0)
    bad.samples[:] = value
    failed, other = step(runner, {0: bad, 1: make_chunk(1, 1)}, 2)
    if np.isnan(value):
        assert isinstance(failed, WavelaneError)
        assert failed.code is ErrorCode.INTERNAL
        assert "not finite" in failed.message
        assert step(runner, {0: make_chunk(1, 0)}, 2)[0] == alone(0, 2, 2)[1]
    assert other == alone(1, 2, 2)[1]


def test_frames_past_a_rows_length_may_be_anything():
    class Careless(ToyEncoder):
        def step(self, *arguments: object, **named: object):  # type: ignore[no-untyped-def, override]
            encoded, state = super().step(*arguments, **named)  # type: ignore[arg-type]
            encoded.frames[torch.arange(encoded.frames.shape[1]) >= encoded.lengths[:, None]] = torch.nan
            return encoded, state

    model = toy_model()
    model.encoder = Careless()
    (outcome,) = step(Runner(model, "ctc", SLOTS), {0: make_chunk(0, frames=3, last=True)}, 2)
    assert isinstance(outcome, StepResult)


def test_a_step_that_raises_changes_no_state():
    class Faulty:
        name = "ctc"
        broken = False

        def __init__(self) -> None:
            self.inner = toy_model().decoders["ctc"]
            self.init_state = self.inner.init_state

        def step(self, encoded: object, state: object) -> object:
            if self.broken:
                raise RuntimeError("decoder")
            return self.inner.step(encoded, state)  # type: ignore[arg-type]

    decoder = Faulty()
    model = toy_model()
    model.decoders = {"ctc": decoder}  # type: ignore[dict-item]
    runner = Runner(model, "ctc", SLOTS)
    step(runner, {0: make_chunk(0)}, 1)
    decoder.broken = True
    with pytest.raises(RuntimeError, match="decoder"):
        step(runner, {0: make_chunk(1)}, 1)
    decoder.broken = False
    assert step(runner, {0: make_chunk(1)}, 1)[0] == alone(0, 2, 1)[1]


def test_the_prompt_of_a_chunk_reaches_its_row_only():
    runner = Runner(toy_model(), "ctc", SLOTS)
    prompted, default = step(runner, {0: make_chunk(0, 5, prompt=1), 1: make_chunk(0, 5)}, 2)
    assert default == alone(5, 1, 2)[0]
    assert prompted != default


def test_warm_up_steps_every_shape_and_touches_no_lane():
    shapes: list[tuple[int, ...]] = []

    class Spy(ToyEncoder):
        def step(self, features: torch.Tensor, *rest: object, **named: object):  # type: ignore[no-untyped-def, override]
            shapes.append(tuple(features.shape[:2]))
            return super().step(features, *rest, **named)  # type: ignore[arg-type]

    model = toy_model()
    model.encoder = Spy()
    runner = Runner(model, "ctc", SLOTS)
    step(runner, {0: make_chunk(0)}, 1)
    shapes.clear()
    runner.warm_up((1, 4), (1, 0))
    assert shapes == [(1, 16), (4, 16), (1, 8), (4, 8)]
    assert step(runner, {0: make_chunk(1)}, 1)[0] == alone(0, 2, 1)[1]


def test_memory_of_a_lane():
    assert Runner(toy_model(), "ctc", SLOTS).bytes_per_lane == 16 * 4 + 8 + 8 + 8


def test_a_head_that_the_model_lacks_is_refused():
    with pytest.raises(WavelaneError, match=r"has no rnnt head \(setting engine.head\); choose one of ctc or auto"):
        Engine(toy_model(), EngineConfig(head="rnnt"), Recorder().sink)


def test_auto_takes_the_preferred_head():
    assert Engine(toy_model(), EngineConfig(device="cpu"), Recorder().sink).head == SPEC.heads[0]
