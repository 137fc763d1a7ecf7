import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.audio.resample import Resampler

RATES = [8_000, 11_025, 12_347, 22_050, 24_000, 32_000, 44_100, 48_000, 95_999, 96_000]


def resample(rate, audio, sizes):
    resampler = Resampler(rate)
    parts, at = [], 0
    for size in sizes:
        parts.append(resampler.push(audio[at : at + size]))
        at += size
    parts += [resampler.push(audio[at:]), resampler.flush()]
    return np.concatenate(parts)


def sine(rate, count, pitch, start=0):
    return np.sin(2 * np.pi * pitch * (np.arange(count) + start) / rate).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
def test_any_split_gives_the_same_samples(rate):
    audio = np.random.default_rng(1).standard_normal(rate // 4).astype(np.float32) * 0.1
    whole = resample(rate, audio, [])
    assert np.array_equal(whole, resample(rate, audio, [1] * 3000))
    assert np.array_equal(whole, resample(rate, audio, [0, 17, rate // 50, 0, 333, 1, 1, rate // 100] * 4))


@given(rate=st.integers(8_000, 96_000), count=st.integers(1, 3000), sizes=st.lists(st.integers(0, 700), max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_rate_any_split(rate, count, sizes):
    audio = np.random.default_rng(count).standard_normal(count).astype(np.float32) * 0.1
    whole = resample(rate, audio, [])
    assert np.array_equal(whole, resample(rate, audio, sizes))
    assert len(whole) == round(count * 16_000 / rate)


@pytest.mark.parametrize("rate", RATES)
def test_samples_keep_their_time(rate):
    """Amplitude and phase of a tone, so neither delay nor gain."""
    output = resample(rate, sine(rate, rate * 2, 1_000), [])
    assert len(output) == 32_000
    middle = slice(1_000, 31_000)
    assert np.abs(output - sine(16_000, 32_000, 1_000))[middle].max() < 1e-3


@pytest.mark.parametrize("rate", [44_100, 12_347])
def test_no_drift_over_an_hour(rate):
    """A tone in a minute of blocks at the start and after an hour of silence: the phase must be the same."""
    resampler = Resampler(rate)
    silence = np.zeros(rate * 60, np.float32)
    given = sum(len(resampler.push(silence)) for _ in range(60))
    start = rate * 3_600
    output = resampler.push(sine(rate, rate, 500, start))
    tone = sine(16_000, len(output), 500, given)
    middle = slice(2_000, 14_000)
    assert np.abs(output - tone)[middle].max() < 2e-3


@pytest.mark.parametrize(
    ("rate", "milliseconds"), [(8_000, 4.1), (11_025, 3.0), (22_050, 2.2), (44_100, 2.2), (48_000, 2.2)]
)
def test_latency(rate, milliseconds):
    """How much of a live stream is held back, blocks of 10 ms."""
    resampler = Resampler(rate)
    block = np.zeros(rate // 100, np.float32)
    taken = given = 0
    for _ in range(200):
        given += len(resampler.push(block))
        taken += len(block)
        if taken > rate // 2:
            assert (taken / rate - given / 16_000) * 1_000 <= milliseconds


def test_aliases_are_kept_out():
    for pitch in (9_000, 12_000, 20_000):
        output = resample(48_000, sine(48_000, 48_000, pitch), [])
        assert np.abs(output[2_000:14_000]).max() < 1e-4
    passband = resample(48_000, sine(48_000, 48_000, 7_000), [])
    assert np.abs(passband[2_000:14_000]).max() == pytest.approx(1.0, abs=0.01)


def test_the_same_rate_passes_untouched():
    resampler = Resampler(16_000)
    audio = np.ones(5, np.float32)
    assert resampler.push(audio) is audio
    assert len(resampler.flush()) == 0


def test_a_flush_gives_the_tail_and_the_clock_runs_on():
    resampler = Resampler(44_100)
    total_in = total_out = 0
    generator = np.random.default_rng(3)
    for count in generator.integers(1, 5_000, 60).tolist():
        total_in += count
        total_out += len(resampler.push(np.ones(count, np.float32))) + len(resampler.flush())
        assert total_out == round(total_in * 16_000 / 44_100)
    assert len(resampler.flush()) == 0


def test_after_a_flush_the_past_is_forgotten():
    resampler = Resampler(48_000)
    resampler.push(np.ones(4_800, np.float32))
    resampler.flush()
    fresh = np.concatenate((resampler.push(np.zeros(4_800, np.float32)), resampler.flush()))
    assert not fresh.any()


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="counts threads in /proc")  # noqa: PTH112
def test_no_threads_are_started():
    before = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    resamplers = [Resampler(48_000) for _ in range(20)]
    for resampler in resamplers:
        resampler.push(np.zeros(480, np.float32))
    assert len(os.listdir("/proc/self/task")) == before  # noqa: PTH208
