"""The engine over the embedded model and real speech: neighbours, workers and phases change nothing."""

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import count
from pathlib import Path

import av
import numpy as np
import pytest
from engineharness import Recorder, running

from wavelane.audio.framer import Framer
from wavelane.engine import Slot
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.model.offline import transcribe_tokens
from wavelane.native.library import missing
from wavelane.work import Chunk, StepResult, Token

SPEECH = Path(__file__).parents[1] / "data" / "speech"
SECONDS = 5.1
RECORDINGS = ("libri_egypt.opus", "libri_lemon.opus", "libri_simmer.opus", "commands.flac")


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(embedded_path())


@pytest.fixture(params=["torch fp32", "native fp32", "native bf16", "native int8"])
def setting(request: pytest.FixtureRequest) -> dict[str, str]:
    """Backend and precision."""
    backend, precision = request.param.split()
    reason = missing() if backend == "native" else None
    if reason is not None:
        pytest.skip(reason)
    return {"backend": backend, "precision": precision}


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    return [decode(SPEECH / name) for name in RECORDINGS]


def decode(path: Path) -> np.ndarray:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])[: int(16_000 * SECONDS)]


def chunks(model: LoadedModel, samples: np.ndarray, lookahead: int) -> Iterator[Chunk]:
    framer = Framer(model.spec.features, subsampling=model.spec.subsampling, lookahead=lookahead)
    for sequence, window in enumerate([*framer.push(samples), *framer.finish()]):
        yield Chunk(
            lane=0,
            sequence=sequence,
            samples=window.samples,
            frames=window.frames,
            start=window.start,
            last=window.last,
            lookahead=lookahead,
        )


def recognise(
    model: LoadedModel,
    setting: dict[str, str],
    streams: list[list[Chunk]],
    bucket: int,
    workers: int = 1,
    seed: int | None = None,
) -> list[list[StepResult]]:
    """All streams at once, their chunks submitted in a random interleaving (``seed``) or one stream after the other."""
    recorder = Recorder()
    with running(
        model, recorder, **setting, workers=workers, max_sessions=16, max_batch=bucket, buckets=[bucket]
    ) as engine:
        slots: list[Slot] = [engine.open() for _ in streams]
        order = [stream for stream, work in enumerate(streams) for _ in work]
        if seed is not None:
            random.Random(seed).shuffle(order)
        sent = [count() for _ in streams]
        for stream in order:
            engine.submit(slots[stream], streams[stream][next(sent[stream])])
        recorder.wait_for(len(order), timeout=60)
    assert not any(recorder.errors(slot) for slot in slots)
    return [recorder.results(slot) for slot in slots]


@pytest.fixture(scope="module")
def alone(model: LoadedModel, recordings: list[np.ndarray]) -> Callable[[str, str, int], list[list[StepResult]]]:
    """What each recording gives in an engine where nothing else is. Stepped once for each setting and lookahead."""

    @cache
    def hear(backend: str, precision: str, lookahead: int) -> list[list[StepResult]]:
        setting = {"backend": backend, "precision": precision}
        streams = [list(chunks(model, samples, lookahead)) for samples in recordings]
        return [recognise(model, setting, [stream], bucket=4)[0] for stream in streams]

    return hear


@pytest.fixture(scope="module")
def offline(model: LoadedModel, recordings: list[np.ndarray]) -> Callable[[int], list[Token]]:
    """What the offline run hears in the commands with a lookahead. Run once for each."""
    return cache(lambda lookahead: transcribe_tokens(model, recordings[3], lookahead=lookahead))


def text(model: LoadedModel, results: list[StepResult]) -> str:
    pieces = [model.spec.vocabulary[token.id] for result in results for token in result.tokens]
    return "".join(pieces).replace("\u2581", " ").strip()


def tokens(results: list[StepResult]) -> list[Token]:
    return [token for result in results for token in result.tokens]


@pytest.mark.parametrize(("lookahead", "workers"), [(6, 1), (6, 3), (1, 2)])
def test_a_stream_among_others_gives_what_it_gives_alone(
    model: LoadedModel,
    setting: dict[str, str],
    recordings: list[np.ndarray],
    alone: Callable[[str, str, int], list[list[StepResult]]],
    lookahead: int,
    workers: int,
):
    """To the last bit of every confidence: other starts, middles and tails in the batch, other rows, other workers."""
    streams = [list(chunks(model, samples, lookahead)) for samples in recordings]
    together = recognise(model, setting, streams, bucket=4, workers=workers, seed=workers)
    assert together == alone(setting["backend"], setting["precision"], lookahead)
    assert sum(len(tokens(results)) for results in together) > 10


def test_streams_of_several_lookaheads_share_the_engine(
    model: LoadedModel, setting: dict[str, str], recordings: list[np.ndarray]
):
    streams = [list(chunks(model, recordings[1], lookahead)) for lookahead in (13, 6, 1)]
    together = recognise(model, setting, streams, bucket=2, seed=5)
    for stream, results in zip(streams, together, strict=True):
        assert results == recognise(model, setting, [stream], bucket=2)[0]


@pytest.mark.parametrize("lookahead", [6, 0])
def test_every_bucket_gives_what_the_offline_run_gives(
    model: LoadedModel,
    setting: dict[str, str],
    recordings: list[np.ndarray],
    offline: Callable[[int], list[Token]],
    lookahead: int,
):
    stream = list(chunks(model, recordings[3], lookahead))
    reference = offline(lookahead)
    assert len(reference) >= 3
    for bucket in (1, 3, 8):
        results = recognise(model, setting, [stream], bucket=bucket)[0]
        assert text(model, results).startswith("go left five")
        mine = tokens(results)
        assert [(token.id, token.frame) for token in mine] == [(token.id, token.frame) for token in reference]
        assert [token.confidence for token in mine] == pytest.approx(
            [t.confidence for t in reference], abs=1e-4 if setting["precision"] == "fp32" else 0.05
        )


def test_a_poisoned_neighbour_changes_nothing(
    model: LoadedModel, setting: dict[str, str], recordings: list[np.ndarray]
):
    stream = list(chunks(model, recordings[1], 6))
    reference = recognise(model, setting, [stream], bucket=2)[0]
    recorder = Recorder()
    with running(model, recorder, **setting, max_sessions=2, max_batch=2, buckets=[2], max_wait_ms=20) as engine:
        good, bad = engine.open(), engine.open()
        nan = np.full_like(stream[0].samples, np.nan)
        for number, chunk in enumerate(stream):
            engine.submit(good, chunk)
            if number == 1:
                engine.submit(bad, replace(stream[0], samples=nan))
            recorder.wait_for(number + 1 + (number >= 1))
    assert recorder.results(good) == reference
    assert [error.code.value for error in recorder.errors(bad)] == ["internal"]
