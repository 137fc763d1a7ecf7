"""The golden fixtures: checkpoints, the audio they streamed and what the reference implementations gave."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model

DATA = Path(__file__).parent.parent / "data"
GOLDEN = DATA / "golden"
MORE = DATA / "golden_more"


@dataclass(frozen=True)
class Golden:
    """One reference file with what belongs to it."""

    reference: Path

    @property
    def _parts(self) -> tuple[str, int]:
        match = re.fullmatch(r"(.*)\.L(\d+)", self.reference.stem)
        assert match
        return match[1], int(match[2])

    @property
    def lookahead(self) -> int:
        return self._parts[1]

    @property
    def checkpoint(self) -> Path:
        archive = self.reference.parent / f"{self._parts[0]}.nemo"
        return archive if archive.exists() else self.reference.parent / self._parts[0]

    @property
    def wav(self) -> Path:
        own = self.reference.parent / f"{self._parts[0]}.wav"
        return own if own.exists() else self.reference.parent / "golden.wav"

    def __str__(self) -> str:
        return self.reference.stem


ALL = tuple(Golden(path) for folder in (GOLDEN, MORE) for path in sorted(folder.glob("*.npz")))
CHECKPOINTS = tuple(sorted({golden.checkpoint for golden in ALL}))


@cache
def loaded(checkpoint: Path) -> LoadedModel:
    """A checkpoint in float32, loaded once for all tests (models hold no state)."""
    return load_model(checkpoint)


@cache
def golden_samples() -> NDArray[np.float32]:
    """``golden.wav``, 11.36 s."""
    with av.open(str(GOLDEN / "golden.wav")) as container:
        frames = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return (np.concatenate(frames) / 32768).astype(np.float32)
