"""What only a GPU can show: ``make test-gpu``."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from engineharness import Recorder, running
from toymodel import ToyEncoder, make_chunk, toy_front_end, toy_talker

from support.golden import CHECKPOINTS, golden_samples
from wavelane.audio.framer import Framer
from wavelane.engine import Engine, EngineConfig
from wavelane.engine.base import Outcome
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.metrics import GraphStats
from wavelane.engine.runner import Runner
from wavelane.engine.slots import Slot
from wavelane.errors import WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, StepResult

pytestmark = pytest.mark.gpu

SLOTS = 8
DEVICE = "cuda"


@pytest.fixture(autouse=True)
def device() -> None:
    assert torch.cuda.is_available(), "make test-gpu needs an NVIDIA GPU and a CUDA build of torch"


@pytest.fixture
def model() -> LoadedModel:
    return load_model(embedded_path(), device=DEVICE)


def chunks(spec: ModelSpec, lookahead: int, seconds: float = 8.0, lane: int = 0) -> list[Chunk]:
    """A stream of speech; other lanes begin elsewhere in the recording."""
    begin = 16_000 * (lane % 3)
    samples = golden_samples()[begin : begin + int(16_000 * seconds)]
    framer = Framer(spec.features, subsampling=spec.subsampling, lookahead=lookahead)
    prompt = spec.default_prompt
    return [
        Chunk(
            lane=lane,
            sequence=sequence,
            samples=window.samples,
            frames=window.frames,
            start=window.start,
            last=window.last,
            lookahead=lookahead,
            prompt=prompt,
        )
        for sequence, window in enumerate([*framer.push(samples), *framer.finish()])
    ]


def step(runner: Runner, rows: dict[int, Chunk], bucket: int) -> list[Outcome]:
    pending = tuple(Pending(Slot(index, 0), chunk, n, 0.0, 0.0, 0.0) for n, (index, chunk) in enumerate(rows.items()))
    return runner.collect(runner.launch(Batch(next(iter(rows.values())).lookahead, pending, bucket)))


def stream(runner: Runner, work: list[Chunk], bucket: int) -> list[StepResult]:
    results = [step(runner, {0: chunk}, bucket)[0] for chunk in work]
    assert all(isinstance(result, StepResult) for result in results)
    return results  # type: ignore[return-value]


def said(results: list[StepResult]) -> list[tuple[int, int]]:
    return [(token.id, token.frame) for result in results for token in result.tokens]


def moved(part: object) -> object:
    """The toy's tensors are plain attributes, which ``Module.to`` does not see."""
    for name, value in list(vars(part).items()):
        if isinstance(value, torch.Tensor):
            setattr(part, name, value.to(DEVICE))
    return part


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.name)
def test_the_gpu_hears_what_the_cpu_hears_in_full_precision(checkpoint: Path) -> None:
    """Every head, every fixture; graphs are captured, checked and used."""
    cpu, gpu = load_model(checkpoint), load_model(checkpoint, device=DEVICE)
    lookahead = cpu.spec.lookaheads[-1]
    work = chunks(cpu.spec, lookahead, seconds=4.0)
    for head in cpu.decoders:
        told: list[GraphStats] = []
        runner = Runner(gpu, head, SLOTS, tell=told.append)
        runner.warm_up((2,), (lookahead,))
        assert (told[-1].captured, told[-1].fallen_back) == (1, 0)
        heard = stream(runner, work, 2)
        wanted = stream(Runner(cpu, head, SLOTS), work, 2)
        assert said(heard) == said(wanted)
        assert [result.frames for result in heard] == [result.frames for result in wanted]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_all_shapes_of_the_embedded_model_run_as_graphs(dtype: torch.dtype) -> None:
    model = load_model(embedded_path(), device=DEVICE, dtype=dtype)
    told: list[GraphStats] = []
    graphs = Runner(model, "ctc", SLOTS, tell=told.append)
    buckets = (1, 4, 32)
    graphs.warm_up(buckets, model.spec.lookaheads)
    assert (told[-1].captured, told[-1].fallen_back) == (len(buckets) * len(model.spec.lookaheads), 0)
    assert told[-1].bytes > 0
    eager = Runner(model, "ctc", SLOTS, graphs="off")
    for lookahead in model.spec.lookaheads:
        work = chunks(model.spec, lookahead)
        heard = stream(graphs, work, 4)
        assert heard == stream(eager, work, 4), "to the last bit: the same kernels on the same numbers"
        assert said(heard)


