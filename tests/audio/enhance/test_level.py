"""What is measured of a hop, by the compiled way and by the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.audio.enhance import level
from wavelane.audio.enhance.chain import FrontEnd
from wavelane.audio.enhance.level import HOP, QUIETEST, measure, measure_int16
from wavelane.audio.enhance.options import AudioOptions
from wavelane.audio.pcm import int16_samples
from wavelane.native.levels import open_levels

needs_compiler = pytest.mark.skipif(open_levels() is None, reason="the library was not compiled")


@st.composite
def hops(draw) -> bytes:
    """16-bit audio of any level and offset, clipped where it passes full scale."""
    noise = np.random.default_rng(draw(st.integers(0, 2**32))).standard_normal(HOP)
    audio = noise * 10 ** draw(st.floats(-1, 5.5)) + draw(st.integers(-40_000, 40_000))
    return audio.clip(-32_768, 32_767).astype("<i2").tobytes()


@needs_compiler
@given(hops())
def test_the_compiled_measurement_gives_the_same_bits(data):
    assert measure_int16(data) == measure(int16_samples(data))


@needs_compiler
@pytest.mark.parametrize("value", [-32_768, -32_113, -32_112, 0, 32_112, 32_113, 32_767])
def test_so_at_the_edges(value):
    data = np.full(HOP, value, "<i2").tobytes()
    assert measure_int16(data) == measure(int16_samples(data))
    assert measure_int16(data).clipped == (HOP if abs(value) >= 32_113 else 0)


@needs_compiler
def test_sums_pass_neither_32_bits_nor_a_block():
    sums = open_levels()
    assert sums is not None
    assert sums(b"\x00\x80" * 70_000, 70_000, 32_113) == [-(70_000 << 15), 70_000 << 30, 70_000]


def test_without_a_compiler_the_numbers_are_the_same(monkeypatch):
    data = (np.arange(HOP) * 41 - 32_800).clip(-32_768, 32_767).astype("<i2").tobytes()
    compiled = measure_int16(data)
    monkeypatch.setattr(level, "_levels", None)
    assert measure_int16(data) == compiled


def test_levels():
    square = np.tile(np.float32([0.5, -0.5]), HOP // 2)
    assert measure(square) == pytest.approx((-6.0206, 0.0, 0), abs=1e-4)
    assert measure(square + np.float32(0.5)) == pytest.approx((-6.0206, 0.5, HOP // 2), abs=1e-4)
    assert measure(np.zeros(HOP, np.float32)) == (QUIETEST, 0.0, 0)


@given(st.lists(st.sampled_from([HOP, HOP, HOP, 320, 777]), max_size=40), st.sampled_from([-60, -45, -20, -4]))
def test_16_bits_go_through_as_floats_do(sizes, dbfs):
    rng = np.random.default_rng(len(sizes))
    loud = rng.standard_normal(sum(sizes)) * np.repeat(rng.random(sum(sizes) // HOP + 1) > 0.3, HOP)[: sum(sizes)]
    audio = (loud * 32_768 * 10 ** (dbfs / 20) + 300).clip(-32_768, 32_767).astype("<i2")
    ours, theirs = FrontEnd(AudioOptions()), FrontEnd(AudioOptions())
    for part in np.split(audio, np.cumsum(sizes)[:-1]) if sizes else []:
        data = part.tobytes()
        assert np.array_equal(ours.push(int16_samples(data), data), theirs.push(int16_samples(data)))
    assert np.array_equal(ours.flush(), theirs.flush())
    assert ours.notes == theirs.notes
