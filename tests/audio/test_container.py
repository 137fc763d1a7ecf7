import struct

import numpy as np
import pytest

from support.encode import encode, reference, tones
from wavelane.audio.container import HEAD_BYTES, detect
from wavelane.audio.decoder import decode_bytes, open_decoder
from wavelane.audio.webm import unlace
from wavelane.errors import ErrorCode, WavelaneError

# Container, codec, rate, channels, sample format.
KINDS = {
    "wav-16": ("wav", "pcm_s16le", 16_000, 1, None),
    "wav-8": ("wav", "pcm_u8", 8_000, 1, None),
    "wav-24-stereo": ("wav", "pcm_s24le", 44_100, 2, None),
    "wav-32": ("wav", "pcm_s32le", 96_000, 1, None),
    "wav-float": ("wav", "pcm_f32le", 22_050, 1, None),
    "wav-double": ("wav", "pcm_f64le", 22_050, 1, None),
    "wav-mulaw": ("wav", "pcm_mulaw", 8_000, 1, None),
    "wav-alaw-stereo": ("wav", "pcm_alaw", 8_000, 2, None),
    "flac": ("flac", "flac", 16_000, 1, None),
    "flac-stereo": ("flac", "flac", 44_100, 2, None),
    "flac-24": ("flac", "flac", 48_000, 1, "s32"),
    "ogg-opus": ("ogg", "libopus", 48_000, 1, None),
    "ogg-opus-stereo": ("ogg", "libopus", 48_000, 2, None),
    "ogg-vorbis": ("ogg", "vorbis", 44_100, 2, None),
    "webm-vorbis": ("webm", "vorbis", 44_100, 2, None),
    "ogg-flac": ("ogg", "flac", 16_000, 1, None),
    "webm-opus": ("webm", "libopus", 48_000, 1, None),
    "webm-opus-stereo": ("webm", "libopus", 48_000, 2, None),
    "mkv-pcm": ("matroska", "pcm_s16le", 16_000, 2, None),
    "mkv-flac": ("matroska", "flac", 16_000, 1, None),
    "mkv-aac": ("matroska", "aac", 44_100, 1, None),
    "mkv-mp3": ("matroska", "libmp3lame", 44_100, 1, None),
    "mp3": ("mp3", "libmp3lame", 16_000, 1, None),
    "mp3-stereo": ("mp3", "libmp3lame", 44_100, 2, None),
    "aac": ("adts", "aac", 44_100, 1, None),
    "mp4": ("mp4", "aac", 44_100, 1, None),
}
CONTAINERS = {"mkv": "webm"}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    container, codec, rate, channels, sample_format = KINDS[request.param]
    seconds = 0.3 if container == "wav" else 1.3
    data = encode(container, codec, rate, tones(rate, seconds, channels), sample_format)
    return request.param, data


def stream(data, size):
    """Blocks and the fault at the end, if any."""
    decoder = open_decoder("container")
    blocks, fault = [], None
    try:
        for at in range(0, len(data), size):
            blocks.extend(decoder.feed(data[at : at + size]))
        blocks.extend(decoder.finish())
    except WavelaneError as error:
        fault = error
    return (np.concatenate(blocks, axis=1) if blocks else np.zeros((1, 0), np.float32)), fault


def test_samples_are_those_of_ffmpeg(kind):
    name, data = kind
    rate, samples = decode_bytes(data)
    expected = reference(data)
    assert rate == KINDS[name][2]
    assert samples.dtype == np.float32
    if name.startswith("mp3"):  # The padding at the end is kept: a live stream does not know its end.
        assert 0 <= samples.shape[1] - expected.shape[1] < 2 * 1152
        samples = samples[:, : expected.shape[1]]
    assert np.array_equal(samples, expected)


@pytest.mark.parametrize("size", [1, 7, 250])
def test_any_split_gives_the_same_samples(kind, size):
    _, data = kind
    samples, fault = stream(data, size)
    assert fault is None
    assert np.array_equal(samples, decode_bytes(data)[1])


def test_detection(kind):
    name, data = kind
    assert detect(data[:HEAD_BYTES]) == CONTAINERS.get(family := name.split("-")[0], family)


FRAMED = [name for name in KINDS if not name.startswith(("mp3", "aac", "mp4"))]
"""Kinds that know their end: frames stand alone in MP3 and AAC, and MP4 needs its index, see below."""


@pytest.mark.parametrize("share", [0.3, 0.6, 0.97])
@pytest.mark.parametrize("kind", FRAMED, indirect=True)
def test_a_cut_stream_keeps_what_came_before(kind, share):
    name, data = kind
    whole = decode_bytes(data)[1]
    cut = data[: int(len(data) * share)]
    samples, fault = stream(cut, 100)
    assert fault is not None
    assert fault.code is ErrorCode.INVALID_AUDIO
    assert "ends too early" in fault.message or "left over" in fault.message
    count = samples.shape[1]
    assert count == 0 or np.array_equal(samples, whole[:, :count])
    if not name.startswith("ogg"):  # A page of Ogg is about a second.
        assert count > (share - 0.2) * whole.shape[1] - 4_608


