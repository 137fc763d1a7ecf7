"""The step as a function of two tensors against a step as plainly written: lanes are reset, padding is left out."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fakerecorder import FakeRecorder
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toymodel import SPEC, make_chunk, toy_model, toy_talker

from support.golden import CHECKPOINTS, loaded
from wavelane.engine.base import Outcome
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.metrics import GraphStats
from wavelane.engine.runner import Runner
from wavelane.engine.slots import Slot
from wavelane.engine.step import COLUMNS, HEADER, DeviceStep
from wavelane.model.base import LoadedModel, State
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.work import Chunk, StepResult, Token

SLOTS = 6


class Plain:
    """Rows are reset, gathered, stepped with padding, and written back one by one."""

    def __init__(self, model: LoadedModel, head: str) -> None:
        self.model, self.decoder = model, model.decoders[head]
        self.states: dict[int, tuple[State, State, int]] = {}

    def fresh(self) -> tuple[State, State, int]:
        return self.model.encoder.init_state(1), self.decoder.init_state(1), 0

    @torch.inference_mode()
    def step(self, rows: dict[int, Chunk], bucket: int) -> list[StepResult]:
        chunks = list(rows.values())
        for index, chunk in rows.items():
            if chunk.start:
                self.states[index] = self.fresh()
        states = [self.states[index] for index in rows] + [self.fresh()] * (bucket - len(rows))
        lookahead = chunks[0].lookahead
        spec = self.model.spec
        silence = np.zeros(spec.features.window_samples(spec.chunk_frames(lookahead)), np.float32)
        samples = torch.from_numpy(np.stack([c.samples for c in chunks] + [silence] * (bucket - len(chunks))))
        table = [(c.frames, c.start, c.last, c.prompt or spec.default_prompt or 0) for c in chunks]
        table += [(spec.start_frames(lookahead), True, False, spec.default_prompt or 0)] * (bucket - len(chunks))
        frames, start, last, prompts = (torch.tensor(column) for column in zip(*table, strict=True))
        features = self.model.front_end(samples, frames, start, last)
        encoder_state = {name: torch.cat([s[0][name] for s in states]) for name in states[0][0]}
        decoder_state = {name: torch.cat([s[1][name] for s in states]) for name in states[0][1]}
        encoded, encoder_state = self.model.encoder.step(
            features, frames, start, last, encoder_state, lookahead, prompts if spec.prompts else None
        )
        emissions, decoder_state = self.decoder.step(encoded, decoder_state)
        results = []
        for row, (index, chunk) in enumerate(rows.items()):
            count, position = int(emissions.counts[row]), self.states[index][2]
            tokens = tuple(
                Token(
                    id=int(emissions.ids[row, n]),
                    frame=int(emissions.frames[row, n]) + position,
                    confidence=float(emissions.confidences[row, n]),
                )
                for n in range(count)
            )
            length = int(encoded.lengths[row])
            self.states[index] = (
                {name: leaf[row : row + 1].clone() for name, leaf in encoder_state.items()},
                {name: leaf[row : row + 1].clone() for name, leaf in decoder_state.items()},
                position + length,
            )
            results.append(
                StepResult(lane=chunk.lane, sequence=chunk.sequence, tokens=tokens, frames=length, last=chunk.last)
            )
        return results


def build(model: LoadedModel, head: str, recorded: tuple[int, int] | None) -> Runner:
    """A runner, with a recording of one bucket and lookahead."""
    if recorded is None:
        return Runner(model, head, SLOTS)
    told: list[GraphStats] = []
    runner = Runner(model, head, SLOTS, recorder=FakeRecorder(), tell=told.append)
    runner.warm_up(recorded[:1], recorded[1:])
    assert [(stats.captured, stats.fallen_back) for stats in told] == [(1, 0)]
    return runner


def batch(rows: dict[int, Chunk], bucket: int) -> Batch:
    pending = tuple(
        Pending(Slot(index, 0), chunk, order, 0.0, 0.0, 0.0) for order, (index, chunk) in enumerate(rows.items())
    )
    return Batch(next(iter(rows.values())).lookahead, pending, bucket)


def same(found: list[Outcome], wanted: list[StepResult], exactly: bool) -> None:
    if exactly:
        assert found == wanted, "to the last bit: confidences are compared too"
        return
    for one, other in zip(found, wanted, strict=True):
        assert isinstance(one, StepResult)
        assert (one.lane, one.sequence, one.frames, one.last) == (other.lane, other.sequence, other.frames, other.last)
        assert [(t.id, t.frame) for t in one.tokens] == [(t.id, t.frame) for t in other.tokens]
        assert [t.confidence for t in one.tokens] == pytest.approx([t.confidence for t in other.tokens], abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(
    data=st.data(),
    bucket=st.sampled_from((4, 6)),
    lookahead=st.sampled_from((3, 1, 0)),
    recorded=st.booleans(),
    # A talker of low bias says more than a step is bounded to, and is walked on with.
    model=st.sampled_from(("ctc", "quiet", "talker")),
)
def test_any_mix_of_rows_gives_what_the_plain_step_gives(
    data: st.DataObject, bucket: int, lookahead: int, recorded: bool, model: str
) -> None:
    """Starting, going on, ending and padding rows; a lane is used by one stream after the other."""
    made = toy_model() if model == "ctc" else toy_talker(blank_bias=4.0 if model == "quiet" else -2.0)
    head = "ctc" if model == "ctc" else "rnnt"
    runner = build(made, head, (bucket, lookahead) if recorded else None)
    plain = Plain(made, head)
    sequence: dict[int, int] = {}
    for number in range(data.draw(st.integers(2, 5))):
        rows = {}
        for slot in data.draw(st.lists(st.sampled_from(range(SLOTS)), min_size=1, max_size=bucket, unique=True)):
            start = slot not in sequence or data.draw(st.booleans())
            sequence[slot] = 0 if start else sequence[slot] + 1
            last = data.draw(st.booleans())
            full = SPEC.start_frames(lookahead) if start else SPEC.chunk_frames(lookahead)
            rows[slot] = make_chunk(
                sequence[slot],
                seed=10 * number + slot,
                lookahead=lookahead,
                start=start,
                last=last,
                frames=data.draw(st.integers(1, full)) if last else full,
                prompt=data.draw(st.sampled_from((None, 0, 1))),
            )
        found = runner.collect(runner.launch(batch(rows, bucket)))
        # By label the joint's product has another shape than by frame, so that its last bits may be others.
        same(found, plain.step(rows, bucket), exactly=model == "ctc" or not recorded)


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", ["hybrid80.nemo", "hf_multi"])
def test_a_real_model_gives_what_the_plain_step_gives(name: str, recorded: bool) -> None:
    model = loaded(next(path for path in CHECKPOINTS if path.name == name))
    generator = np.random.default_rng(3)
    lookahead, bucket = 1, 4
    width = model.spec.features.window_samples(model.spec.chunk_frames(lookahead))
    for head in model.decoders:
        runner = build(model, head, (bucket, lookahead) if recorded else None)
        plain = Plain(model, head)
        for number, slots in enumerate(((0, 1), (2, 0, 1), (1, 0, 3), (0, 3, 2, 1))):
            rows = {}
            for slot in slots:
                start = slot not in plain.states or (slot, number) == (0, 2)
                rows[slot] = Chunk(
                    lane=slot,
                    sequence=number,
                    samples=generator.standard_normal(width).astype(np.float32) * 0.1,
                    frames=model.spec.start_frames(lookahead) if start else 8 if slot == 1 else 16,
                    start=start,
                    last=slot == 1 and number == 3,
                    lookahead=lookahead,
                )
            found = runner.collect(runner.launch(batch(rows, bucket)))
            same(found, plain.step(rows, bucket), exactly=head == "ctc" or not recorded)


def test_a_step_asks_nothing_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a CUDA graph cannot hold: values of tensors, and shapes that depend on them."""
    model = loaded(next(path for path in CHECKPOINTS if path.name == "hybrid80.nemo"))
    for head in model.decoders:
        step = build(model, head, (4, 1))._step
        samples = torch.zeros(4, step.window(1))
        table = torch.tensor(step.padding(1))[:, None].repeat(1, 4)
        with torch.inference_mode(), monkeypatch.context() as patched:
            patched.setattr(type(model.encoder), "_device", torch.device("meta"))  # no short cuts of a CPU
            for name in ("__bool__", "__int__", "__float__", "__index__", "item", "tolist", "nonzero", "numpy"):
                patched.setattr(torch.Tensor, name, _asked)
            step(samples, table, 1)


