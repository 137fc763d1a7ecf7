"""What ``wavelane bench`` measures of one model: the machine's limit, throughput, and the most streams in real time."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from wavelane import __version__
from wavelane.bench.limit import measure_limits, shapes_of
from wavelane.bench.operations import Work, work_of
from wavelane.bench.paced import measure_paced
from wavelane.bench.saturated import measure_saturated
from wavelane.bench.shapes import PREFIX, shape_config, shape_model
from wavelane.bench.workload import long_streams
from wavelane.engine import EngineConfig
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.machine import instruction_sets
from wavelane.measure import Point
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model, read_config
from wavelane.model.config import ModelConfig
from wavelane.model.pipelines import PIPELINES
from wavelane.native.library import missing
from wavelane.work import Samples
from wavelane_client.load.corpus import load_corpus
from wavelane_client.load.machine import describe_machine
from wavelane_client.load.search import Stage, find_max
from wavelane_server.config import ModelConfig as ModelSettings
from wavelane_server.models import locate
from wavelane_server.serve import SWITCH_S

NAME = f"wavelane {__version__}"
ENCODER = ("feed_forward", "attention", "convolution")
"""Parts whose products are compared with the limit."""
STREAMS = 32
"""Different streams that lanes take in turn."""
STREAM_SECONDS = 30.0
RATE = 16_000
SEARCH_FACTOR = 2.0
"""Streams in real time are searched up to this many times the best throughput, which never is reached."""
Say = Callable[[str], None]


def precisions(config: EngineConfig) -> tuple[str, ...]:
    """Every precision that the engine has with these settings on this machine."""
    native = config.torch_device().type == "cpu" and config.backend != "torch" and missing() is None
    return ("fp32", "bf16", "int8") if native else ("fp32", "bf16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is measured. Points are all combinations of lookaheads, precisions and batches."""

    model: str = "embedded"
    """As ``wavelane serve --model`` takes it, or ``shape:NAME`` (:data:`wavelane.bench.shapes.SHAPES`)."""
    lookaheads: tuple[int, ...] = (13, 6, 1, 0)
    precisions: tuple[str, ...] = ()
    """None means all."""
    batches: tuple[int, ...] = (1, 8, 32)
    seconds: float = 4.0
    """Of a point."""
    paced: bool = True
    """Search for the most streams in real time, with the precision that had the best throughput."""
    resolution: float = 0.08
    """Of that search."""
    curve: tuple[float, ...] = ()
    """Shares of the most streams that are measured too, for the curve of latency against streams."""
    limits: bool = True
    """Measure the rate of matrix products."""
    engine: dict[str, Any] = field(default_factory=dict)
    """Further settings of the engine."""


def audio(manifest: str | None) -> list[Samples]:
    """Streams of speech from a manifest, or from the bundled recording.

    Raises:
        WavelaneError: a file cannot be read.
    """
    corpus = load_corpus(manifest, [])
    utterances = [np.frombuffer(utterance.pcm, "<i2").astype(np.float32) / np.float32(32768) for utterance in corpus]
    return long_streams(utterances, STREAMS, STREAM_SECONDS, RATE)


def prepare_process() -> None:
    """Have this process share the interpreter among threads as a server does."""
    sys.setswitchinterval(SWITCH_S)