@pytest.mark.parametrize(("name", "milliseconds"), [("webm-opus", 80), ("flac", 300), ("mp3", 80), ("wav-16", 2)])
def test_samples_come_while_the_stream_arrives(name, milliseconds):
    """What is not out yet when a given share of the bytes is in, bytes being spread evenly over the time."""
    container, codec, rate, channels, sample_format = KINDS[name]
    seconds = 4
    options = {"live": "1", "cluster_time_limit": "100"} if container == "webm" else {}
    data = encode(container, codec, rate, tones(rate, seconds, channels), sample_format, **options)
    decoder = open_decoder("container")
    out, lags = 0, []
    for at in range(len(data)):
        out += sum(block.shape[1] for block in decoder.feed(data[at : at + 1]))
        if at > 1_000:
            lags.append((at / len(data) * seconds - out / rate) * 1_000)
    assert np.median(lags) <= milliseconds


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (0, b"one"),
        (1, bytes([2, 255, 5, 3]) + b"a" * 260 + b"bcd" + b"rest"),
        (2, bytes([2]) + b"abcdef"),
        # EBML lacing: the first size as it is, the second as a difference, here -257 in two bytes.
        (3, bytes([2, 0x41, 0x04, 0x5E, 0xFE]) + b"a" * 260 + b"bcd" + b"rest"),
    ],
)
def test_laced_blocks(kind, body):
    frames = unlace(body, kind)
    expected = {0: [b"one"], 2: [b"ab", b"cd", b"ef"]}.get(kind, [b"a" * 260, b"bcd", b"rest"])
    assert frames == expected


@pytest.mark.parametrize(("kind", "body"), [(1, b""), (1, bytes([1, 9]) + b"short"), (3, b"\1\0"), (3, b"\2\x81\x80x")])
def test_laced_blocks_that_do_not_add_up(kind, body):
    with pytest.raises(WavelaneError, match="laced block"):
        unlace(body, kind)


def wav(audio_bytes, *, tag=1, channels=1, rate=16_000, bits=16, length=None, extra=b""):
    align = channels * bits // 8
    fmt = struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits) + extra
    body = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    size = len(audio_bytes) if length is None else length
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + body + b"data" + struct.pack("<I", size) + audio_bytes


@pytest.mark.parametrize("length", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0xFFFFFFFF - 44])
def test_a_live_wav_whose_header_knows_no_length(length):
    audio = np.arange(-500, 500, dtype="<i2")
    samples, fault = stream(wav(audio.tobytes(), length=length), 33)
    assert fault is None
    assert np.array_equal(samples[0] * 32768, audio)


def test_a_wav_with_an_extensible_format_and_other_chunks():
    audio = np.arange(-500, 500, dtype="<i2").tobytes()
    extra = struct.pack("<HHI", 22, 16, 4) + struct.pack("<H", 1) + bytes(14)
    data = wav(audio, tag=0xFFFE, extra=extra)
    data = data[:12] + b"LIST" + struct.pack("<I", 5) + b"hello\0" + data[12:] + b"LIST" + struct.pack("<I", 2) + b"xx"
    rate, samples = decode_bytes(data)
    assert (rate, samples.shape) == (16_000, (1, 1000))


def test_an_mp3_with_a_picture_in_its_tag():
    data = encode("mp3", "libmp3lame", 16_000, tones(16_000, 1))
    size = 50_000
    sizes = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    tagged = b"ID3\4\0\0" + sizes + b"\xff\xfb\x90\x00" * (size // 4)
    assert data.startswith(b"ID3")
    assert np.array_equal(stream(tagged + data[45:], 999)[0], stream(data, 999)[0])


def test_chained_ogg_streams_follow_each_other():
    first, second = (encode("ogg", "libopus", 48_000, tones(48_000, length)) for length in (0.5, 0.7))
    samples, fault = stream(first + second, 500)
    assert fault is None
    assert np.array_equal(samples, np.concatenate((decode_bytes(first)[1], decode_bytes(second)[1]), axis=1))


@pytest.mark.parametrize("bundled", ["libri_egypt.opus", "libri_lemon.opus", "libri_simmer.opus", "commands.flac"])
def test_real_recordings(bundled, speech_folder):
    data = (speech_folder / bundled).read_bytes()
    samples, fault = stream(data, 1_000)
    assert fault is None
    assert np.array_equal(samples, reference(data))
    assert 0.05 < np.abs(samples).max() < 1.1
