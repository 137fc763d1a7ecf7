"""The front end as a whole: what it leaves alone, what any split gives, and what it tells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.audio.enhance import suppression
from wavelane.audio.enhance.chain import FrontEnd, Note
from wavelane.audio.enhance.gain import LOUD, QUIET
from wavelane.audio.enhance.options import AudioOptions
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Samples

RATE = 16_000


def speech(seconds: float, dbfs: float = -25.0, seed: int = 0, floor: float = -80.0) -> Samples:
    """Syllables: 0.2 s of a tone with overtones, 0.1 s of a floor of noise. ``dbfs`` is the level of the syllables."""
    time = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 8))
    voice *= (time % 0.3 < 0.2) * 10 ** (dbfs / 20) / np.sqrt(np.mean(voice**2))
    noise = np.random.default_rng(seed).standard_normal(len(time)) * 10 ** (floor / 20)
    return (voice + noise).astype(np.float32)


def through(options: AudioOptions, audio: Samples, sizes: list[int] | None = None) -> tuple[Samples, list[Note]]:
    front_end = FrontEnd(options)
    cuts = np.cumsum(sizes or [1_600] * (len(audio) // 1_600))
    parts = [front_end.push(part) for part in np.split(audio, cuts[cuts < len(audio)])]
    return np.concatenate((*parts, front_end.flush())), front_end.notes


def level(samples: Samples) -> float:
    """Of the loudest third of 20 ms frames (dBFS)."""
    frames = np.sort((samples[: len(samples) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1))
    return float(10 * np.log10(frames[-len(frames) // 3 :].mean() + 1e-12))


@pytest.mark.parametrize("dbfs", [-40, -25, -14])
def test_what_is_loud_enough_is_left_as_it_is(dbfs: float) -> None:
    audio = speech(5, dbfs)
    output, notes = through(AudioOptions(), audio)
    assert np.array_equal(output, audio)
    assert notes == []


def test_what_is_off_costs_nothing() -> None:
    off = AudioOptions(gain="off", remove_dc=False, noise_suppression="off", report=False)
    assert FrontEnd.wanted(off) is None
    assert FrontEnd.wanted(AudioOptions()) is not None


@pytest.mark.parametrize("size", [1, 230, 1_601])
def test_what_is_not_changed_is_not_held_back(size: int) -> None:
    front_end = FrontEnd(AudioOptions())
    packet = speech(1)[:size]
    assert [len(front_end.push(packet)) for _ in range(20)] == [size] * 20


def test_what_is_changed_is_held_back_by_less_than_a_block() -> None:
    front_end = FrontEnd(AudioOptions())
    front_end.push(speech(3, -60, floor=-95))
    assert len(front_end.push(speech(0.02))) == 320
    assert len(front_end.push(speech(0.02)[:230])) == 160
    assert len(front_end.push(speech(0.02)[:89])) == 0
    assert len(front_end.push(speech(0.02)[:1])) == 160
    assert len(front_end.flush()) == 0


OPTIONS = st.builds(
    AudioOptions,
    gain=st.sampled_from(["off", "auto"]),
    remove_dc=st.booleans(),
    noise_suppression=st.sampled_from(["off", "high"]),
    report=st.booleans(),
)
HARD = np.concatenate(
    (speech(1.3, -55) + np.float32(0.02), np.zeros(50_000, np.float32), 3 * speech(1.0, -8), speech(1.01, -58))
).clip(-1, 1)
"""Quiet with an offset, a muted microphone, clipped, quiet again."""


@given(options=OPTIONS, sizes=st.lists(st.integers(1, 9_000), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_any_split_gives_the_same_bits_and_the_same_notes(options: AudioOptions, sizes: list[int]) -> None:
    whole, notes = through(options, HARD, [len(HARD)])
    split, told = through(options, HARD, sizes)
    assert len(whole) == len(HARD)
    assert whole.tobytes() == split.tobytes()
    assert told == notes


@given(at=st.integers(0, 40_000))
@settings(max_examples=20, deadline=None)
def test_nothing_is_lost_where_a_stream_is_cut(at: int) -> None:
    front_end = FrontEnd(AudioOptions(noise_suppression="low"))
    first = [front_end.push(HARD[:at]), front_end.flush()]
    second = [front_end.push(HARD[at:]), front_end.flush()]
    assert [sum(map(len, first)), sum(map(len, second))] == [at, len(HARD) - at]


@pytest.mark.parametrize("dbfs", [-62, -55, -48])
def test_quiet_speech_is_loud_enough_after_a_second_and_a_half_of_speech(dbfs: float) -> None:
    audio = speech(6, dbfs, floor=-95)
    output, _ = through(AudioOptions(report=False), audio)
    # That takes 2.25 s of syllables and pauses.
    assert level(output[36_000:]) == pytest.approx(QUIET, abs=2.5)
    assert np.array_equal(output[:12_000], audio[:12_000])


def test_loud_speech_is_attenuated_and_nothing_is_clipped() -> None:
    audio = speech(4, -6)
    output, _ = through(AudioOptions(), audio)
    assert level(output[32_000:]) == pytest.approx(LOUD, abs=1.5)
    quiet_then_loud = np.concatenate((speech(4, -60, floor=-95), speech(2, -12)))
    output, _ = through(AudioOptions(), quiet_then_loud)
    assert np.abs(quiet_then_loud).max() < 0.98
    assert np.abs(output).max() <= 0.98 + 1e-6


@pytest.mark.parametrize("floor", [-75, -60, -45])
def test_silence_and_steady_noise_are_not_pumped_up(floor: float) -> None:
    noise = speech(20, -200, floor=floor)
    output, notes = through(AudioOptions(), noise)
    assert np.array_equal(output, noise)
    assert notes == []


def test_noise_between_quiet_speech_stays_below_its_ceiling() -> None:
    output, _ = through(AudioOptions(), np.concatenate((speech(6, -48, floor=-64), speech(4, -200, floor=-64))))
    assert level(output[-48_000:]) <= -50 + 1
    held = level(output[-16_000:]) - level(output[-48_000:-32_000])
    assert abs(held) < 0.5, "the gain moved in a pause"


@pytest.mark.parametrize("offset", [-0.2, 0.01, 0.1])
def test_an_offset_is_taken_out(offset: float) -> None:
    audio = speech(3) + np.float32(offset)
    output, _ = through(AudioOptions(), audio)
    assert abs(float(output[-16_000:].mean())) < 0.002
    assert np.allclose(output[-16_000:] - output[-16_000:].mean(), speech(3)[-16_000:], atol=0.005)
    kept, _ = through(AudioOptions(remove_dc=False), audio)
    assert np.array_equal(kept, audio)


def changes(notes: list[Note]) -> list[tuple[str, bool, int]]:
    return [(note.change.problem, note.change.active, note.at) for note in notes]


def test_a_muted_microphone_is_told_and_when_it_is_over() -> None:
    silence = np.full(64_000, 0.25, np.float32) + (np.arange(64_000) % 2 / 32_768).astype(np.float32)
    _, notes = through(AudioOptions(), np.concatenate((silence, speech(3), np.zeros(16_000, np.float32))))
    # On after 3 s, and for as long at least.
    assert changes(notes) == [("no_signal", True, 48_000), ("no_signal", False, 96_000)]


def test_clipping_is_told_with_its_share() -> None:
    loud = (speech(4, -25) * 40).clip(-1, 1)
    _, notes = through(AudioOptions(gain="off"), np.concatenate((speech(1), loud, speech(4))))
    (problem, active, at), (again, over, end) = changes(notes)
    assert (problem, active, again, over) == ("clipping", True, "clipping", False)
    assert 16_000 < at <= 20_800
    assert 80_000 < end <= 80_000 + 48_000 + 1_600
    assert notes[0].change.clipped >= 0.001
    assert notes[1].change.clipped == 0.0


def test_a_few_samples_at_full_scale_are_no_clipping() -> None:
    audio = speech(6)
    audio[::8_000] = 1.0
    assert through(AudioOptions(), audio)[1] == []


def test_quiet_speech_is_told_by_its_own_level_whatever_the_gain() -> None:
    audio = np.concatenate((speech(5, -58, floor=-95), speech(4, -30)))
    told = [through(AudioOptions(gain=gain), audio)[1] for gain in ("off", "auto")]
    assert told[0] == told[1]
    assert [(problem, active) for problem, active, _ in changes(told[0])] == [("too_quiet", True), ("too_quiet", False)]
    assert told[0][0].change.level == pytest.approx(-58, abs=2)
    assert through(AudioOptions(report=False), audio)[1] == []


def test_nothing_is_told_more_often_than_every_three_seconds() -> None:
    flicker = np.concatenate([part for _ in range(12) for part in (speech(0.4, -5) * 4, speech(3.2))]).clip(-1, 1)
    _, notes = through(AudioOptions(), flicker)
    assert len(notes) > 2
    assert min(np.diff([note.at for note in notes])) >= 48_000


def test_noise_is_suppressed_and_the_speech_stays_where_it_is() -> None:
    clean = speech(6, -22, floor=-90)
    noisy = clean + speech(6, -200, floor=-42)
    output, _ = through(AudioOptions(gain="off", noise_suppression="high"), noisy)
    assert len(output) == len(noisy)
    pauses = np.arange(48_000, len(clean)) % 4_800 > 4_000
    assert output[48_000:][pauses].std() < noisy[48_000:][pauses].std() / 3
    lags = range(-56, 57, 4)  # half a period of the voice each way
    fits = [float(np.dot(output[48_000:-400], clean[48_000 - lag : -400 - lag])) for lag in lags]
    # The suppressor's filters have a phase of their own; the delay of its windows is taken out.
    assert abs(lags[int(np.argmax(fits))]) <= 24


def test_a_missing_library_is_an_error_that_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppression.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(WavelaneError, match=r"wavelane\[noise\]") as caught:
        FrontEnd(AudioOptions(noise_suppression="low"))
    assert caught.value.code is ErrorCode.INVALID_CONFIG