def test_lanes_keep_apart_whatever_their_phase() -> None:
    """To the last bit, in one shape, with two steps in flight and a random interleaving."""
    model = load_model(embedded_path(), device=DEVICE, dtype=torch.bfloat16)
    lookahead = model.spec.default_lookahead
    streams = [chunks(model.spec, lookahead, seconds=2 + lane % 4, lane=lane) for lane in range(24)]
    settings = {"device": DEVICE, "max_sessions": 32, "max_batch": 16, "buckets": [16], "capacity": "off"}
    heard: list[list[list[StepResult]]] = []
    for seed in (None, 5):
        recorder = Recorder()
        with running(model, recorder, **settings) as engine:
            engine.warm_up(lookaheads=(lookahead,))
            assert engine.graphs == recorder.graphs[-1]
            assert (engine.graphs.captured, engine.graphs.fallen_back) == (1, 0)
            slots = [engine.open() for _ in streams]
            order = [lane for lane, work in enumerate(streams) for _ in work]
            if seed is not None:
                random.Random(seed).shuffle(order)
            left: list[Iterator[Chunk]] = [iter(work) for work in streams]
            for lane in order:
                engine.submit(slots[lane], next(left[lane]))
            recorder.wait_for(len(order), timeout=60)
            heard.append([recorder.results(slot) for slot in slots])
    assert heard[0] == heard[1]


def test_rows_that_say_more_than_a_graph_is_bounded_to_are_walked_on_with() -> None:
    model = toy_talker(blank_bias=-2.0)
    model.front_end = lambda samples, *rest: toy_front_end(samples.cpu(), *(part.cpu() for part in rest)).to(DEVICE)
    wanted = [step(Runner(toy_talker(blank_bias=-2.0), "rnnt", SLOTS), {0: make_chunk(0, n)}, 2)[0] for n in range(3)]
    moved(model.encoder)
    model.encoder.init_state = lambda batch: {  # type: ignore[method-assign]
        name: leaf.to(DEVICE) for name, leaf in ToyEncoder().init_state(batch).items()
    }
    model.decoders["rnnt"].to(DEVICE)  # type: ignore[attr-defined]
    told: list[GraphStats] = []
    runner = Runner(model, "rnnt", SLOTS, tell=told.append)
    # The toy asks the host, so that its steps cannot be captured; the device survives that.
    runner.warm_up((2,), (1,))
    assert (told[-1].captured, told[-1].fallen_back) == (0, 1)
    heard = [step(runner, {0: make_chunk(0, n)}, 2)[0] for n in range(3)]
    for one, other in zip(heard, wanted, strict=True):
        assert isinstance(one, StepResult)
        assert isinstance(other, StepResult)
        assert [(t.id, t.frame) for t in one.tokens] == [(t.id, t.frame) for t in other.tokens]
    assert max(len(result.tokens) for result in heard if isinstance(result, StepResult)) > 5


def test_defaults_are_for_thousands_of_streams(model: LoadedModel) -> None:
    engine = Engine(model, EngineConfig(device=DEVICE), Recorder().sink)
    room = torch.cuda.get_device_properties(0).total_memory
    assert engine.config.max_sessions == 4096 or engine.bytes_per_lane * 4096 > room // 2
    assert engine.config.batch_shapes[-1] == 256
    assert engine.parallelism[0] == 1


def test_more_lanes_than_the_memory_holds_are_refused(model: LoadedModel) -> None:
    with pytest.raises(WavelaneError, match=r"set engine\.max_sessions to at most \d+"):
        Engine(model, EngineConfig(device=DEVICE, max_sessions=10_000_000), Recorder().sink)
