"""The manager of recordings, over a recorder that re-runs the step on the same memory as a CUDA graph does."""

import logging
from collections.abc import Callable

import pytest
import torch
from engineharness import Recorder, running
from fakerecorder import FakeRecorder, LyingRecorder
from toymodel import SPEC, ToyEncoder, make_chunk, toy_model, toy_talker

from wavelane.engine.base import Outcome
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.graphs import Graphs
from wavelane.engine.metrics import GraphStats
from wavelane.engine.runner import Launched, Runner
from wavelane.engine.selfcheck import SPARE
from wavelane.engine.slots import Slot
from wavelane.engine.step import HEADER, DeviceStep, Outputs
from wavelane.model.base import LoadedModel
from wavelane.work import Chunk, StepResult

SLOTS = 8


def device_step(model: LoadedModel | None = None, head: str = "ctc") -> DeviceStep:
    return DeviceStep(model or toy_model(), head, SLOTS, bounded=True, spare=SPARE)


def launch(runner: Runner, rows: dict[int, Chunk], bucket: int) -> Launched:
    pending = tuple(
        Pending(Slot(index, 0), chunk, order, 0.0, 0.0, 0.0) for order, (index, chunk) in enumerate(rows.items())
    )
    return runner.launch(Batch(next(iter(rows.values())).lookahead, pending, bucket))


def stream(runner: Runner, count: int, bucket: int, seed: int = 0, slot: int = 0) -> list[Outcome]:
    return [runner.collect(launch(runner, {slot: make_chunk(n, seed)}, bucket))[0] for n in range(count)]


def graphs(step: DeviceStep, recorder: FakeRecorder, limit: int = 64) -> tuple[Graphs, list[GraphStats]]:
    told: list[GraphStats] = []
    return Graphs(step, recorder, limit, told.append), told


def test_the_first_lookahead_comes_first_and_its_largest_bucket_first(monkeypatch: pytest.MonkeyPatch) -> None:
    manager, told = graphs(device_step(), FakeRecorder())
    order: list[tuple[int, int]] = []
    record = Graphs.record
    monkeypatch.setattr(Graphs, "record", lambda self, shape: order.append(shape) or record(self, shape))
    manager.prepare((1, 4, 2), (1, 0))
    assert order == [(4, 1), (2, 1), (1, 1), (4, 0), (2, 0), (1, 0)]
    assert manager.stats.captured == 6
    assert [stats.captured for stats in told] == [1, 2, 3, 4, 5, 6]
    assert told[-1].fallen_back == 0
    assert told[-1].bytes == 6000
    assert 0 < told[0].seconds < told[-1].seconds


def test_prepared_twice_is_recorded_once() -> None:
    recorder = FakeRecorder()
    manager, _ = graphs(device_step(), recorder)
    manager.prepare((1, 2), (1,))
    manager.prepare((1, 2, 4), (1,))
    assert recorder.attempts == 3


def test_the_limit_is_kept_and_said(caplog: pytest.LogCaptureFixture) -> None:
    recorder = FakeRecorder()
    manager, _ = graphs(device_step(), recorder, limit=3)
    with caplog.at_level(logging.WARNING):
        manager.prepare((1, 2), (1, 0))
    assert recorder.attempts == 3
    assert manager.full()
    assert "1 of 4 batch shapes run without a CUDA graph: engine.max_graphs is 3" in caplog.text
    step = device_step()
    samples, table = torch.zeros(1, step.window(0)), torch.tensor(step.padding(0))[:, None]
    assert manager.run((1, 0), samples, table) is None


def test_recordings_read_one_memory_as_far_as_it_goes() -> None:
    step = device_step()
    read: list[int] = []
    inner = step.__call__

    class Spy:
        def __getattr__(self, name: str) -> object:
            return getattr(step, name)

        def __call__(self, samples: torch.Tensor, *rest: object) -> Outputs:
            read.append(samples.data_ptr())
            return inner(samples, *rest)  # type: ignore[arg-type]

    manager = Graphs(Spy(), FakeRecorder(), 64)  # type: ignore[arg-type]
    manager.prepare((4, 1), (1,))
    samples, table = torch.zeros(4, step.window(1)), torch.tensor(step.padding(1))[:, None].repeat(1, 4)
    read.clear()
    manager.run((4, 1), samples, table)
    manager.run((1, 1), samples[:1], table[:, :1])
    assert len(set(read)) == 1
    assert read[0] != samples.data_ptr()
    # A larger shape needs more; the others keep what they were recorded with.
    manager.prepare((8,), (3,))
    read.clear()
    manager.run((4, 1), samples, table)
    manager.run((8, 3), torch.zeros(8, step.window(3)), torch.tensor(step.padding(3))[:, None].repeat(1, 8))
    assert len(set(read)) == 2


