"""A lane in calm is taken by one compiled call: whatever comes, it is the same as without."""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from support.toy import SPEC, ToyRecogniser
from wavelane.audio.decoder import decode_bytes
from wavelane.audio.enhance.level import HOP
from wavelane.events import Event
from wavelane.native import calm as native
from wavelane.native.calm import Outcome
from wavelane.session import calm
from wavelane.session.gate import SpeechGate
from wavelane.session.options import SessionOptions
from wavelane.session.session import Session

pytestmark = pytest.mark.skipif(calm.open_calm() is None, reason="the library was not compiled")

COMMANDS = decode_bytes((Path(__file__).parents[1] / "data" / "speech" / "commands.flac").read_bytes())[1][0]

parts = st.lists(
    st.tuples(
        st.sampled_from(["speech", "speech", "speech", "noise", "silence"]),
        st.integers(0, 60_000),
        st.integers(1, 30_000),
        st.sampled_from([1.0, 1.0, 1.0, 0.02, 0.002, 8.0]),
        st.sampled_from([0, 0, 0, 900]),
    ),
    min_size=1,
    max_size=8,
)
packets = st.one_of(
    st.lists(st.sampled_from([HOP] * 20 + [320, 1_599, 7, 3_200]), min_size=1, max_size=40),
    st.lists(st.sampled_from([320] * 20 + [HOP, 640, 7, 3_200]), min_size=1, max_size=40),
    st.sampled_from([[320], [640], [480], [960], [3_200], [4_096]]),
)
options = st.fixed_dictionaries(
    {
        "lookahead": st.sampled_from([0, 1, 6]),
        "sample_rate": st.just(16_000),
        "vad": st.fixed_dictionaries(
            {
                "mode": st.integers(0, 3),
                "min_speech_ms": st.sampled_from([0, 100, 250]),
                "min_silence_ms": st.sampled_from([0, 100, 300]),
                "pre_roll_ms": st.sampled_from([0, 130, 500]),
            }
        ),
        "endpoint": st.fixed_dictionaries(
            {
                "silence_ms": st.sampled_from([100, 300, 600]),
                "no_text_ms": st.sampled_from([300, 1_000]),
                "enabled": st.booleans(),
            }
        ),
        "audio": st.fixed_dictionaries(
            {
                "gain": st.sampled_from(["auto", "off"]),
                "remove_dc": st.booleans(),
                "report": st.booleans(),
            }
        ),
    }
)


def recorded(plan: list[tuple[str, int, int, float, int]]) -> NDArray[np.int16]:
    """Parts of a recording, noise and silence, at their levels and with their offsets, clipped where they are loud."""
    rng = np.random.default_rng(len(plan))
    pieces = []
    for kind, start, count, loudness, offset in plan:
        piece = {
            "speech": lambda start=start, count=count: COMMANDS[start : start + count],
            "noise": lambda count=count: rng.standard_normal(count) * 0.05,
            "silence": lambda count=count: np.zeros(count),
        }[kind]()
        pieces.append(piece * loudness * 32_768 + (offset if kind != "silence" else 0))
    return np.concatenate(pieces).clip(-32_768, 32_767).astype("<i2")


def cut(audio: NDArray[np.int16], sizes: list[int]) -> Iterator[bytes]:
    at, number = 0, 0
    while at < len(audio):
        size = sizes[number % len(sizes)]
        yield audio[at : at + size].tobytes()
        at += size
        number += 1


def inside(session: Session) -> list[object]:
    """All that the parts of a lane know, once they have it back."""
    lane = session._lanes[0]
    lane._rouse()
    gate, framer, front_end = lane._gate, lane._framer, lane._front_end
    assert isinstance(gate, SpeechGate)
    audio = gate._audio
    known: list[object] = [gate._judged, gate._fed, audio.begin, audio.end, dict(vars(gate._segmenter), _options=0)]
    known += [audio.between(audio.begin, audio.end).tobytes() if audio.begin < audio.end else b""]
    if framer is not None:
        known += [framer._filled, framer._taken, framer._last_sample, framer._buffer[: framer._filled].tobytes()]
    if front_end is not None:
        parts = (front_end._tracker, front_end._offset, front_end._quality, front_end._gain)
        known += [front_end._clock, front_end._blocks, *(vars(part).copy() for part in parts if part is not None)]
    return known


