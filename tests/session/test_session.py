import math
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from support.toy import SPEC, Driver, EnergyDetector, linear16, speech
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    AudioIssue,
    Closed,
    Endpoint,
    Event,
    Failed,
    Final,
    Flushed,
    Partial,
    SpeechStarted,
    SpeechStopped,
)
from wavelane.session.options import SessionOptions
from wavelane.session.session import Session


def make(detect: bool = True, **options: object) -> Driver:
    return Driver(
        Session(
            SessionOptions.model_validate(options),
            SPEC,
            detectors=lambda _: EnergyDetector() if detect else None,
        )
    )


def finals(log: list[Event]) -> list[Final]:
    return [event for event in log if isinstance(event, Final)]


ONE, TWO, THREE = 0.03, 0.08, 0.13


def test_words_appear_while_audio_plays_and_the_final_starts_with_them() -> None:
    driver = make(lookahead=0).audio(linear16(speech([(0.5, 0), (0.4, 0.08), (0.4, 0.13), (1.0, 0)])))
    log = driver.end()
    partials = [event.text for event in log if isinstance(event, Partial)]
    assert partials == ["two", "two three"]
    (final,) = finals(log)
    assert (final.text, final.reason) == ("two three", "silence")
    assert [type(event) for event in log][-3:] == [Endpoint, Final, Closed]


def test_times_are_on_the_clock_of_the_first_byte_even_through_silence() -> None:
    log = make(lookahead=0).audio(linear16(speech([(3.0, 0), (0.4, 0.08), (5.0, 0), (0.4, 0.13), (1.0, 0)]))).end()
    first, second = finals(log)
    assert abs(first.words[0].start - 3.0 * 16_000) <= 1_600
    assert abs(second.words[0].start - 8.4 * 16_000) <= 1_600
    started = [event.at for event in log if isinstance(event, SpeechStarted)]
    stopped = [event.at for event in log if isinstance(event, SpeechStopped)]
    assert started == pytest.approx([48_000, 134_400], abs=320)
    assert stopped == pytest.approx([54_400, 140_800], abs=320)


def test_silence_costs_no_steps_behind_the_gate() -> None:
    driver = make().audio(*[linear16(np.zeros(16_000, np.float32))] * 60)
    assert driver.toy.steps == 0
    assert driver.session.backlog_ms < 40
    muted = AudioIssue(channel=0, at=48_000, problem="no_signal", active=True, level_dbfs=-100.0, clipped=0.0)
    assert driver.end() == [muted, Closed(received=960_000)]


def test_a_flush_finalises_at_once_and_the_session_goes_on() -> None:
    driver = make(detect=False)
    driver.audio(linear16(speech([(0.3, 0.08)]))).flush()
    assert [final.text for final in finals(driver.log)] == ["two"]
    assert driver.log[-1] == Flushed(at=4_800)
    driver.audio(linear16(speech([(0.3, 0.13)])))
    assert [(final.text, final.reason) for final in finals(driver.end())] == [("two", "flush"), ("three", "end")]


def test_a_flush_of_nothing_is_answered_too() -> None:
    assert make().flush().log == [Flushed(at=0)]


def test_speech_too_short_to_open_the_gate_is_heard_when_flushed() -> None:
    driver = make(vad={"min_speech_ms": 400}).audio(linear16(speech([(0.5, 0), (0.2, 0.13)]))).flush()
    assert [final.text for final in finals(driver.log)] == ["three"]


def test_silence_without_text_ends_an_utterance_with_an_empty_final() -> None:
    log = make().audio(linear16(speech([(0.5, 0), (0.4, ONE), (3.0, 0)]))).end()
    assert [(final.text, final.reason) for final in finals(log)] == [("", "no_text")]


@pytest.mark.parametrize("detect", [True, False])
def test_a_pause_ends_an_utterance_that_has_text(detect: bool) -> None:
    log = (
        make(detect, lookahead=0, endpoint={"silence_ms": 500})
        .audio(linear16(speech([(0.4, TWO), (1.0, 0), (0.4, THREE), (1.0, 0)])))
        .end()
    )
    assert [final.text for final in finals(log)] == ["two", "three"]
    assert [event.reason for event in log if isinstance(event, Endpoint)] == ["silence", "silence"]


@pytest.mark.parametrize("detect", [True, False])
def test_without_endpointing_only_the_client_ends_an_utterance(detect: bool) -> None:
    log = (
        make(detect, lookahead=0, endpoint={"enabled": False})
        .audio(linear16(speech([(0.4, TWO), (3.0, 0), (0.4, THREE), (1.0, 0)])))
        .end()
    )
    assert [(final.text, final.reason) for final in finals(log)] == [("two three", "end")]


