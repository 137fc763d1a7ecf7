"""Checkpoints of a run: the last one with the optimiser's state, to go on from, and earlier weights, to average."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from wavelane.model.checkpoint.native import load_native, save_native
from wavelane.model.config import ModelConfig
from wavelane.model.embedded import EMBEDDED, embedded_path
from wavelane.model.weights import Weights

LAST = "last.pt"


@dataclass(slots=True)
class Checkpoint:
    """Everything that a run needs to go on."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    """Empty before the first step."""
    optimiser: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    hours: float = 0.0
    """Of audio heard in this run, by all workers."""
    loss: float = 0.0
    """Of a piece, a running mean."""


class Checkpoints:
    """The checkpoints in the folder of a run.

    Args:
        run: the folder.
        config: of the model.
        period: seconds between checkpoints.
    """

    def __init__(self, run: Path, config: ModelConfig, period: float) -> None:
        self._run, self._config, self._period = run, config, period
        self._saved = time.monotonic()

    def last(self) -> Checkpoint | None:
        """To go on from; None in a new run."""
        path = self._run / LAST
        return Checkpoint(**torch.load(path, map_location="cpu", weights_only=True)) if path.exists() else None

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return time.monotonic() - self._saved >= self._period

    def save(self, state: Checkpoint) -> None:
        """Replace the last checkpoint, and keep its weights as a native folder beside it."""
        partial = self._run / f"{LAST}.part"
        torch.save(asdict(state), partial)
        partial.replace(self._run / LAST)
        save_native(self._config, Weights.of(state.weights), self._run / f"step-{state.step:07d}")
        self._saved = time.monotonic()


def starting_point(base: str) -> tuple[ModelConfig, dict[str, Tensor]]:
    """Configuration and weights of an embedded model or of a native folder.

    Word times and confidences that were fitted to it are left out: they are not those of weights that will change.
    """
    config, weights = load_native(embedded_path(base) if base in EMBEDDED else Path(base))
    return replace(config, words=()), {name: weights.read(name) for name in weights.names()}


def averaged(models: Iterable[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Mean of the weights of some checkpoints, in float32.

    Raises:
        ValueError: there is none.
    """
    total: dict[str, Tensor] = {}
    count = 0
    for model in models:
        count += 1
        for name, value in model.items():
            total[name] = total[name] + value.float() if name in total else value.float()
    if not count:
        raise ValueError("there is no checkpoint to average")
    return {name: value / count for name, value in total.items()}
