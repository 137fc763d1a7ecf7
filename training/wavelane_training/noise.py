"""Noise without recordings of any: voices that talk at once, steady noise of any colour, and the clatter of things.

For a domain that is learned by text alone (:mod:`wavelane_training.finetune`); where recordings of noise are at hand,
``prepare.py --noise`` makes better use of them.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wavelane_training.store import Mels

_BLOCK = 1_200
"""Frames of one kind before the next."""
_VOICES = (3, 9)
"""That talk at once."""
_STROKES = (10, 80)
"""Of clatter in a block."""
_QUIET = 1e-3
"""Power under the strokes, as a part of their loudest."""


def noise_of(speech: Sequence[Mels], frames: int, generator: np.random.Generator) -> NDArray[np.float32]:
    """Log-mels [frames, mels] of noise, its blocks alike in level.

    Args:
        speech: utterances [F, mels] that voices are taken from.
        frames: how much noise.
        generator: of all randomness.
    """
    blocks = []
    for start in range(0, frames, _BLOCK):
        kind = (_babble, _steady, _clatter)[int(generator.integers(3))]
        power = kind(speech, min(_BLOCK, frames - start), generator)
        blocks.append(power / np.maximum(power.mean(), 1e-12))
    return np.log(np.concatenate(blocks) + 1e-8).astype(np.float32)


def _babble(speech: Sequence[Mels], frames: int, generator: np.random.Generator) -> NDArray[np.float64]:
    power = np.zeros((frames, speech[0].shape[1]))
    for _ in range(int(generator.integers(*_VOICES))):
        voice: list[Mels] = []
        while sum(map(len, voice)) < frames:
            voice.append(speech[int(generator.integers(len(speech)))])
        said = np.exp(np.concatenate(voice)[:frames].astype(np.float64))
        power += said / max(float(said.mean()), 1e-12) * generator.uniform(0.2, 1.0)
    return power


def _colour(n_mels: int, generator: np.random.Generator) -> NDArray[np.float64]:
    knots = np.linspace(0, n_mels - 1, 6)
    return np.asarray(np.exp(np.interp(np.arange(n_mels), knots, generator.uniform(-3.0, 3.0, 6))))


def _steady(speech: Sequence[Mels], frames: int, generator: np.random.Generator) -> NDArray[np.float64]:
    n_mels = speech[0].shape[1]
    swell = np.interp(np.arange(frames), np.linspace(0, frames, 8), generator.uniform(0.5, 1.5, 8))
    return np.asarray(_colour(n_mels, generator) * swell[:, None] * generator.gamma(4, 1 / 4, (frames, n_mels)))


def _clatter(speech: Sequence[Mels], frames: int, generator: np.random.Generator) -> NDArray[np.float64]:
    n_mels = speech[0].shape[1]
    power = np.full((frames, n_mels), _QUIET)
    for _ in range(int(generator.integers(*_STROKES))):
        start, length = int(generator.integers(frames)), int(generator.integers(4, 40))
        ring = np.exp(-np.arange(length) / (length / 5))[: frames - start, None]
        power[start : start + length] += generator.uniform(0.1, 1.0) * ring * _colour(n_mels, generator)
    return np.asarray(power * generator.gamma(4, 1 / 4, power.shape))
