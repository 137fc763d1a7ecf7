"""An engine in this process that is fed without sockets and without a clock: what the benchmarks here share."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from queue import Queue
from types import TracebackType
from typing import Any, Self

import click

from wavelane.engine import Delivery, Engine, EngineConfig, NullObserver, StepReport
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane_client.load.corpus import BYTES_PER_SECOND, load_corpus
from wavelane_server.config import Config
from wavelane_server.loading import load_config
from wavelane_server.serve import load_model

RECORDINGS = Path(__file__).parents[1] / "tests" / "data" / "speech" / "manifest.jsonl"
"""Real speech that comes with the repository: 15 s."""
CUT_SECONDS = (1.0, 4.0)
"""Shortest and longest utterance that is cut from recordings."""


class InProcess(NullObserver):
    """A running engine whose results wait in :attr:`inbox`. A context manager.

    Args:
        config: of the engine; neither backlog nor capacity limit, since whoever feeds waits for results.
        model: on the device and in the precision that ``config`` names.
    """

    def __init__(self, config: EngineConfig, model: LoadedModel) -> None:
        # Not a SimpleQueue: in CPython 3.11 its get() may hang past a short timeout.
        self.inbox: Queue[Sequence[Delivery]] = Queue()
        """The deliveries of one step after the other."""
        self.steps: list[StepReport] = []
        """Of all steps since they were cleared last."""
        unlimited = config.model_copy(update={"max_backlog_seconds": 1e6, "capacity": "off"})
        self.engine = Engine(model, unlimited, self.inbox.put, self)

    def on_step(self, step: StepReport) -> None:
        """Keep the report."""
        self.steps.append(step)

    def __enter__(self) -> Self:
        self.engine.start()
        self.engine.warm_up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.engine.stop(drain=False)


def configure(model: str, settings: str) -> Config:
    """The server's configuration for a model and engine settings as the command line has them.

    Args:
        model: as ``wavelane serve --model`` takes it.
        settings: ``name=value,...`` of the section ``engine``; values are JSON, or words.

    Raises:
        WavelaneError: INVALID_CONFIG for a setting that there is not, or a value out of range.
    """
    flags: dict[str, object] = {"model.path": model}
    for setting in filter(None, settings.split(",")):
        name, equals, value = setting.partition("=")
        if not equals:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{setting!r}: engine settings are written name=value,...")
        try:
            flags[f"engine.{name.strip()}"] = json.loads(value)
        except ValueError:
            flags[f"engine.{name.strip()}"] = value.strip()
    return load_config(flags=flags)


def load(config: Config) -> tuple[EngineConfig, LoadedModel]:
    """What :class:`InProcess` takes, as ``wavelane serve`` would load it."""
    return config.engine, load_model(config)


def utterances(sources: Sequence[str], count: int, seed: int) -> list[bytes]:
    """Speech as mono 16-bit PCM at 16 kHz.

    Args:
        sources: manifests (``.jsonl``), folders or files of audio. None given: the recordings of the repository, cut
            into ``count`` utterances that overlap.
        count: take no more, chosen by ``seed``.
        seed: of the choice.
    """
    rng = random.Random(seed)
    if not sources:
        return cut([recording.pcm for recording in load_corpus(str(RECORDINGS), ())], count, rng)
    manifests = [source for source in sources if source.endswith(".jsonl")]
    files = [file for source in sources if source not in manifests for file in _files(Path(source))]
    recordings = [recording for manifest in manifests for recording in load_corpus(manifest, ())]
    if files:
        recordings += load_corpus(None, files)
    if len(recordings) > count:
        recordings = rng.sample(recordings, count)
    return [recording.pcm for recording in recordings]


def cut(recordings: Sequence[bytes], count: int, rng: random.Random) -> list[bytes]:
    """Pieces of recordings, each from a random place and of a random length between :data:`CUT_SECONDS`."""
    audio = b"".join(recordings)
    pieces = []
    for _ in range(count):
        size = 2 * (round(rng.uniform(*CUT_SECONDS) * BYTES_PER_SECOND) // 2)
        start = 2 * rng.randrange(max(1, (len(audio) - size) // 2 + 1))
        pieces.append(audio[start : start + size])
    return pieces


def write(report: dict[str, Any], path: str | None) -> None:
    """Write a report as JSON: to a file, or to the standard output where none is named."""
    text = json.dumps(report, indent=1)
    if path is None:
        click.echo(text)
    else:
        Path(path).write_text(text + "\n", encoding="utf-8")


def _files(path: Path) -> list[str]:
    return sorted(str(file) for file in path.rglob("*") if file.is_file()) if path.is_dir() else [str(path)]
