"""Saturated and paced measurements of a model that takes no time, and what they say of one that takes too much."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wavelane.bench.paced import measure_paced
from wavelane.bench.rig import running
from wavelane.bench.saturated import measure_saturated
from wavelane.bench.workload import Source, sources
from wavelane.engine import EngineConfig
from wavelane.errors import WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.work import StepResult

Streams = list[NDArray[np.float32]]
CONFIG = EngineConfig.model_validate(
    {"device": "cpu", "backend": "torch", "precision": "fp32", "workers": 2, "threads": 1}
)


def test_chunks_of_a_source_are_the_stream_and_start_it_anew(tiny: LoadedModel, streams: Streams) -> None:
    source = Source(tiny.spec, 1, streams[0])
    chunks = [source.next() for _ in range(30)]
    assert [chunk.sequence for chunk in chunks] == list(range(30))
    # 4 s are 25 chunks of 0.16 s.
    assert [number for number, chunk in enumerate(chunks) if chunk.start] == [0, 25]
    assert {chunk.frames for chunk in chunks if not chunk.start} == {16}
    assert {chunk.frames for chunk in chunks if chunk.start} == {9}
    hop = tiny.spec.features.hop
    # Frame f of the stream is centred on sample f * hop: the second window begins with frame 9.
    begin = 9 * hop - tiny.spec.features.left
    np.testing.assert_array_equal(chunks[1].samples, streams[0][begin : begin + len(chunks[1].samples)])


def test_lanes_begin_at_different_places(tiny: LoadedModel, streams: Streams) -> None:
    lanes = sources(tiny.spec, 1, streams, 6)
    first = [lane.next().samples.tobytes() for lane in lanes]
    assert len(set(first)) == 6


def test_throughput_is_audio_in_a_second(tiny: LoadedModel, streams: Streams) -> None:
    point = measure_saturated(tiny, CONFIG, streams, engine_name="toy", lookahead=1, batch=4, seconds=0.3, warm_up=0.1)
    rows = point.latency["count"] * point.details["rows_per_step"]  # type: ignore[operator]
    assert point.details["seconds"] >= 0.3
    # Steps in flight at either end may belong to one count and not to the other.
    assert point.streams * point.details["seconds"] / 0.16 == pytest.approx(rows, abs=4 * 4)
    assert (point.batch, point.processes, point.threads, point.details["held"]) == (4, 1, 2, 12)
    assert point.details["rows_per_step"] > 3
    breakdown = point.details["breakdown"]
    assert list(breakdown) == ["features", "encoder", "decoder", "host", "waiting"]
    assert min(breakdown[part] for part in ("features", "encoder", "decoder")) > 0
    # All of it together is the time of both workers.
    assert sum(breakdown.values()) == pytest.approx(
        2000 * point.details["seconds"] / point.latency["count"],
        rel=0.4,  # type: ignore[operator]
    )


def test_streams_in_real_time_are_answered(tiny: LoadedModel, streams: Streams) -> None:
    point = measure_paced(tiny, CONFIG, streams, engine_name="toy", lookahead=6, count=5, seconds=1.2, settle=0.1)
    # Chunks of 0.56 s: 2 or 3 of each stream are due within 1.2 s.
    assert 10 <= point.latency["count"] <= 15  # type: ignore[operator]
    assert point.streams == 5
    assert point.carried is not None
    assert not point.details["overrun"]
    assert point.latency["p50_ms"] > 0  # type: ignore[operator]


class _Slow:
    """An encoder whose steps take a while."""

    def __init__(self, encoder: Any, seconds: float) -> None:
        self._encoder = encoder
        self._seconds = seconds

    def step(self, *arguments: Any) -> Any:
        time.sleep(self._seconds)
        return self._encoder.step(*arguments)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)


def slow(tiny: LoadedModel, seconds: float) -> LoadedModel:
    return LoadedModel(tiny.spec, tiny.front_end, _Slow(tiny.encoder, seconds), tiny.decoders)


def test_an_engine_that_is_overrun_does_not_look_quick(tiny: LoadedModel, streams: Streams) -> None:
    config = CONFIG.model_copy(update={"workers": 1, "max_batch": 1})
    # One row of 0.16 s takes more than 0.1 s: two streams are too many.
    point = measure_paced(
        slow(tiny, 0.1), config, streams, engine_name="toy", lookahead=1, count=4, seconds=1.5, settle=0.1
    )
    assert point.details["overrun"]
    assert not point.in_time
    assert point.latency["p95_ms"] > 160  # type: ignore[operator]


def test_a_step_that_takes_longer_than_its_chunk_is_not_in_time(tiny: LoadedModel, streams: Streams) -> None:
    config = CONFIG.model_copy(update={"workers": 1})
    point = measure_saturated(
        slow(tiny, 0.17), config, streams, engine_name="toy", lookahead=1, batch=8, seconds=0.3, warm_up=0.0
    )
    assert not point.in_time
    assert point.latency["p50_ms"] > 170  # type: ignore[operator]
    assert point.details["breakdown"]["encoder"] > 170
    # 8 rows of 0.16 s in little more than 0.17 s.
    assert 0 < point.streams < 8


def test_a_lane_that_fails_ends_the_measurement(tiny: LoadedModel, streams: Streams) -> None:
    class Broken(_Slow):
        def step(self, *arguments: Any) -> Any:
            if not bool(arguments[2].all()):
                raise RuntimeError("broken")
            return super().step(*arguments)

    model = LoadedModel(tiny.spec, tiny.front_end, Broken(tiny.encoder, 0.0), tiny.decoders)
    with running(model, CONFIG.model_copy(update={"max_sessions": 1}), 1, (1,)) as (engine, rig):
        engine.submit(engine.open(), Source(model.spec, 1, streams[0]).next())
        _, ((_, outcome),) = rig.results.get(timeout=10)
        assert isinstance(outcome, StepResult)
    with pytest.raises(WavelaneError, match="Recognising this stream failed with RuntimeError"):
        measure_saturated(model, CONFIG, streams, engine_name="toy", lookahead=1, batch=2, seconds=0.2)