@pytest.mark.parametrize("detect", [True, False])
def test_the_longest_utterance_is_cut_between_words(detect: bool) -> None:
    plan = [(0.24, loudness) for loudness in (TWO, THREE) * 10]
    log = make(detect, lookahead=0, endpoint={"max_utterance_ms": 1_000}).audio(linear16(speech(plan))).end()
    results = finals(log)
    assert len(results) >= 4
    assert " ".join(final.text for final in results) == " ".join(["two", "three"] * 10)
    assert {final.reason for final in results[:-1]} == {"max_utterance"}


def test_an_hour_of_digital_silence_without_a_detector_says_so_once() -> None:
    driver = make(detect=False, encoding="mulaw", sample_rate=8_000)
    for _ in range(360):
        driver.audio(b"\xff" * 80_000)
    log = driver.end()
    assert [(final.text, final.reason) for final in finals(log)] == [("", "no_text")]
    assert log[-1] == Closed(received=3_600 * 16_000)


def test_channels_are_recognised_separately() -> None:
    left = speech([(0.4, TWO), (0.8, 0)])
    right = speech([(0.8, 0), (0.4, THREE)])
    both = np.stack([left, right], axis=1).reshape(-1)
    log = make(channels=2, channel="separate").audio(linear16(both)).end()
    assert {(final.channel, final.text) for final in finals(log)} == {(0, "two"), (1, "three")}
    assert [type(event) for event in log].count(Closed) == 1


@pytest.mark.parametrize(("channel", "text"), [(0, "two"), (1, "three")])
def test_one_channel_is_chosen(channel: int, text: str) -> None:
    both = np.stack([speech([(0.4, TWO)]), speech([(0.4, THREE)])], axis=1).reshape(-1)
    log = make(channels=2, channel=channel).audio(linear16(both)).end()
    assert [final.text for final in finals(log)] == [text]


def test_not_a_number_fails_the_session_but_not_what_was_heard() -> None:
    samples = speech([(0.4, TWO), (0.1, math.nan)])
    driver = make(encoding="float32").audio(samples.astype("<f4").tobytes())
    failed = next(event for event in driver.log if isinstance(event, Failed))
    assert (failed.code, failed.fatal) == (ErrorCode.INVALID_AUDIO, True)
    assert "6400" in failed.message
    driver.pump(everything=True)
    assert [final.text for final in finals(driver.log)] == ["two"]
    assert driver.session.closed


def test_a_sample_cut_in_half_at_the_end_is_told_and_harmless() -> None:
    log = make().audio(linear16(speech([(0.4, TWO)])) + b"\x01").end()
    failed = next(event for event in log if isinstance(event, Failed))
    assert (failed.code, failed.fatal) == (ErrorCode.INVALID_AUDIO, False)
    assert "1 byte" in failed.message
    assert [final.text for final in finals(log)] == ["two"]


def test_audio_flush_and_end_after_end_are_refused_and_harmless() -> None:
    driver = make()
    driver.end()
    driver.audio(b"\0\0")
    driver.session.receive_flush()
    driver.session.receive_end()
    driver.pump()
    messages = [event.message for event in driver.log if isinstance(event, Failed) and not event.fatal]
    assert len(messages) == 3
    assert "audio after end" in messages[0]


def test_an_engine_fault_closes_the_utterance_with_what_is_known() -> None:
    driver = make(lookahead=0).audio(linear16(speech([(0.4, TWO)])))
    driver.session.receive_audio(linear16(speech([(0.4, THREE)])))
    driver.session.receive_error(WavelaneError(ErrorCode.INTERNAL, "the step failed"))
    log = driver.session.events()
    assert [type(event) for event in log] == [Failed, Final, Closed]
    assert [(final.text, final.reason) for final in finals(log)] == [("two", "failure")]
    assert driver.session.next_chunk() is None


def test_lookahead_changes_with_the_next_stream() -> None:
    driver = make(detect=False, lookahead=0).audio(linear16(speech([(1.0, TWO)])))
    driver.session.receive_options({"lookahead": 13})
    driver.audio(linear16(speech([(0.2, TWO)]))).flush()
    assert set(driver.toy.lookaheads) == {0}
    driver.audio(linear16(speech([(2.0, TWO)])))
    assert driver.toy.lookaheads[-1] == 13


def test_bytes_that_hold_much_audio_are_decoded_in_bursts() -> None:
    data = Path(str(resources.files("wavelane_client") / "data" / "demo.opus")).read_bytes()
    session = Session(SessionOptions.model_validate({"encoding": "container", "vad": {"kind": "off"}}), SPEC)
    session.receive_audio(data)
    session.receive_end()
    heard = [session.received]
    while session.more:
        session.resume()
        heard.append(session.received)
    assert len(heard) >= 4
    assert heard == sorted(set(heard))
    assert heard[-1] / 16_000 == pytest.approx(20.1, abs=0.1)
