"""The native step gives what torch gives: every kind of checkpoint, head, lookahead and place in a stream."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.decode.ctc import CtcDecoder
from wavelane.machine import processor_flags
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.model.offline import step_inputs, windows
from wavelane.native import library as native_library
from wavelane.native import model as native_model
from wavelane.native.library import BUILDS, PARTS, PRECISIONS, Rows, missing, open_build, rate
from wavelane.native.model import NativeModel, Stepped, unsupported
from wavelane.work import Chunk, Samples

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

DATA = Path(__file__).parents[1] / "data"
CHECKPOINTS = sorted(
    path
    for folder in ("golden", "golden_more")
    for path in (DATA / folder).iterdir()
    if path.suffix == ".nemo" or path.is_dir()
)


def speech(seconds: float, seed: int) -> Samples:
    """Noise that comes and goes."""
    random = np.random.default_rng(seed)
    samples = random.standard_normal(int(16_000 * seconds)) * 0.1
    return (samples * (0.05 + np.abs(np.sin(np.arange(samples.size) / 3000.0)))).astype(np.float32)


def chunks(model: LoadedModel, samples: Samples, lookahead: int, prompt: int | None = None) -> list[Chunk]:
    cut = windows(model.spec, samples, lookahead)
    return [
        Chunk(
            lane=0,
            sequence=number,
            samples=window.samples,
            frames=window.frames,
            start=window.start,
            last=number == len(cut) - 1,
            lookahead=lookahead,
            prompt=prompt,
        )
        for number, window in enumerate(cut)
    ]


@torch.inference_mode()
def with_torch(
    model: LoadedModel, head: str, samples: Samples, lookahead: int, prompt: int | None
) -> list[tuple[np.ndarray, list[int], list[int], list[float]]]:
    """Encoder frames, pieces, frames and confidences of every step."""
    decoder = model.decoders[head]
    state, hypothesis = model.encoder.init_state(1), decoder.init_state(1)
    prompts = None if prompt is None else torch.tensor([prompt])
    steps = []
    for step in step_inputs(windows(model.spec, samples, lookahead)):
        features = model.front_end(step.samples, step.frames, step.start, step.last)
        encoded, state = model.encoder.step(
            features, step.frames, step.start, step.last, state, lookahead, prompts=prompts
        )
        emissions, hypothesis = decoder.step(encoded, hypothesis)
        n = int(emissions.counts[0])
        steps.append(
            (
                encoded.frames[0, : int(encoded.lengths[0])].numpy(),
                emissions.ids[0, :n].tolist(),
                emissions.frames[0, :n].tolist(),
                emissions.confidences[0, :n].tolist(),
            )
        )
    return steps


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_every_checkpoint_gives_what_it_gives_with_torch(path: Path):
    model = load_model(path)
    assert unsupported(model) is None
    prompts = list(model.spec.prompts.values())[:2] or [None]
    # Random weights may say nothing at all: something is taken from the score of the blank, in the end everything.
    compared = 0
    for head in model.spec.heads:
        decoder = model.decoders[head]
        bias = decoder.get_buffer("bias" if isinstance(decoder, CtcDecoder) else "joint_out_bias")
        for lookahead, taken in [
            *((lookahead, 2.0) for lookahead in model.spec.lookaheads),
            (model.spec.lookaheads[0], 1e4),
        ]:
            bias[decoder.blank] -= taken
            native = NativeModel(model, "fp32", 3, head)
            scratch = native.scratch()
            for seed, prompt in enumerate(prompts):
                samples = speech(4.0 + 0.37 * seed, seed)
                expected = with_torch(model, head, samples, lookahead, prompt)
                for chunk, (frames, ids, at, confidences) in zip(
                    chunks(model, samples, lookahead, prompt), expected, strict=True
                ):
                    got = scratch.step(lookahead, [(1, chunk)], encoded=True)
                    assert got.finite.all()
                    assert got.encoded is not None
                    assert got.lengths.tolist() == [len(frames)]
                    np.testing.assert_allclose(got.encoded[0, : len(frames)], frames, atol=2e-4, rtol=1e-3)
                    n = int(got.counts[0])
                    assert got.ids[0, :n].tolist() == ids
                    assert got.frames[0, :n].tolist() == at
                    assert got.confidences[0, :n].tolist() == pytest.approx(confidences, abs=1e-3)
                    compared += n
    assert compared > 10


@pytest.fixture(scope="module")
def embedded() -> LoadedModel:
    return load_model(embedded_path())


@pytest.fixture(scope="module")
def natives(embedded: LoadedModel) -> dict[str, NativeModel]:
    return {precision: NativeModel(embedded, precision, 12, "ctc") for precision in PRECISIONS}


def row(stepped: Stepped, index: int) -> tuple[bytes, ...]:
    """Every bit that a step gives for a row."""
    assert stepped.encoded is not None
    n, length = int(stepped.counts[index]), int(stepped.lengths[index])
    return (
        stepped.encoded[index, :length].tobytes(),
        stepped.ids[index, :n].tobytes(),
        stepped.frames[index, :n].tobytes(),
        stepped.confidences[index, :n].tobytes(),
    )


@settings(max_examples=12, deadline=None)
@given(
    precision=st.sampled_from(sorted(PRECISIONS)),
    lookahead=st.sampled_from([6, 1, 0]),
    seeds=st.lists(st.integers(0, 50), min_size=1, max_size=9, unique=True),
    order=st.randoms(use_true_random=False),
)
def test_rows_do_not_depend_on_their_neighbours(
    embedded: LoadedModel, natives: dict[str, NativeModel], precision: str, lookahead: int, seeds: list[int], order
):
    """To the last bit, in every precision: alone, and in steps of any size beside streams of any age."""
    scratch = natives[precision].scratch()
    streams = [chunks(embedded, speech(0.4 + 0.31 * (seed % 7), seed), lookahead) for seed in seeds]
    alone = [[row(scratch.step(lookahead, [(0, chunk)], encoded=True), 0) for chunk in stream] for stream in streams]
    heard: list[list[tuple[bytes, ...]]] = [[] for _ in streams]
    while any(len(done) < len(stream) for done, stream in zip(heard, streams, strict=True)):
        left = [i for i, stream in enumerate(streams) if len(heard[i]) < len(stream)]
        batch = order.sample(left, order.randint(1, len(left)))
        stepped = scratch.step(lookahead, [(1 + i, streams[i][len(heard[i])]) for i in batch], encoded=True)
        for index, i in enumerate(batch):
            heard[i].append(row(stepped, index))
    assert heard == alone


def test_a_long_stream_goes_on_through_every_move_of_its_cache(embedded: LoadedModel, natives: dict[str, NativeModel]):
    samples = speech(30.0, 3)
    scratch = natives["fp32"].scratch()
    for lookahead in (1, 6):
        expected = with_torch(embedded, "ctc", samples, lookahead, None)
        for number, (chunk, (frames, *_)) in enumerate(
            zip(chunks(embedded, samples, lookahead), expected, strict=True)
        ):
            got = scratch.step(lookahead, [(4, chunk)], encoded=True)
            assert got.encoded is not None
            assert int(got.positions[0]) == number * (lookahead + 1)
            np.testing.assert_allclose(got.encoded[0, : len(frames)], frames, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("precision", ["bf16", "int8"])
def test_lower_precisions_stay_near(embedded: LoadedModel, natives: dict[str, NativeModel], precision: str):
    samples = speech(6.0, 9)
    scratch, exact = natives[precision].scratch(), natives["fp32"].scratch()
    for chunk in chunks(embedded, samples, 6):
        got = scratch.step(6, [(2, chunk)], encoded=True)
        wanted = exact.step(6, [(2, chunk)], encoded=True)
        assert got.encoded is not None
        assert wanted.encoded is not None
        length = int(wanted.lengths[0])
        error = np.linalg.norm(got.encoded[0, :length] - wanted.encoded[0, :length])
        assert 0 < error < 0.05 * np.linalg.norm(wanted.encoded[0, :length])


@pytest.mark.parametrize("precision", sorted(PRECISIONS))
def test_what_is_not_finite_is_told_and_stays_where_it_is(
    embedded: LoadedModel, natives: dict[str, NativeModel], precision: str
):
    scratch = natives[precision].scratch()
    first, second = chunks(embedded, speech(1.5, 1), 6)[:2]
    for bad in (np.nan, np.inf):
        poison = np.full_like(first.samples, bad)
        stepped = scratch.step(6, [(5, first), (6, chunks(embedded, poison, 6)[0]), (7, first)], encoded=True)
        assert stepped.finite.tolist() == [True, False, True]
        assert row(stepped, 0) == row(stepped, 2)
        # The next tenant of the poisoned lane hears nothing of it.
        stepped = scratch.step(6, [(6, first)], encoded=True)
        again = scratch.step(6, [(6, second), (7, second)], encoded=True)
        assert stepped.finite.all()
        assert row(again, 0) == row(again, 1)


def test_the_time_of_every_part_is_counted(embedded: LoadedModel, natives: dict[str, NativeModel]):
    scratch = natives["int8"].scratch()
    scratch.step(6, [(0, chunks(embedded, speech(1.0, 0), 6)[0])])
    seconds = scratch.seconds()
    assert set(seconds) == set(PARTS)
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds.values()) <= scratch.seconds_inside


@pytest.mark.parametrize("build", sorted(BUILDS))
def test_every_build_that_runs_here_gives_the_same_pieces(
    embedded: LoadedModel, natives: dict[str, NativeModel], build: str, monkeypatch: pytest.MonkeyPatch
):
    if not processor_flags().issuperset(BUILDS[build]):
        pytest.skip(f"this processor cannot run {build}")
    monkeypatch.setattr(native_model, "library", lambda: open_build(build))
    for precision, reference in natives.items():
        scratch, expected = NativeModel(embedded, precision, 1, "ctc").scratch(), reference.scratch()
        for chunk in chunks(embedded, speech(3.0, 4), 6):
            got = scratch.step(6, [(0, chunk)], encoded=True)
            wanted = expected.step(6, [(3, chunk)], encoded=True)
            assert got.encoded is not None
            assert wanted.encoded is not None
            length = int(wanted.lengths[0])
            error = np.linalg.norm(got.encoded[0, :length] - wanted.encoded[0, :length])
            assert error <= (1e-5 if precision == "fp32" else 0.05) * np.linalg.norm(wanted.encoded[0, :length])


def test_a_library_of_other_sources_is_not_used(monkeypatch: pytest.MonkeyPatch):
    class Longer(ctypes.Structure):
        _fields_ = (*Rows._fields_, ("more", ctypes.c_int64))

    monkeypatch.setattr(native_library, "Rows", Longer)
    build, _ = native_library.best_build()
    assert build is not None
    with pytest.raises(OSError, match="other sources"):
        open_build.__wrapped__(build)


def test_other_shapes_and_precisions_are_refused(embedded: LoadedModel):
    with pytest.raises(KeyError):
        NativeModel(embedded, "fp8", 1, "ctc")
    with pytest.raises(KeyError):
        NativeModel(embedded, "fp32", 1, "rnnt")


def test_the_rate_of_products_is_measured():
    assert rate("int8", 12, 64, 64, seconds=0.001) > 1e6


def test_a_system_that_keeps_registers_to_itself_gets_the_next_build(monkeypatch: pytest.MonkeyPatch):
    first, _ = native_library.best_build()

    class Refused:
        @staticmethod
        def wavelane_allowed() -> int:
            return 0

    monkeypatch.setattr(native_library, "open_build", lambda build: Refused if build == first else open_build(build))
    second, _ = native_library.best_build.__wrapped__()
    names = [build for build, needs in BUILDS.items() if processor_flags().issuperset(needs)]
    assert second == (names[1] if len(names) > 1 else None)
