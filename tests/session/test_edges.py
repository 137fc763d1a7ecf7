"""The silence before and behind a stream of audio: the encoder hears it, the clock does not."""

import numpy as np
import pytest

from support.toy import SPEC, EnergyDetector, linear16, speech
from wavelane.events import AudioIssue, Closed, Final, Word
from wavelane.session.options import parse_options
from wavelane.session.session import Session
from wavelane.work import Chunk, StepResult, Token

LEAD, TAIL = 160 * 16, 320 * 16


def open_session(*, detect: bool = False, lead_ms: int = 160, tail_ms: int = 320, **options: object) -> Session:
    audio = {"lead_ms": lead_ms, "tail_ms": tail_ms}
    values = parse_options({"lookahead": 1, "encoding": "float32", "audio": audio, **options})
    return Session(values, SPEC, detectors=lambda _: EnergyDetector() if detect else None)


def chunks(session: Session) -> list[Chunk]:
    return list(iter(session.next_chunk, None))


def heard(stream: list[Chunk]) -> int:
    """Feature frames of a stream."""
    return sum(chunk.frames for chunk in stream)


@pytest.mark.parametrize("seconds", [0.01, 0.5, 1.23])
def test_the_encoder_hears_silence_around_the_audio_and_the_clock_does_not(seconds: float) -> None:
    session = open_session(lookahead=6)
    audio = speech([(seconds, 0.1)])
    session.receive_audio(audio.tobytes())
    session.receive_end()
    out = chunks(session)
    assert heard(out) == (LEAD + len(audio) + TAIL) // 160 + 1
    assert [chunk.start for chunk in out] == [True] + [False] * (len(out) - 1)
    ends = [chunk.end for chunk in out]
    assert ends == sorted(ends)
    assert (ends[0] >= 0, ends[-1]) == (True, len(audio))
    first = 7 * 160 + SPEC.features.left
    assert not out[0].samples[:first].any()
    begin = first + LEAD
    count = min(len(audio), len(out[0].samples) - begin)
    assert np.array_equal(out[0].samples[begin : begin + count], audio[:count])
    assert not out[-1].samples[-1_000:].any()


def test_without_it_a_stream_is_what_the_references_make_of_it() -> None:
    session = open_session(lead_ms=0, tail_ms=0)
    audio = speech([(0.7, 0.1)])
    session.receive_audio(audio.tobytes())
    session.receive_end()
    out = chunks(session)
    assert heard(out) == SPEC.features.total_frames(len(audio))
    first = 7 * 160 + SPEC.features.left
    assert np.array_equal(out[0].samples[first : first + 100], audio[:100])


def test_a_pause_was_silence_enough_and_a_flush_was_not() -> None:
    plan = [(0.5, 0.1), (0.8, 0.0)]
    paused = open_session(detect=True, vad={"kind": "webrtc", "pre_roll_ms": 0})
    paused.receive_audio(speech(plan).tobytes())
    assert heard(chunks(paused)) == (LEAD + 8_000 + 600 * 16) // 160 + 1
    flushed = open_session(detect=True, vad={"kind": "webrtc", "pre_roll_ms": 0})
    flushed.receive_audio(speech([(0.5, 0.1)]).tobytes())
    flushed.receive_flush()
    assert heard(chunks(flushed)) == (LEAD + 8_000 + TAIL) // 160 + 1


def test_words_lie_within_the_audio_whatever_frame_they_come_from() -> None:
    session = open_session(endpoint={"enabled": False})
    audio = speech([(1.0, 0.1)])
    session.receive_audio(audio.tobytes())
    session.receive_end()
    base = 0
    for chunk in chunks(session):
        count = -(-chunk.frames // 8)
        frames = [base] if chunk.start else [base + count - 1] if chunk.last else []
        tokens = tuple(Token(id=frame % 3, frame=frame, confidence=0.5) for frame in frames)
        base += count
        session.receive_result(
            StepResult(lane=0, sequence=chunk.sequence, tokens=tokens, frames=count, last=chunk.last)
        )
    *_, final, closed = session.events()
    assert isinstance(final, Final)
    assert isinstance(closed, Closed)
    first, last = final.words
    assert (first.start, closed.received) == (0, 16_000)
    assert isinstance(last, Word)
    assert 16_000 - 1_280 <= last.start < 16_000
    assert session.backlog_ms == 0


def test_the_session_tells_what_is_wrong_with_each_channel() -> None:
    session = open_session(channels=2, channel="separate")
    muted, loud = np.zeros(80_000, np.float32), np.clip(speech([(0.5, 5.0), (4.5, 0.1)]), -1, 1)
    session.receive_audio(np.stack((muted, loud), axis=1).astype("<f4").tobytes())
    issues = [event for event in session.events() if isinstance(event, AudioIssue)]
    assert sorted((issue.at, issue.channel, issue.problem, issue.active) for issue in issues) == [
        (1_600, 1, "clipping", True),
        (48_000, 0, "no_signal", True),
        (56_000, 1, "clipping", False),
    ]


def test_the_front_end_is_behind_the_resampler_and_its_clock_runs_with_it() -> None:
    session = open_session(encoding="linear16", sample_rate=48_000, audio={"noise_suppression": "low"})
    session.receive_audio(linear16(np.repeat(speech([(1.0, 0.1)]), 3)))
    session.receive_end()
    for chunk in chunks(session):
        session.receive_result(StepResult(lane=0, sequence=chunk.sequence, tokens=(), frames=1, last=chunk.last))
    assert session.events()[-1] == Closed(received=16_000)
