"""Augmentation of log-mels, cheap enough to be new in every epoch (below 5 % of a training step).

Everything but the masks is done on power, where sounds add: noise at a signal-to-noise ratio, the decaying energy of a
room, an equaliser, a narrow band, gain. Speed is a resampling in time, the length of the vocal tract (Jaitly and
Hinton, 2013) one of the mel axis; masks are those of SpecAugment (arXiv:1904.08779).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wavelane_training.store import Mels

_FRAMES_PER_SECOND = 100


@dataclass(frozen=True, slots=True)
class Strength:
    """How often and how strongly; the defaults suit a small model that sees little audio."""

    speed: tuple[float, float] = (0.95, 1.15)
    warp: float = 0.06
    """Largest shift of the mel axis, as a part of it."""
    warped: float = 0.5
    """Part of the utterances whose mel axis is warped."""
    room: float = 0.15
    coloured: float = 0.3
    narrow: float = 0.06
    """Part without what is above 3.4 to 5 kHz."""
    noisy: float = 0.35
    snr: tuple[float, float] = (6.0, 30.0)
    """dB"""
    gain: tuple[float, float] = (-24.0, 3.0)
    """dB"""
    lead: tuple[int, int] = (5, 30)
    """Frames of silence before the speech."""
    tail: tuple[int, int] = (0, 35)
    mel_mask: int = 10
    """Widest mask, mels."""
    mel_masks: int = 1
    time_mask: int = 14
    """Widest mask, frames."""
    seconds_per_mask: float = 4.0
    """Of speech for each mask in time."""


class Augment:
    """Augments utterances.

    Args:
        noise: [F, mels] log-mels to draw noise from; None draws white noise only.
        guard: added to power before the logarithm by the front end.
        generator: of all randomness.
        strength: how much.
    """

    def __init__(
        self, noise: Mels | None, guard: float, generator: np.random.Generator, strength: Strength | None = None
    ) -> None:
        self._noise = noise
        self._guard = guard
        self._random = generator
        self._strength = strength or Strength()

    def __call__(self, mels: Mels, fewest: int) -> NDArray[np.float32]:
        """A variant of an utterance.

        Args:
            mels: [F, mels].
            fewest: frames that it must keep, so that the pieces of its text find room.

        Returns:
            [F', mels] float32
        """
        return self.views(mels, fewest, 1)[0]

    def views(self, mels: Mels, fewest: int, count: int) -> list[NDArray[np.float32]]:
        """``count`` variants whose frames stand for the same moments: speed and the silence around are common."""
        random, strength = self._random, self._strength
        mels = stretch(mels, max(1, min(int(len(mels) / random.uniform(*strength.speed)), len(mels) * 2)), fewest)
        lead, tail = (int(random.integers(*bounds)) for bounds in (strength.lead, strength.tail))
        return [self._view(mels, lead, tail) for _ in range(count)]

    def _view(self, mels: Mels, lead: int, tail: int) -> NDArray[np.float32]:
        random, strength = self._random, self._strength
        if random.random() < strength.warped:
            mels = warp(mels, 1 + random.uniform(-strength.warp, strength.warp))
        power = np.zeros((lead + len(mels) + tail, mels.shape[1]), np.float32)
        power[lead : lead + len(mels)] = np.exp(mels)
        loudest = float(power.max())
        if random.random() < strength.room:
            power = reverberate(power, random.uniform(0.1, 0.6), random.uniform(0.02, 0.3))
        if random.random() < strength.coloured:
            power *= self._equaliser(mels.shape[1])
        if random.random() < strength.narrow:
            power[:, int(mels.shape[1] * random.uniform(0.7, 0.87)) :] *= 1e-3
        power += self._noise_for(power)
        power *= 10 ** (random.uniform(*strength.gain) / 10) * loudest / max(float(power.max()), 1e-9)
        return self._masked(np.log(power + self._guard))

    def _equaliser(self, n_mels: int) -> NDArray[np.float32]:
        knots = np.linspace(0, n_mels - 1, 5)
        return np.exp(np.interp(np.arange(n_mels), knots, self._random.uniform(-1.2, 1.2, 5))).astype(np.float32)

    def _noise_for(self, power: NDArray[np.float32]) -> NDArray[np.float32]:
        random = self._random
        if self._noise is not None and len(self._noise) > len(power) and random.random() < self._strength.noisy:
            start = int(random.integers(len(self._noise) - len(power)))
            noise = np.exp(self._noise[start : start + len(power)].astype(np.float32))
            if random.random() < 0.3:  # steady noise of the same colour
                noise = noise.mean(0, keepdims=True) * random.gamma(6, 1 / 6, power.shape).astype(np.float32)
            ratio = random.uniform(*self._strength.snr)
        else:
            noise = random.gamma(4, 1 / 4, power.shape).astype(np.float32)
            ratio = random.uniform(30.0, 55.0)
        return noise * np.float32(power.mean() / max(float(noise.mean()), 1e-9) * 10 ** (-ratio / 10))

    def _masked(self, mels: NDArray[np.float32]) -> NDArray[np.float32]:
        random, strength = self._random, self._strength
        frames, n_mels = mels.shape
        for _ in range(strength.mel_masks):
            width = int(random.integers(strength.mel_mask))
            start = int(random.integers(n_mels - width))
            mels[:, start : start + width] = 0.0
        for _ in range(max(1, int(frames / (strength.seconds_per_mask * _FRAMES_PER_SECOND)))):
            length = int(random.integers(max(1, min(strength.time_mask, frames // 6))))
            start = int(random.integers(frames - length))
            mels[start : start + length] = 0.0
        return mels


def stretch(mels: Mels, frames: int, fewest: int = 1) -> Mels:
    """[F, mels] to ``frames`` frames by linear interpolation; as it is where they would be fewer than ``fewest``."""
    if len(mels) < 2 or frames < fewest or frames == len(mels):
        return mels
    at = np.linspace(0, len(mels) - 1, frames)
    before = np.minimum(at.astype(np.int64), len(mels) - 2)
    part = (at - before).astype(np.float32)[:, None]
    return np.asarray(mels[before] * (1 - part) + mels[before + 1] * part)


def warp(mels: Mels, factor: float) -> Mels:
    """Stretch the lower three quarters of the mel axis by ``factor``, and the rest so that its end stays."""
    n_mels = mels.shape[1]
    knee = 0.75 * n_mels
    at = np.interp(np.arange(n_mels), [0.0, knee, n_mels - 1], [0.0, knee * factor, n_mels - 1])
    before = np.minimum(at.astype(np.int64), n_mels - 2)
    part = (at - before).astype(np.float32)
    return np.asarray(mels[:, before] * (1 - part) + mels[:, before + 1] * part)


def reverberate(power: NDArray[np.float32], seconds: float, wet: float) -> NDArray[np.float32]:
    """Add the late energy of a room: it falls by 60 dB in ``seconds``, and begins 20 ms after the sound.

    Args:
        power: [F, mels].
        seconds: reverberation time.
        wet: energy of the tail of a sound, as a part of the sound's.
    """
    decay = np.float32(10 ** (-6 / (seconds * _FRAMES_PER_SECOND)))
    tail = np.zeros_like(power)
    for frame in range(2, len(power)):
        tail[frame] = decay * tail[frame - 1] + np.float32(wet) * (1 - decay) * power[frame - 2]
    return power + tail