def test_what_cannot_be_recorded_runs_without(caplog: pytest.LogCaptureFixture) -> None:
    told: list[GraphStats] = []
    recorder = FakeRecorder(breaks=lambda number: number == 0)
    runner = Runner(toy_model(), "ctc", SLOTS, recorder=recorder, tell=told.append)
    with caplog.at_level(logging.WARNING):
        runner.warm_up((1, 4), (1,))
    assert (told[-1].captured, told[-1].fallen_back) == (1, 1)
    assert "steps of 4 rows at lookahead 1 run without a CUDA graph: RuntimeError: operation not" in caplog.text
    assert recorder.attempts == 2, "it is not tried again"
    assert stream(runner, 3, 4) == stream(Runner(toy_model(), "ctc", SLOTS), 3, 4)
    before = recorder.recordings[0].replays
    stream(runner, 2, 1)
    assert recorder.recordings[0].replays == before + 2


def _other_piece(outputs: Outputs) -> None:
    outputs.numbers[0, HEADER] += 1


def _other_count(outputs: Outputs) -> None:
    outputs.numbers[:, 0] += 1


def _other_frame(outputs: Outputs) -> None:
    outputs.numbers[0, HEADER + outputs.confidences.shape[1]] += 1


def _other_confidence(outputs: Outputs) -> None:
    outputs.confidences[0, 0] += 0.1


def _not_a_number(outputs: Outputs) -> None:
    outputs.encoded[0, 0] = torch.nan


def _other_encoding(outputs: Outputs) -> None:
    outputs.encoded[0, 0] += 0.05


