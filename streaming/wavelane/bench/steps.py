"""Where the time of a step goes."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wavelane.engine import Engine, EngineConfig, StepReport
from wavelane.engine.backend import Backend
from wavelane.model.base import LoadedModel

PARTS = ("features", "subsampling", "feed_forward", "attention", "convolution", "encoder", "decoder", "host")
"""Parts that a runner may time, in the order of a step; one that times the encoder as a whole says ``encoder``."""


@dataclass(slots=True)
class PartTimer:
    """Times features, encoder and decoder of a model from outside, on a CPU, where each is done when it returns."""

    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def around(self, model: LoadedModel) -> LoadedModel:
        """The same model with its parts timed."""
        return replace(
            model,
            front_end=self._timed("features", model.front_end),
            encoder=_Stepping(model.encoder, self._timed("encoder", model.encoder.step)),
            decoders={
                name: _Stepping(decoder, self._timed("decoder", decoder.step))
                for name, decoder in model.decoders.items()
            },
        )

    def _timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            begin = time.perf_counter()
            result = function(*arguments)
            took = time.perf_counter() - begin
            with self._lock:
                self.seconds[part] += took
            return result

        return timed


class _Stepping:
    """A part of a model whose ``step`` is another function."""

    def __init__(self, part: Any, step: Callable[..., Any]) -> None:
        self._part = part
        self.step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._part, name)


def timer_for(backend: Backend, config: EngineConfig) -> PartTimer | None:
    """A timer, where the engine calls the model's parts one by one on a CPU."""
    return PartTimer() if backend == "torch" and config.torch_device().type == "cpu" else None


@dataclass(frozen=True, slots=True)
class StepTimes:
    """What is known of the time of an engine's steps up to a moment."""

    shares: Mapping[str, float]
    """Seconds spent in each part since the start; empty where nothing times them."""

    @classmethod
    def of(cls, engine: Engine, timer: PartTimer | None) -> "StepTimes":
        """What an engine says of itself, or else what the timer around its model says."""
        return cls(dict(engine.shares) or ({} if timer is None else dict(timer.seconds)))

    def breakdown(
        self, before: "StepTimes", reports: Sequence[StepReport], worker_seconds: float
    ) -> dict[str, float] | None:
        """Milliseconds of the mean step in each part, in the order of :data:`PARTS`.

        ``host`` is what a step takes beside the other parts, and ``waiting`` the rest of a worker's time.

        Args:
            before: what was known at the beginning.
            reports: of the steps since then.
            worker_seconds: time of all workers together.

        Returns:
            None where nothing times the parts.
        """
        if not self.shares or not reports:
            return None
        spent = {part: self.shares[part] - before.shares.get(part, 0.0) for part in PARTS if part in self.shares}
        if "host" not in spent:
            spent["host"] = max(0.0, sum(report.step_s for report in reports) - sum(spent.values()))
        spent["waiting"] = max(0.0, worker_seconds - sum(spent.values()))
        return {part: round(1000 * seconds / len(reports), 3) for part, seconds in spent.items()}
