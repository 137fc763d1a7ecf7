"""The embedded model on real speech, with a lookahead that changes from one chunk to the next."""

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from engineharness import Recorder, running
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wavelane.audio.framer import Framer
from wavelane.engine import Engine
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.work import Chunk, StepResult

SPEECH = Path(__file__).parents[1] / "data" / "speech"
LOOKAHEADS = (0, 1, 6, 13)


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(embedded_path())


@pytest.fixture(scope="module", params=[("torch", "fp32"), ("auto", "auto")], ids=["torch fp32", "auto"])
def stepping(model: LoadedModel, request: pytest.FixtureRequest) -> Iterator[tuple[Engine, Recorder]]:
    recorder = Recorder()
    backend, precision = request.param
    with running(model, recorder, backend=backend, precision=precision, max_sessions=8, buckets=[1]) as engine:
        yield engine, recorder


@pytest.fixture(scope="module")
def constant(
    model: LoadedModel, stepping: tuple[Engine, Recorder], recordings: list[tuple[np.ndarray, str]]
) -> Callable[[int], list[StepResult]]:
    """What a lookahead of 6 hears in a recording, from its beginning to its end. Stepped once for each."""
    return cache(lambda which: recognise(stepping, list(cut(model, recordings[which][0], [6]))))


@pytest.fixture(scope="module")
def recordings() -> list[tuple[np.ndarray, str]]:
    lines = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
    return [(decode(SPEECH / line["audio_filepath"]), line["text"]) for line in lines]


def decode(path: Path) -> np.ndarray:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def cut(model: LoadedModel, samples: np.ndarray, lookaheads: Sequence[int]) -> Iterator[Chunk]:
    """Chunks, each with the next of the lookaheads, over and over."""
    wanted = itertools.cycle(lookaheads)
    framer = Framer(model.spec.features, subsampling=model.spec.subsampling, lookahead=next(wanted))
    sequence = itertools.count()
    pieces = [*np.array_split(samples, len(samples) // 400), None]
    for piece in pieces:
        for window in framer.finish() if piece is None else framer.push(piece):
            framer.retarget(next(wanted))
            yield Chunk(
                lane=0,
                sequence=next(sequence),
                samples=window.samples,
                frames=window.frames,
                start=window.start,
                last=window.last,
                lookahead=window.lookahead,
                end=window.end,
            )


def recognise(stepping: tuple[Engine, Recorder], chunks: list[Chunk]) -> list[StepResult]:
    engine, recorder = stepping
    slot = engine.open()
    before = len(recorder.deliveries)
    for chunk in chunks:
        engine.submit(slot, chunk)
    recorder.wait_for(before + len(chunks), timeout=60)
    engine.close(slot)
    assert not recorder.errors(slot)
    return recorder.results(slot)


def text(model: LoadedModel, results: list[StepResult]) -> str:
    pieces = [model.spec.vocabulary[token.id] for result in results for token in result.tokens]
    return "".join(pieces).replace("\u2581", " ").strip()


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3), st.lists(st.sampled_from(LOOKAHEADS), min_size=1, max_size=8))
def test_no_frame_is_lost_or_doubled_and_times_go_on(
    model: LoadedModel,
    stepping: tuple[Engine, Recorder],
    recordings: list[tuple[np.ndarray, str]],
    constant: Callable[[int], list[StepResult]],
    which: int,
    lookaheads: list[int],
) -> None:
    samples, _ = recordings[which]
    chunks = list(cut(model, samples, lookaheads))
    results = recognise(stepping, chunks)
    # The first encoder frame needs one feature frame, each further one eight.
    frames = 1 + -(-(model.spec.features.total_frames(len(samples)) - 1) // model.spec.subsampling)
    assert sum(result.frames for result in results) == frames
    assert sum(result.frames for result in constant(which)) == frames
    assert [result.sequence for result in results] == list(range(len(chunks)))
    begin = 0
    for result, chunk in zip(results, chunks, strict=True):
        assert chunk.last or result.frames == chunk.lookahead + 1
        # A piece of a chunk lies in the frames of that chunk: times go on where they were.
        assert all(begin <= token.frame < begin + result.frames for token in result.tokens)
        begin += result.frames


def test_until_the_first_switch_nothing_differs(
    model: LoadedModel, stepping: tuple[Engine, Recorder], recordings: list[tuple[np.ndarray, str]]
) -> None:
    for samples, _ in recordings:
        unswitched = recognise(stepping, list(islice(cut(model, samples, [1]), 11)))
        switched = recognise(stepping, list(islice(cut(model, samples, [1] * 8 + [13] * 100), 10)))
        # The one that was in progress stays as long as it was.
        assert [result.frames for result in switched] == [2] * 9 + [14]
        assert [result.tokens for result in switched[:9]] == [result.tokens for result in unswitched[:9]]


@pytest.mark.parametrize("lookaheads", [[0, 13], [6, 13], [13, 0, 0, 0, 0, 0], [0, 0, 0, 1, 1, 6, 13, 6, 1], [1, 6]])
def test_the_words_that_a_constant_lookahead_hears_are_heard(
    model: LoadedModel,
    stepping: tuple[Engine, Recorder],
    recordings: list[tuple[np.ndarray, str]],
    constant: Callable[[int], list[StepResult]],
    lookaheads: list[int],
) -> None:
    """Of the embedded model's own domain. The last word ends with the file, where it is lost at any lookahead."""
    samples, spoken = recordings[3]
    heard = text(model, constant(3))
    assert spoken.startswith(heard)
    assert len(heard.split()) >= 3
    assert text(model, recognise(stepping, list(cut(model, samples, lookaheads)))).startswith("go left five")
