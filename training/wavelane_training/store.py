"""Log-mels on disk: one flat float16 file, mapped, and one JSON line per utterance.

Features are computed once and read many times; 100 hours take 5.8 GB. What varies from epoch to epoch is done to the
log-mels (:mod:`wavelane_training.augment`).
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from wavelane.frontend.mel import LogMel
from wavelane.spec import FeatureSpec
from wavelane.work import Samples

Mels = NDArray[np.floating]
"""[F, mels], natural logarithm of power."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Where the log-mels of one utterance lie, and what is said in it."""

    start: int
    """First frame in the store."""
    frames: int
    text: str
    corpus: str
    speaker: str


class FrontEnd:
    """Log-mels of whole utterances, as the served model hears them."""

    def __init__(self, spec: FeatureSpec) -> None:
        self._spec = spec
        self._mel = LogMel(spec)

    def __call__(self, samples: Samples) -> Mels:
        """[n] samples to [n // hop, mels] float16; the closing frame, which holds zeros, is left out."""
        spec = self._spec
        frames = len(samples) // spec.hop
        half = spec.window // 2
        padded = np.zeros(half + 1 + frames * spec.hop + half, np.float32)
        padded[half + 1 : half + 1 + len(samples)] = samples[: len(padded) - half - 1]
        with torch.inference_mode():
            mels = self._mel.frames(torch.from_numpy(padded)[None])[0, :frames]
        return mels.to(torch.float16).numpy()


class StoreWriter:
    """Writes a store; a context manager. An interrupted one leaves no index, so it is never taken for whole."""

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._position = 0
        self._utterances: list[Utterance] = []

    def __enter__(self) -> "StoreWriter":
        self._file = (self._path / "mels.f16").open("wb")
        return self

    def add(self, mels: Mels, text: str, corpus: str, speaker: str) -> None:
        """Append an utterance [F, mels]."""
        self._file.write(np.ascontiguousarray(mels, np.float16).tobytes())
        self._utterances.append(Utterance(self._position, len(mels), text, corpus, speaker))
        self._position += len(mels)

    def __exit__(self, kind: object, *_: object) -> None:
        self._file.close()
        if kind is None:
            lines = (json.dumps(asdict(utterance), ensure_ascii=False) for utterance in self._utterances)
            (self._path / "index.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    @property
    def hours(self) -> float:
        """Length of what was added, for hops of 10 ms."""
        return self._position / 360_000


class Store:
    """Reads a store.

    Args:
        path: folder that :class:`StoreWriter` wrote.
        n_mels: of a frame.
    """

    def __init__(self, path: Path, n_mels: int) -> None:
        self.path = path
        self._mels = np.memmap(path / "mels.f16", np.float16, "r").reshape(-1, n_mels)
        self.utterances = list(_read_index(path / "index.jsonl"))

    def mels(self, utterance: Utterance) -> Mels:
        """[F, mels] float32."""
        return self._mels[utterance.start : utterance.start + utterance.frames].astype(np.float32)


def _read_index(path: Path) -> Iterator[Utterance]:
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield Utterance(**json.loads(line))