@pytest.mark.parametrize(
    ("lie", "said"),
    [
        (_other_piece, "its pieces are others"),
        (_other_count, "its counts, lengths and flags are others"),
        (_other_frame, "its frames of pieces are others"),
        (_other_confidence, "its confidences differ by 0.1"),
        (_not_a_number, "its encoder frames differ by nan"),
        (_other_encoding, "its encoder frames differ by 0.05"),
    ],
)
def test_a_recording_that_differs_is_not_used(
    lie: Callable[[Outputs], None], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[GraphStats] = []
    runner = Runner(toy_model(), "ctc", SLOTS, recorder=LyingRecorder(lie), tell=told.append)
    with caplog.at_level(logging.WARNING):
        runner.warm_up((4,), (1,))
    assert (told[-1].captured, told[-1].fallen_back) == (0, 1)
    assert f"steps of 4 rows at lookahead 1 run without a CUDA graph: {said}" in caplog.text
    assert stream(runner, 3, 4) == stream(Runner(toy_model(), "ctc", SLOTS), 3, 4)


def test_a_recording_that_writes_no_state_is_not_used(caplog: pytest.LogCaptureFixture) -> None:
    step = device_step()

    class Forgetful(FakeRecorder):
        def record(self, function):  # type: ignore[no-untyped-def]
            recording = super().record(function)
            replay = recording.replay

            def without_state() -> None:
                kept = step.peek(list(step.spare))
                replay()
                for pool, state in zip(step._pools, kept, strict=True):
                    pool.scatter(torch.tensor(list(step.spare)), state)

            recording.replay = without_state  # type: ignore[method-assign]
            return recording

    manager, told = graphs(step, Forgetful())
    with caplog.at_level(logging.WARNING):
        manager.prepare((4,), (1,))
    assert told[-1].fallen_back == 1
    assert "its state h differ" in caplog.text


def test_recording_and_checking_touch_no_lane() -> None:
    """Lanes are in use when a shape is recorded at its first step."""
    told: list[GraphStats] = []
    runner = Runner(toy_model(), "ctc", SLOTS, graphs="lazy", recorder=FakeRecorder(), tell=told.append)
    runner.warm_up((1, 4), (1,))
    assert len(told) == 2, "a warm-up's steps record their shapes"
    outcomes = []
    for number in range(6):
        rows = {2: make_chunk(number, 1), 5: make_chunk(number, 2)}
        outcomes.append(runner.collect(launch(runner, rows, (2, 3, 4)[number // 2]))[0])
    assert told[-1].captured == 4
    plain = Runner(toy_model(), "ctc", SLOTS)
    for number, outcome in enumerate(outcomes):
        rows = {2: make_chunk(number, 1), 5: make_chunk(number, 2)}
        assert outcome == plain.collect(launch(plain, rows, (2, 3, 4)[number // 2]))[0]


def test_lazy_recordings_are_limited_too() -> None:
    recorder = FakeRecorder()
    runner = Runner(toy_model(), "ctc", SLOTS, graphs="lazy", max_graphs=1, recorder=recorder)
    assert stream(runner, 2, 2) == stream(Runner(toy_model(), "ctc", SLOTS), 2, 2)
    stream(runner, 2, 4)
    assert recorder.attempts == 1


@pytest.mark.parametrize("talks", [False, True])
def test_two_steps_of_one_shape_in_flight_keep_apart(talks: bool) -> None:
    """The second one is launched before the first one is read; with a talker, before it is walked on with."""
    model, head = (toy_talker(blank_bias=-2.0), "rnnt") if talks else (toy_model(), "ctc")
    runner = Runner(model, head, SLOTS, recorder=FakeRecorder())
    runner.warm_up((2,), (1,))
    plain = Runner(model, head, SLOTS)
    said = 0
    for number in range(3):
        batches = [{slot: make_chunk(number, slot) for slot in slots} for slots in ((0, 1), (2, 3))]
        flying = [launch(runner, rows, 2) for rows in batches]
        for flight, rows in zip(flying, batches, strict=True):
            wanted = plain.collect(launch(plain, rows, 2))
            for one, other in zip(runner.collect(flight), wanted, strict=True):
                assert isinstance(one, StepResult)
                assert isinstance(other, StepResult)
                assert [(t.id, t.frame) for t in one.tokens] == [(t.id, t.frame) for t in other.tokens]
                said = max(said, len(one.tokens))
    assert not talks or said > 4, "nothing was walked on with"


def test_a_stage_is_used_again() -> None:
    runner = Runner(toy_model(), "ctc", SLOTS, recorder=FakeRecorder())
    runner.warm_up((2,), (1,))
    first = launch(runner, {0: make_chunk(0)}, 2)
    second = launch(runner, {1: make_chunk(0)}, 2)
    assert first.stage is not second.stage
    runner.collect(first)
    assert launch(runner, {2: make_chunk(0)}, 2).stage is first.stage


def test_a_step_that_raises_gives_its_stage_back() -> None:
    class Broken(ToyEncoder):
        def step(self, *arguments: object, **named: object):  # type: ignore[no-untyped-def, override]
            raise RuntimeError("broken")

    model = toy_model()
    model.encoder = Broken()
    runner = Runner(model, "ctc", SLOTS)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="broken"):
            launch(runner, {0: make_chunk(0)}, 2)
    assert len(runner._stages._free) == 1


def test_the_engine_over_recordings_gives_what_it_gives_without(monkeypatch: pytest.MonkeyPatch) -> None:
    recorders: list[FakeRecorder] = []

    init = Runner.__init__

    def recorded(self: Runner, *arguments: object, **named: object) -> None:
        recorders.append(FakeRecorder())
        init(self, *arguments, **(named | {"recorder": recorders[-1]}))  # type: ignore[arg-type]

    results = []
    for build in (None, recorded):
        if build is not None:
            monkeypatch.setattr(Runner, "__init__", build)
        recorder = Recorder()
        with running(toy_model(), recorder, max_sessions=6, buckets=[4], max_batch=4) as engine:
            engine.warm_up((4,), SPEC.lookaheads)
            slots = [engine.open() for _ in range(6)]
            for number in range(4):
                for seed, slot in enumerate(slots):
                    engine.submit(slot, make_chunk(number, seed, lookahead=SPEC.lookaheads[seed % 3]))
            recorder.wait_for(24)
            results.append([recorder.results(slot) for slot in slots])
            assert engine.graphs.captured == (0 if build is None else 3)
            assert [stats.captured for stats in recorder.graphs] == ([] if build is None else [1, 2, 3])
    assert results[0] == results[1]
    assert [len(r.recordings) for r in recorders] == [3]
    assert sum(recording.replays for recording in recorders[0].recordings) > 6