class Bench:
    """Measures one model.

    Args:
        settings: what.
        streams: audio, see :func:`audio`.
        say: told about progress.

    Raises:
        WavelaneError: INVALID_CONFIG for settings that the engine or the model does not have, MODEL_NOT_FOUND.
    """

    def __init__(self, settings: Settings, streams: Sequence[Samples], say: Say) -> None:
        self._settings = settings
        self._streams = streams
        self._say = say
        wanted = settings.precisions or precisions(self._config("auto"))
        self._configs = {name: self._config(name) for name in wanted}
        self._device = next(iter(self._configs.values())).torch_device()
        self._path: Path | None = None
        self._name: str | None = None
        self.config = self._find()
        """The model's configuration; None for a pipeline, whose operations are not counted."""
        self._loaded: tuple[torch.dtype, LoadedModel] | None = None
        self.limits: dict[str, dict[str, float | None]] = {}
        """Rates of products (G op/s), see :func:`wavelane.bench.limit.measure_limits`."""

    @property
    def precisions(self) -> tuple[str, ...]:
        """That are measured."""
        return tuple(self._configs)

    def run(self) -> dict[str, Any]:
        """Measure everything.

        Returns:
            what :func:`wavelane_client.load.points.make_report` takes beside the machine: ``points``, ``limits`` and
            ``work``.
        """
        if self._settings.limits:
            self.measure_limit()
        points: list[Point] = []
        for lookahead in self._settings.lookaheads:
            measured = self.saturated(lookahead)
            points += measured
            if self._settings.paced:
                fastest = max(measured, key=lambda point: point.streams)
                points += [self.paced(lookahead, fastest.precision, 1), *self.capacity(lookahead, fastest)]
        return {"points": points, "limits": self.limits, "work": self.work()}

    def machine(self) -> dict[str, Any]:
        """Of the report."""
        found = describe_machine() | {"instruction_sets": list(instruction_sets()), "torch": torch.__version__}
        if self._device.type == "cuda":
            found["gpu"] = torch.cuda.get_device_name(self._device)
        return found

    def measure_limit(self) -> None:
        """How fast products of this model's shapes can be here."""
        if self.config is None:
            return
        work = work_of(self.config, self.config.default_lookahead)
        self.limits = measure_limits(shapes_of(work.gemms, 32, ENCODER), self._device)
        self._say(f"limit (G op/s): {self.limits}")

    def work(self) -> dict[str, Any] | None:
        """Operations and bytes of a step, for each lookahead."""
        if self.config is None:
            return None
        return {
            str(lookahead): _described(work_of(self.config, lookahead), self._settings.batches)
            for lookahead in self._settings.lookaheads
        }

    def saturated(self, lookahead: int) -> list[Point]:
        """Throughput in each precision and batch."""
        points = []
        for precision in self._configs:
            for batch in self._settings.batches:
                points.append(self.throughput(lookahead, precision, batch))
        return points

    def throughput(self, lookahead: int, precision: str, batch: int) -> Point:
        """One saturated point, with its share of the limit."""
        point = measure_saturated(
            self._model(precision),
            self._configs[precision],
            self._streams,
            engine_name=NAME,
            lookahead=lookahead,
            batch=batch,
            seconds=self._settings.seconds,
        )
        point = replace(point, details=dict(point.details) | self._of_limit(point))
        self._say(_line(point))
        return point

    def capacity(self, lookahead: int, throughput: Point) -> list[Point]:
        """The most streams in real time: every number of streams that was tried."""
        points: list[Point] = []

        async def measure(count: int) -> Stage:
            point = self.paced(lookahead, throughput.precision, count)
            points.append(point)
            p95 = point.latency["p95_ms"]
            return Stage(count, point.in_time, f"p95 of chunk to result {p95} ms of {point.chunk_ms:g} ms")

        most = max(1, int(SEARCH_FACTOR * throughput.streams))
        first = max(1, int(0.7 * throughput.streams))

        async def search() -> None:
            found = await find_max(measure, first=first, limit=most, resolution=self._settings.resolution)
            for share in self._settings.curve:
                await measure(max(1, int(share * found.sessions)))

        asyncio.run(search())
        return points

    def paced(self, lookahead: int, precision: str, count: int) -> Point:
        """So many streams in real time."""
        point = measure_paced(
            self._model(precision),
            self._configs[precision],
            self._streams,
            engine_name=NAME,
            lookahead=lookahead,
            count=count,
            seconds=self._settings.seconds,
        )
        self._say(_line(point))
        return point

    def _config(self, precision: str) -> EngineConfig:
        try:
            return EngineConfig.model_validate(self._settings.engine | {"precision": precision})
        except ValueError as error:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the engine cannot be set like this: {error}") from None

    def _find(self) -> ModelConfig | None:
        """Locate the model, and check the lookaheads against its configuration."""
        wanted = self._settings.model
        if wanted.startswith(PREFIX):
            config: ModelConfig | None = shape_config(wanted.removeprefix(PREFIX))
        else:
            located = locate(ModelSettings(path=wanted))
            self._path, self._name = located.path, located.name
            config = None if wanted in PIPELINES else read_config(located.path, name=located.name)
        if config is not None and (unknown := set(self._settings.lookaheads) - set(config.lookaheads)):
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"{config.name} has no lookahead {min(unknown)}; choose from {', '.join(map(str, config.lookaheads))}",
            )
        return config

    def _model(self, precision: str) -> LoadedModel:
        """Load the model, forgetting one of another dtype: two large ones need not fit."""
        config = self._configs[precision]
        device, dtype = config.torch_device(), config.torch_dtype()
        if self._loaded is None or self._loaded[0] != dtype:
            self._loaded = None
            if self._path is None:
                model = shape_model(self._settings.model.removeprefix(PREFIX), device=device, dtype=dtype)
            else:
                model = load_model(self._path, device=device, dtype=dtype, name=self._name)
            self._loaded = (dtype, model)
        return self._loaded[1]

    def _of_limit(self, point: Point) -> dict[str, Any]:
        """What a saturated point reaches of the limit."""
        if self.config is None or point.lookahead is None or point.chunk_ms is None:
            return {}
        work = work_of(self.config, point.lookahead)
        steps = point.streams / (point.chunk_ms / 1000)
        gops = work.total * steps / 1e9
        found: dict[str, Any] = {
            "gops": round(gops, 3),
            "gbytes": round(work.bytes_moved(point.batch or 1, point.precision) * steps / (point.batch or 1) / 1e9, 2),
        }
        limit = self.limits.get(point.precision, {}).get("model_all")
        if limit:
            found["share"] = round(gops / limit, 4)
            breakdown = point.details["breakdown"] or {}
            encoder = [breakdown.get(part, 0.0) for part in (*ENCODER, "subsampling", "encoder")]
            if sum(encoder):
                inside = sum(work.operations[part] for part in (*ENCODER, "subsampling"))
                rows, workers = point.details["rows_per_step"], point.details["workers"]
                found["encoder_share"] = round(inside * rows * workers / (sum(encoder) / 1000) / 1e9 / limit, 4)
        return found


def _described(work: Work, batches: Sequence[int]) -> dict[str, Any]:
    return {
        "operations": work.operations,
        "operations_total": work.total,
        "operations_with_weights": work.weighted,
        "bytes_per_step": {
            precision: {str(batch): work.bytes_moved(batch, precision) for batch in batches}
            for precision in ("fp32", "bf16", "int8")
        },
    }


def _line(point: Point) -> str:
    load = f"batch {point.batch}" if point.batch else f"{point.streams:.0f} streams in real time"
    streams = f"{point.streams:.1f} streams, " if point.batch else ""
    disturbed = f"; OTHERS USED {point.foreign_cores} CORES" if point.disturbed else ""
    return (
        f"{point.model} {point.precision}, lookahead {point.lookahead}, {load}: {streams}"
        f"p50 {point.latency['p50_ms']} ms, p95 {point.latency['p95_ms']} ms of {point.chunk_ms:g} ms{disturbed}"
    )
