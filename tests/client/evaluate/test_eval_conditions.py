import io

import av
import numpy as np
import pytest

from support.encode import tones
from wavelane.errors import WavelaneError
from wavelane_client.evaluate.conditions import (
    CLEAN,
    FRAME,
    Studio,
    add_noise,
    encode_opus,
    parse_condition,
    reverberate,
    sources,
)

SPEECH = np.concatenate([np.zeros(16_000, np.float32), tones(16_000, 1.0)[0] * 0.5, np.zeros(8_000, np.float32)])
NOISE = np.random.default_rng(0).normal(0, 0.1, 30_000).astype(np.float32)
PCM = (SPEECH * 32_767).astype("<i2").tobytes()


def loudest(samples):
    return max(float((samples[at : at + FRAME] ** 2).sum()) for at in range(0, len(samples), FRAME))


@pytest.fixture
def studio(tmp_path):
    with av.open(str(tmp_path / "noise.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray((NOISE * 32_767).astype("<i2")[None], format="s16", layout="mono")
        frame.sample_rate = 16_000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return Studio(sources([tmp_path]), sources([tmp_path / "noise.wav"]))


@pytest.mark.parametrize("snr", [0.0, 20.0])
def test_noise_has_the_level_asked_for(snr):
    added = add_noise(SPEECH, NOISE, snr, 5_000) - SPEECH
    assert 10 * np.log10(loudest(SPEECH) / loudest(added)) == pytest.approx(snr, abs=0.1)
    assert added[:8_000].std() > 0, "noise is there before the speech too"


def test_silence_around_the_speech_does_not_change_the_ratio():
    padded = np.concatenate([np.zeros(15 * FRAME, np.float32), SPEECH])
    plain, long = (add_noise(speech, NOISE, 10.0, 0) - speech for speech in (SPEECH, padded))
    assert loudest(long) == pytest.approx(loudest(plain), rel=0.01)


def test_a_loud_mixture_is_not_clipped():
    mixed = add_noise(SPEECH * 1.6, NOISE * 9, -10.0, 0)
    assert np.abs(mixed).max() == pytest.approx(1.0)


def test_a_room_neither_delays_nor_changes_the_loudness():
    response = np.concatenate([np.zeros(900), [1.0], np.random.default_rng(0).normal(0, 0.05, 4_000)])
    wet = reverberate(SPEECH, response.astype(np.float32))
    assert len(wet) == len(SPEECH)
    assert loudest(wet) == pytest.approx(loudest(SPEECH), rel=0.01)
    assert np.abs(wet[:15_900]).max() < 1e-4, "the direct sound is where it was"
    assert np.abs(wet[33_000:35_000]).max() > 1e-3, "and it rings"
    clean = reverberate(SPEECH, np.array([0.0, 0.5, 0.0], np.float32))
    np.testing.assert_allclose(clean, SPEECH, atol=1e-4)


def test_a_clean_recording_is_sent_as_it_is(studio):
    sent = studio.record("a", PCM, CLEAN)
    assert (sent.data, sent.seconds) == (PCM, 2.5)
    assert sent.options == {"encoding": "linear16", "sample_rate": 16_000, "channels": 1}
    blocks = sent.blocks(0.4)
    assert b"".join(block.data for block in blocks) == PCM
    assert sum(block.seconds for block in blocks) == pytest.approx(2.5)
    assert all(len(block.data) % 2 == 0 for block in blocks)


def test_codecs_are_what_is_sent(studio):
    mulaw = studio.record("a", PCM, parse_condition("mulaw"))
    assert mulaw.options == {"encoding": "mulaw", "sample_rate": 8_000, "channels": 1}
    assert len(mulaw.data) == pytest.approx(20_000, abs=20)
    opus = studio.record("a", PCM, parse_condition("opus:24"))
    assert opus.options == {"encoding": "container"}
    assert 8 * len(opus.data) / 2.5 == pytest.approx(24_000, rel=0.35)
    with av.open(io.BytesIO(opus.data)) as file:
        decoded = sum(frame.samples for frame in file.decode(audio=0))
    assert decoded / 48_000 == pytest.approx(2.5, abs=0.05)
    assert len(encode_opus(PCM, 64)) > 1.5 * len(encode_opus(PCM, 12))


def test_what_a_recording_gets_depends_on_its_name_condition_and_seed_alone(studio, tmp_path):
    condition = parse_condition("room+snr:5+gain:-6")
    first = studio.record("a", PCM, condition)
    studio.record("b", PCM, condition)
    assert studio.record("a", PCM, condition) == first
    assert studio.record("b", PCM, condition) != first
    assert Studio(sources([tmp_path]), sources([tmp_path]), seed=1).record("a", PCM, condition) != first


def test_gain_clips_at_full_scale(studio):
    loud = np.frombuffer(studio.record("a", PCM, parse_condition("gain:40")).data, "<i2")
    assert (loud.min(), loud.max()) == (-32_768, 32_767)


@pytest.mark.parametrize("text", ["", "clean+room", "snr", "snr:loud", "room:2", "echo", "snr:5+snr:6", "mulaw:8"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(WavelaneError, match="is no condition: write clean, or parts"):
        parse_condition(text)


def test_conditions_that_cannot_be_are_refused(studio, tmp_path):
    with pytest.raises(WavelaneError, match="two codecs"):
        parse_condition("mulaw+opus")
    with pytest.raises(WavelaneError, match="6 to 256 kbit/s"):
        parse_condition("opus:1")
    with pytest.raises(WavelaneError, match="needs --noise"):
        Studio().check(parse_condition("snr:5"))
    with pytest.raises(WavelaneError, match="needs --room"):
        Studio().check(parse_condition("room"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WavelaneError, match="holds no audio"):
        sources([tmp_path / "empty"])
    with pytest.raises(WavelaneError, match="there is no file or folder"):
        sources([tmp_path / "missing"])
