"""One suite over every detector that judges in place."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.audio.decoder import decode_bytes
from wavelane.audio.resample import Resampler
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.vad.segmenter import Segmenter, SegmenterOptions, SpeechOffset, SpeechOnset
from wavelane.vad.silero import SileroBatch, SileroDetector
from wavelane.vad.webrtc import WebRtcDetector

SPEECH = Path(__file__).parents[1] / "data" / "speech"
SILERO = SileroBatch()
DETECTORS = {
    "webrtc-10": lambda: WebRtcDetector(2, 10),
    "webrtc-20": lambda: WebRtcDetector(2, 20),
    "webrtc-30": lambda: WebRtcDetector(3, 30),
    "silero": lambda: SileroDetector(SILERO),
}


def recording(name):
    rate, samples = decode_bytes((SPEECH / name).read_bytes())
    resampler = Resampler(rate)
    return np.concatenate((resampler.push(samples[0]), resampler.flush()))


COMMANDS = recording("commands.flac")


@pytest.fixture(params=DETECTORS)
def make(request):
    return DETECTORS[request.param]


def test_any_split_gives_the_same_judgements(make):
    @given(sizes=st.lists(st.integers(0, 2_000), max_size=10), start=st.integers(0, 60_000))
    @settings(max_examples=15, deadline=None)
    def check(sizes, start):
        audio = COMMANDS[start : start + 9_000]
        whole = make().push(audio)
        detector, at, parts = make(), 0, []
        for size in sizes:
            parts.append(detector.push(audio[at : at + size]))
            at += size
        parts.append(detector.push(audio[at:]))
        assert np.array_equal(np.concatenate(parts), whole)
        assert len(whole) == len(audio) // detector.frame_samples
        assert whole.dtype == np.float32

    check()


@given(sizes=st.lists(st.integers(0, 2_000), max_size=10), start=st.integers(0, 60_000))
@settings(max_examples=15, deadline=None)
def test_16_bits_are_judged_as_floats_are(sizes, start):
    audio = (COMMANDS[start : start + 9_000] * 32_768).clip(-32_768, 32_767).astype("<i2")
    ours, theirs = WebRtcDetector(), WebRtcDetector()
    for number, part in enumerate(np.split(audio, np.minimum(np.cumsum(sizes), len(audio)))):
        floats = part * np.float32(2.0**-15)
        judged = ours.push_int16(part.tobytes()) if number % 3 else ours.push(floats).tolist()
        assert judged == theirs.push(floats).tolist()


def test_a_reset_begins_anew(make):
    detector = make()
    detector.push(COMMANDS[:30_011])
    detector.reset()
    assert np.array_equal(detector.push(COMMANDS), make().push(COMMANDS))


def test_probabilities_lie_between_0_and_1(make):
    loud = np.concatenate((COMMANDS, np.full(8_000, 4.0, np.float32), np.full(8_000, -4.0, np.float32)))
    judged = make().push(loud)
    assert ((judged >= 0) & (judged <= 1)).all()


def test_digital_silence_is_no_speech(make):
    assert not (make().push(np.zeros(32_000, np.float32)) >= 0.5).any()


def segments(detector, audio):
    """(start, end) of the speech that a detector and the segmenter's defaults find, in seconds."""
    segmenter = Segmenter(SegmenterOptions(), detector.frame_samples)
    found = []
    for probability in [*detector.push(audio).tolist(), *[0.0] * 60]:
        match segmenter.push(probability):
            case SpeechOnset(at):
                found.append([at / 16_000])
            case SpeechOffset(at):
                found[-1].append(at / 16_000)
    return [tuple(segment) for segment in found]


WORDS = [(0.75, 1.00), (2.12, 2.45), (3.10, 3.40), (4.25, 4.65)]
"""Where the four commands are surely spoken (s), by their energy."""


@pytest.mark.parametrize(("name", "least"), [("webrtc-10", 4), ("webrtc-20", 3), ("webrtc-30", 2), ("silero", 4)])
def test_words_are_found_where_they_are(name, least):
    """Webrtc takes the noise that sets in with a clip for speech and may bridge a pause; it must not lose a word."""
    found = segments(DETECTORS[name](), COMMANDS)
    assert least <= len(found) <= 4
    assert all(any(start <= word[0] and word[1] <= end for start, end in found) for word in WORDS)
    assert found[0][0] >= 0.3
    assert sum(end - start for start, end in found) < 4.0


def test_silero_finds_the_edges_of_words():
    for (start, end), word in zip(segments(DETECTORS["silero"](), COMMANDS), WORDS, strict=True):
        assert word[0] - 0.2 <= start
        assert end <= word[1] + 0.2


@pytest.mark.parametrize("mode", [-1, 4])
def test_a_mode_that_is_none(mode):
    with pytest.raises(WavelaneError, match=f"must be 0, 1, 2 or 3, not {mode}") as failure:
        WebRtcDetector(mode)
    assert failure.value.code is ErrorCode.INVALID_CONFIG


def test_a_frame_that_webrtc_does_not_judge():
    with pytest.raises(WavelaneError, match="10, 20 or 30 ms at a time, not 25"):
        WebRtcDetector(1, 25)


def test_modes_take_less_and_less_for_speech():
    noisy = COMMANDS + np.random.default_rng(2).standard_normal(len(COMMANDS)).astype(np.float32) * 0.02
    shares = [WebRtcDetector(mode).push(noisy).mean() for mode in range(4)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[3] > 0.1


def test_most_of_read_speech_is_speech():
    rows = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
    for name in (row["audio_filepath"] for row in rows if row["audio_filepath"].startswith("libri")):
        assert (SileroDetector(SILERO).push(recording(name)) >= 0.5).mean() > 0.6
        assert WebRtcDetector().push(recording(name)).mean() > 0.6
