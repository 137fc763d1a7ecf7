"""Features of windows are those of the whole file."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from wavelane.audio.framer import Framer
from wavelane.frontend.mel import LogMel, mel_filters
from wavelane.spec import FeatureSpec

NEMO = FeatureSpec(n_mels=80)
HUGGING_FACE = FeatureSpec(n_mels=128, closing_frame=False)


def whole_file(samples: NDArray[np.float32], spec: FeatureSpec) -> Tensor:
    """The reference's computation over a whole file, [frames, n_mels]."""
    signal = torch.from_numpy(samples)
    if spec.preemphasis is not None:
        signal = torch.cat((signal[:1], signal[1:] - spec.preemphasis * signal[:-1]))
    window = torch.hann_window(spec.window, periodic=False)
    spectrum = torch.stft(
        signal, spec.n_fft, spec.hop, spec.window, window, center=True, pad_mode="constant", return_complex=True
    )
    filters = torch.from_numpy(mel_filters(spec.n_mels, spec.n_fft, spec.sample_rate))
    features = torch.log(spectrum.abs().square().T @ filters + spec.log_guard)
    counted = len(samples) // spec.hop
    return torch.cat((features[:counted], torch.zeros(1, spec.n_mels))) if spec.closing_frame else features[:counted]


def streamed(samples: NDArray[np.float32], spec: FeatureSpec, lookahead: int) -> Tensor:
    """The same, window by window as it is served."""
    front_end = LogMel(spec)
    framer = Framer(spec, subsampling=8, lookahead=lookahead)
    windows = [*framer.push(samples), *framer.finish()]
    rows = []
    for number, window in enumerate(windows):
        features = front_end(
            torch.from_numpy(window.samples).unsqueeze(0),
            torch.tensor([window.frames]),
            torch.tensor([window.start]),
            torch.tensor([number == len(windows) - 1]),
        )
        first = 7 if window.start else 0
        rows.append(features[0, first : first + window.frames])
        assert not features[0, :first].any()
        assert not features[0, first + window.frames :].any()
    return torch.cat(rows) if rows else torch.zeros(0, spec.n_mels)


def speech(count: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    time = np.arange(count) / 16_000
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 20))
    return (0.2 * tone * np.sin(2 * np.pi * 1.7 * time) + 0.01 * rng.standard_normal(count)).astype(np.float32)


@given(
    count=st.integers(1, 9_000), lookahead=st.sampled_from([0, 1, 6, 13]), spec=st.sampled_from([NEMO, HUGGING_FACE])
)
@settings(max_examples=60, deadline=None)
def test_windows_give_the_frames_of_the_whole_file(count: int, lookahead: int, spec: FeatureSpec) -> None:
    samples = speech(count)
    expected, found = whole_file(samples, spec), streamed(samples, spec, lookahead)
    assert found.shape == expected.shape == (spec.total_frames(count), spec.n_mels)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("residue", range(0, 160, 13))
def test_the_end_of_a_loud_file_is_no_step(residue: int) -> None:
    samples = np.full(4_000 + residue, 0.9, np.float32)
    torch.testing.assert_close(streamed(samples, NEMO, 1), whole_file(samples, NEMO), atol=1e-4, rtol=0)


def test_a_frame_depends_on_nothing_outside_its_window() -> None:
    front_end, rng = LogMel(NEMO), np.random.default_rng(0)
    samples = torch.from_numpy(rng.standard_normal((1, NEMO.window_samples(3))).astype(np.float32))
    features = front_end.frames(samples)
    first_of_second = NEMO.hop
    changed = samples.clone()
    changed[:, :first_of_second] = 5.0
    torch.testing.assert_close(front_end.frames(changed)[:, 1:], features[:, 1:])
    alone = front_end.frames(samples[:, first_of_second : first_of_second + NEMO.left + NEMO.right])
    torch.testing.assert_close(alone[:, 0], features[:, 1])


def test_rows_of_a_batch_do_not_meet() -> None:
    front_end = LogMel(NEMO)
    samples = torch.from_numpy(np.stack([speech(NEMO.window_samples(16), seed) for seed in range(4)]))
    frames = torch.tensor([16, 9, 3, 16])
    start = torch.tensor([False, True, False, False])
    last = torch.tensor([False, False, True, True])
    together = front_end(samples, frames, start, last)
    for row in range(4):
        one = slice(row, row + 1)
        torch.testing.assert_close(together[one], front_end(samples[one], frames[one], start[one], last[one]))
    assert together[3, 14].any(), "only the closing frame is zero"
    assert not together[3, 15].any()


def test_features_without_preemphasis() -> None:
    spec = FeatureSpec(n_mels=80, preemphasis=None)
    samples = speech(2_000)
    torch.testing.assert_close(streamed(samples, spec, 0), whole_file(samples, spec), atol=1e-4, rtol=0)


def test_digital_silence_is_the_guard() -> None:
    features = LogMel(NEMO).frames(torch.zeros(1, NEMO.window_samples(2)))
    torch.testing.assert_close(features, torch.full((1, 2, 80), float(np.log(2.0**-24))))


def test_mel_filters_have_unit_area_and_cover_the_band() -> None:
    filters = mel_filters(40, 512, 16_000)
    assert filters.shape == (257, 40)
    assert (filters >= 0).all()
    np.testing.assert_allclose(filters.sum(axis=0) * 16_000 / 512, 1.0, rtol=0.15)
    peaks = filters.argmax(axis=0)
    assert (np.diff(peaks) > 0).all()
    assert (filters.sum(axis=1)[1:-1] > 0).all()
