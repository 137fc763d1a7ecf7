"""Recordings and manifests: what prepares, synthesises and evaluates reads them alike."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from wavelane.work import Samples

PEAK = 0.6
"""Of a recording that was trimmed."""
_QUIET = 0.02
"""Of the peak: what is below it at the ends is cut."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A line of a manifest."""

    path: Path
    text: str
    corpus: str
    speaker: str
    seconds: float


def read_manifests(manifests: Iterable[Path]) -> Iterator[Recording]:
    """The lines that have a text."""
    for manifest in manifests:
        for line in map(json.loads, manifest.read_text(encoding="utf-8").splitlines()):
            if line.get("text"):
                yield Recording(
                    manifest.parent / line["audio_filepath"],
                    normalise(line["text"]),
                    line.get("corpus", manifest.stem),
                    str(line.get("speaker", "")),
                    float(line.get("duration", 0.0)),
                )


def read_audio(path: Path | BinaryIO, rate: int = 16_000) -> Samples:
    """Decode any audio file, or an open one, to mono float32 samples at ``rate``."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
    with av.open(str(path) if isinstance(path, Path) else path, "r") as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames.extend(resampler.resample(None))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def normalise(text: str) -> str:
    """Lower case, letters, digits and apostrophes only."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())


def trim(samples: Samples, rate: int) -> Samples:
    """Cut silence at the ends and bring the peak to 0.6."""
    loudness = np.abs(samples)
    heard = np.flatnonzero(loudness > max(_QUIET * float(loudness.max(initial=0.0)), 1e-4))
    if not len(heard):
        return samples
    cut = samples[max(0, int(heard[0]) - rate // 10) : int(heard[-1]) + rate // 5]
    return (cut * (PEAK / max(float(np.abs(cut).max()), 1e-3))).astype(np.float32)
