"""Files as blocks, and the times at which blocks are sent."""

import io
import random
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.file import Block, PcmFile, RawFile, duration_of
from wavelane_client.pacing import Schedule, paced

SPEECH = Path("tests/data/speech").resolve()


def write_wav(path: Path, samples: np.ndarray, rate: int) -> str:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.astype("<i2").tobytes())
    return str(path)


@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("rate", [8_000, 44_100])
@pytest.mark.parametrize("seconds", [0.02, 0.1, 7.0])
def test_a_file_keeps_its_samples_rate_and_channels(tmp_path, channels, rate, seconds):
    samples = np.random.default_rng(0).integers(-20_000, 20_000, (rate // 2 + 7, channels))
    file = PcmFile(write_wav(tmp_path / "a.wav", samples, rate))
    assert file.options == {"encoding": "linear16", "sample_rate": rate, "channels": channels}
    blocks = list(file.blocks(seconds))
    file.close()
    assert b"".join(block.data for block in blocks) == samples.astype("<i2").tobytes()
    assert sum(block.seconds for block in blocks) == pytest.approx(len(samples) / rate)
    assert all(block.seconds == pytest.approx(seconds) for block in blocks[:-1])


def test_rates_outside_of_a_sessions_are_resampled(tmp_path):
    file = PcmFile(write_wav(tmp_path / "a.wav", np.zeros((4000, 1)), 4_000))
    assert file.sample_rate == 16_000
    assert sum(block.seconds for block in file.blocks(0.1)) == pytest.approx(1.0, abs=0.01)
    file.close()


def test_opus_decodes_to_its_length():
    file = PcmFile(str(SPEECH / "libri_lemon.opus"))
    assert sum(block.seconds for block in file.blocks(0.1)) == pytest.approx(2.625, abs=0.01)
    file.close()
    assert duration_of(str(SPEECH / "libri_lemon.opus")) == pytest.approx(2.625, abs=0.02)


def test_mono_at_a_given_rate(tmp_path):
    left_right = np.repeat(np.array([[1000, 3000]]), 8_000, axis=0)
    file = PcmFile(write_wav(tmp_path / "a.wav", left_right, 8_000), sample_rate=16_000, mono=True)
    pcm = np.frombuffer(b"".join(block.data for block in file.blocks(1.0)), "<i2")
    file.close()
    assert len(pcm) == pytest.approx(16_000, abs=32)
    assert np.median(pcm) == pytest.approx(2000, abs=2)


def test_standard_input_is_read_once(tmp_path, monkeypatch):
    data = Path(write_wav(tmp_path / "a.wav", np.ones((1600, 1)), 16_000)).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    file = PcmFile("-")
    assert b"".join(block.data for block in file.blocks(0.01)) == np.ones(1600, "<i2").tobytes()
    file.close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.wav", None, r"cannot read .*missing\.wav: No such file or directory"),
        ("noise.wav", b"\x93\x07" * 5000, r"noise\.wav is no audio file that FFmpeg knows .*--raw --encoding"),
        ("empty.wav", b"", r"empty\.wav is no audio file"),
        ("text.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", r"text\.srt has no audio track"),
    ],
)
def test_files_that_are_none(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(WavelaneError, match=message) as caught:
        PcmFile(str(tmp_path / name))
    assert caught.value.code is ErrorCode.INVALID_AUDIO


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(WavelaneError, match="cannot read"):
        PcmFile(str(tmp_path))


def test_raw_passes_every_byte(tmp_path):
    path = tmp_path / "a.raw"
    path.write_bytes(bytes(range(256)) * 100 + b"xyz")
    file = RawFile(str(path), encoding="float32", sample_rate=8_000, channels=2)
    blocks = list(file.blocks(0.1))
    file.close()
    assert file.options == {"encoding": "float32", "sample_rate": 8_000, "channels": 2}
    assert b"".join(block.data for block in blocks) == path.read_bytes()
    assert [len(block.data) for block in blocks[:-1]] == [6400] * 4
    assert blocks[0].seconds == pytest.approx(0.1)


def test_a_raw_container_is_paced_on_average():
    path = SPEECH / "commands.flac"
    file = RawFile(str(path), encoding="container", sample_rate=16_000, channels=1, duration=duration_of(str(path)))
    blocks = list(file.blocks(0.1))
    file.close()
    assert file.options == {"encoding": "container"}
    assert b"".join(block.data for block in blocks) == path.read_bytes()
    assert sum(block.seconds for block in blocks) == pytest.approx(5.1)
    assert len(blocks) == pytest.approx(51, abs=1)


durations = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=50)


@given(durations, st.floats(0, 0.5), st.integers(0, 99))
def test_a_block_is_due_when_it_has_been_spoken_and_never_before_its_predecessor(blocks, jitter, seed):
    schedule = Schedule(100.0, jitter=jitter, rng=random.Random(seed))
    spoken = 100.0
    previous = 0.0
    for seconds in blocks:
        spoken += seconds
        due = schedule.due(seconds)
        assert due >= previous
        assert spoken <= due <= spoken + jitter
        previous = due


class Time:
    """A clock that sleeping and working move on."""

    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(durations, st.booleans(), st.floats(0, 0.3))
async def test_pacing_keeps_the_blocks_and_their_times(lengths, realtime, slowness):
    time = Time()
    blocks = [Block(bytes([n]), seconds) for n, seconds in enumerate(lengths)]
    given_blocks = []
    times = []
    async for block in paced(blocks, realtime=realtime, clock=time, sleep=time.sleep):
        given_blocks.append(block)
        times.append(time.now - 5.0)
        time.now += slowness  # the server takes its time
    assert given_blocks == blocks
    if not realtime:
        assert times[-1] == pytest.approx(slowness * (len(blocks) - 1))
        return
    spoken = np.cumsum(lengths)
    assert all(at >= due - 1e-9 for at, due in zip(times, spoken, strict=True))
    if slowness == 0:
        assert times == pytest.approx(spoken.tolist())


async def test_a_late_sender_catches_up():
    time = Time()
    times = []
    async for _ in paced([Block(b"", 1.0)] * 4, realtime=True, clock=time, sleep=time.sleep):
        times.append(time.now - 5.0)
        time.now += 2.5 if len(times) == 1 else 0.0
    assert times == pytest.approx([1.0, 3.5, 3.5, 4.0])