def heard(
    values: dict[str, object], pieces: list[bytes], flush_at: int | None, look_every: int = 5
) -> tuple[list[Event], list[tuple[tuple[int, ...], bytes]], list[object]]:
    """Events, chunks with their audio, and behind some packets how far the session was and what it knew."""
    session = Session(SessionOptions.model_validate(values), SPEC)
    recogniser = ToyRecogniser()
    events: list[Event] = []
    chunks: list[tuple[tuple[int, ...], bytes]] = []
    states: list[object] = []

    def work() -> None:
        while (chunk := session.next_chunk()) is not None:
            place = (chunk.sequence, chunk.frames, chunk.start, chunk.last, chunk.lookahead, chunk.end)
            chunks.append((place, chunk.samples.tobytes()))
            session.receive_result(recogniser.step(chunk))
        events.extend(session.events())
        states.append(session.backlog_ms)

    for number, piece in enumerate(pieces):
        session.receive_audio(piece)
        work()
        if number % look_every == look_every - 1:
            states.append(inside(session))
        if number == flush_at:
            session.receive_flush()
            session.receive_options({"endpoint": {"silence_ms": 200}})
            work()
    session.receive_end()
    work()
    assert session.closed
    return events, chunks, states


def assert_the_same(values: dict[str, object], pieces: list[bytes], flush_at: int | None, look_every: int = 5) -> None:
    ours = heard(values, pieces, flush_at, look_every)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calm, "_take", None)
        theirs = heard(values, pieces, flush_at, look_every)
    assert ours[0] == theirs[0]
    assert [place for place, _ in ours[1]] == [place for place, _ in theirs[1]]
    assert ours[1] == theirs[1]
    assert ours[2] == theirs[2]


@settings(max_examples=80, deadline=None)
@given(parts, packets, options, st.none() | st.integers(0, 30), st.integers(1, 40))
def test_calm_changes_nothing(plan, sizes, values, flush_at, look_every):
    assert_the_same(values, list(cut(recorded(plan), sizes)), flush_at, look_every)


LEVELS = {
    "usual": (1.0, 32_767),
    "quiet": (0.03, 32_767),
    "very quiet": (0.004, 32_767),
    "loud": (6.0, 32_767),
    "just clipped": (1.5, 32_113),
    "hardly not": (1.5, 32_112),
}
"""Gain, and the largest magnitude."""


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("mode", [1, 3])
@pytest.mark.parametrize("min_speech_ms", [60, 100])
def test_so_in_minutes_of_speech(level, mode, min_speech_ms):
    """With noise, offsets below and above what is taken out, and silence."""
    rng = np.random.default_rng(mode)
    gain, most = LEVELS[level]
    pieces = []
    for number in range(10):
        at = int(rng.integers(0, 40_000))
        speech = np.roll(COMMANDS, at)[: int(rng.integers(20_000, 60_000))] * gain * rng.uniform(0.5, 1.5)
        pieces += [speech + rng.standard_normal(len(speech)) * 10 ** rng.uniform(-5, -2.5) + 0.0006 * number]
        pieces += [rng.standard_normal(int(rng.integers(0, 60_000))) * 1e-4 * (number % 3)]
    audio = (np.concatenate(pieces) * 32_768).clip(-most, most).astype("<i2")
    values = {"sample_rate": 16_000, "vad": {"mode": mode, "min_speech_ms": min_speech_ms}}
    for look_every in (1_000, 3):
        assert_the_same(values, list(cut(audio, [HOP])), None, look_every)


def test_a_library_of_other_sources_is_not_called(monkeypatch):
    class Longer(native.State):
        _fields_: ClassVar = [("more", ctypes.c_int64)]

    monkeypatch.setattr(native, "State", Longer)
    assert native.open_calm() is None


@pytest.mark.parametrize("size", [HOP, 320])
def test_most_of_speech_is_calm(monkeypatch, size):
    outcomes: list[int] = []
    take = calm.open_calm()
    assert take is not None

    def counted(state: object, samples: bytes, count: int) -> int:
        outcomes.append(take(state, samples, count))
        return outcomes[-1]

    monkeypatch.setattr(calm, "_take", counted)
    audio = (COMMANDS * 32_768).clip(-32_768, 32_767).astype("<i2")
    heard({"sample_rate": 16_000}, list(cut(audio, [size])), None)
    assert sum(outcome != Outcome.ROUSED for outcome in outcomes) * size > 0.6 * len(audio)
