import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane_training.augment import Augment, Strength, reverberate, stretch, warp

GUARD = 2.0**-24
STILL = Strength(
    speed=(1.0, 1.0),
    warped=0.0,
    room=0.0,
    coloured=0.0,
    narrow=0.0,
    noisy=0.0,
    gain=(0.0, 0.0),
    lead=(3, 4),
    tail=(5, 6),
    mel_mask=1,
    time_mask=1,
)


def speech(frames: int, seed: int = 0) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(-4, 2, (frames, 80)).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(frames=st.integers(12, 400), pieces=st.integers(1, 40), seed=st.integers(0, 1000))
def test_variants_are_finite_and_long_enough(frames: int, pieces: int, seed: int) -> None:
    fewest = min(frames, 8 * pieces)
    augment = Augment(speech(2_000, 1), GUARD, np.random.default_rng(seed))
    heard = augment(speech(frames), fewest)
    assert np.isfinite(heard).all()
    assert heard.dtype == np.float32
    assert fewest <= len(heard) <= frames / 0.95 + 65


def test_at_rest_it_adds_silence_and_a_trace_of_noise() -> None:
    mels = speech(100)
    heard = Augment(None, GUARD, np.random.default_rng(0), STILL)(mels, 1)
    assert len(heard) == 3 + 100 + 5
    assert np.abs(heard[3:103] - mels)[mels > -1].max() < 0.1
    assert heard[:3].max() < mels.mean() - 1


def test_views_of_an_utterance_have_the_same_frames_and_differ() -> None:
    augment = Augment(speech(2_000, 1), GUARD, np.random.default_rng(0))
    one, two = augment.views(speech(200), 1, 2)
    assert one.shape == two.shape
    assert np.abs(one - two).mean() > 0.1


def test_noise_comes_at_the_ratio_asked_for() -> None:
    mels, noise = np.zeros((500, 80), np.float32), np.full((2_000, 80), math.log(3.0), np.float32)
    strength = Strength(**{**{f: getattr(STILL, f) for f in STILL.__dataclass_fields__}, "noisy": 1.0, "snr": (10, 10)})
    heard = Augment(noise, GUARD, np.random.default_rng(2), strength)(mels, 1)
    # Gain keeps the loudest frame where it was: compare frames with and without speech.
    ratio = np.exp(heard[10:490]).mean() / np.exp(heard[:3]).mean()
    assert ratio == pytest.approx(1 + 10 * 508 / 500, rel=0.1)


def test_stretch_keeps_the_ends_and_the_room_for_the_text() -> None:
    mels = speech(50)
    longer = stretch(mels, 80)
    assert longer.shape == (80, 80)
    np.testing.assert_allclose(longer[[0, -1]], mels[[0, -1]], atol=1e-5)
    assert stretch(mels, 30, fewest=31) is mels


def test_warp_moves_formants_up_and_down() -> None:
    mels = np.zeros((1, 80), np.float32)
    mels[0, 40] = 1.0
    assert int(warp(mels, 1.1).argmax()) < 40 < int(warp(mels, 0.9).argmax())
    np.testing.assert_allclose(warp(speech(5), 1.0), speech(5), atol=1e-4)


def test_a_room_decays_by_60_db_in_its_time() -> None:
    power = np.zeros((200, 1), np.float32)
    power[0] = 1.0
    tail = reverberate(power, 0.5, 0.2)[:, 0]
    assert tail[0] == 1.0
    assert 10 * math.log10(tail[60] / tail[10]) == pytest.approx(-60, abs=0.5)
    assert tail[1:].sum() == pytest.approx(0.2, rel=0.01)
