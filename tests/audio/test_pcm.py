import struct
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.audio.pcm import FORMATS, MAX_FLOAT, PcmDecoder
from wavelane.errors import ErrorCode, WavelaneError


def decode(encoding, channels, pieces):
    decoder = PcmDecoder(encoding, channels)
    blocks = [np.zeros((channels, 0), np.float32)]
    for piece in pieces:
        blocks += decoder.feed(piece)
    decoder.finish()
    return np.concatenate(blocks, axis=1)


def cut(data, at):
    edges = [0, *sorted(at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


@pytest.mark.parametrize(
    ("encoding", "data", "expected"),
    [
        ("linear16", struct.pack("<4h", 0, 16384, -32768, 32767), [0, 0.5, -1, 32767 / 32768]),
        ("float32", struct.pack("<3f", 0.25, -1.0, 1.5), [0.25, -1, 1.5]),
        ("float64", struct.pack("<2d", 0.25, -1.0), [0.25, -1]),
        ("unsigned8", bytes([128, 0, 255]), [0, -1, 127 / 128]),
        ("linear24", bytes([0, 0, 64, 0, 0, 128, 255, 255, 127]), [0.5, -1, 1 - 2.0**-23]),
        ("linear32", struct.pack("<2i", 1 << 30, -(1 << 31)), [0.5, -1]),
        # G.711, tables 1a to 2b: the ends, the smallest steps and a middle segment.
        (
            "mulaw",
            bytes([0xFF, 0x7F, 0x80, 0x00, 0xFE, 0xEF, 0xCF]),
            [v / 8192 for v in (0, 0, 8031, -8031, 2, 33, 231)],
        ),
        ("alaw", bytes([0xD5, 0x55, 0xAA, 0x2A, 0xD4, 0xC5]), [v / 4096 for v in (1, -1, 4032, -4032, 3, 33)]),
    ],
)
def test_values(encoding, data, expected):
    assert decode(encoding, 1, [data])[0].tolist() == pytest.approx(expected, abs=1e-7)


def test_g711_is_what_ffmpeg_decodes():
    import av

    for encoding, codec in (("mulaw", "pcm_mulaw"), ("alaw", "pcm_alaw")):
        context = av.CodecContext.create(codec, "r")
        context.sample_rate, context.layout = 8000, "mono"
        (frame,) = context.decode(av.Packet(bytes(range(256))))
        ours = decode(encoding, 1, [bytes(range(256))])
        assert np.array_equal(ours, frame.to_ndarray().astype(np.float32) / 32768)


@given(
    encoding=st.sampled_from([name for name, kind in FORMATS.items() if not kind.floating]),
    channels=st.integers(1, 3),
    data=st.binary(max_size=240),
    at=st.lists(st.integers(0, 240), max_size=12),
)
def test_any_split_gives_the_same_samples(encoding, channels, data, at):
    data = data[: len(data) // 48 * 48]
    whole = decode(encoding, channels, [data])
    assert whole.shape == (channels, len(data) // (channels * FORMATS[encoding].width))
    assert np.array_equal(whole, decode(encoding, channels, cut(data, at)))
    assert np.array_equal(whole, decode(encoding, channels, [bytes([byte]) for byte in data]))


def test_channels_are_taken_apart():
    assert decode("linear16", 2, [struct.pack("<4h", 16384, 0, -16384, 8192)]).tolist() == [[0.5, -0.5], [0.0, 0.25]]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf"), 12000.0])
@pytest.mark.parametrize("piece", [1, 7, 4096])
def test_a_faulty_float_is_named_and_what_came_before_is_kept(bad, piece):
    samples = np.full((300, 2), 0.125, "<f4")
    samples[217, 1] = bad
    decoder = PcmDecoder("float32", 2)
    kept = []

    def feed_all(data):
        for at in range(0, len(data), piece):
            kept.extend(decoder.feed(data[at : at + piece]))

    with pytest.raises(WavelaneError, match=f"sample 217 is {bad:g}") as failure:
        feed_all(samples.tobytes())
    assert failure.value.code is ErrorCode.INVALID_AUDIO
    assert sum(block.shape[1] for block in kept) == 217


def test_floats_above_full_scale_are_kept():
    assert decode("float32", 1, [struct.pack("<2f", 1.25, -MAX_FLOAT)]).tolist() == [[1.25, -MAX_FLOAT]]


def test_huge_doubles_are_refused_without_a_warning():
    with pytest.raises(WavelaneError, match="sample 0 is inf"):
        decode("float64", 1, [struct.pack("<d", 1e300)])


def test_a_cut_sample_is_reported():
    decoder = PcmDecoder("linear16", 1)
    (block,) = decoder.feed(b"\0\0\1")
    assert block.shape == (1, 1)
    with pytest.raises(WavelaneError, match=r"1 byte left over, but linear16 with 1 channel has 2 bytes"):
        decoder.finish()
    decoder.finish()