class OneDevice(TorchDispatchMode):
    """Refuses operations that touch a tensor of another device, as a copy from the host does."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device
        self.operations = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = function(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            assert not isinstance(leaf, torch.Tensor) or leaf.device.type == self.device, function
        self.operations += 1
        return result


@pytest.mark.parametrize("path", [*CHECKPOINTS, embedded_path()], ids=lambda path: path.name)
def test_a_step_is_of_one_device_and_of_fixed_shapes(path: Path) -> None:
    """On torch's device without values, where nothing can depend on one."""
    model = load_model(path, device="meta", dtype=torch.bfloat16)
    for head in model.decoders:
        step = DeviceStep(model, head, SLOTS, bounded=True)
        for lookahead in {model.spec.lookaheads[0], model.spec.lookaheads[-1]}:
            step.prepare(lookahead)
            samples = torch.empty(4, step.window(lookahead), device="meta")
            table = torch.empty(COLUMNS, 4, dtype=torch.int64, device="meta")
            with OneDevice("meta") as watched, torch.inference_mode():
                outputs = step(samples, table, lookahead)
            assert watched.operations > 100
            assert outputs.encoded.shape[:2] == (4, lookahead + 1)
            assert outputs.encoded.dtype == torch.bfloat16
            assert outputs.numbers.shape == (4, HEADER + 2 * outputs.confidences.shape[1])


def _asked(*_: object) -> None:
    raise AssertionError("a tensor's value was asked for")
