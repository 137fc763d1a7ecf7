"""A session does not change with its age: nothing in it grows, and no position overflows."""

import gc
import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

import numpy as np
import pytest

from support.toy import SPEC, EnergyDetector, ToyRecogniser, linear16, speech
from wavelane.audio.resample import Resampler
from wavelane.events import Closed, Event, Final, Flushed, Partial
from wavelane.session.gate import OpenGate, SpeechGate
from wavelane.session.lane import Lane
from wavelane.session.options import SessionOptions, parse_options
from wavelane.session.session import Session

CYCLE = linear16(speech([(0.9, 0.3), (0.35, 0.0), (1.2, 0.2), (1.55, 0.0)]))
"""4 s: two words of an utterance, and a pause that ends it."""
CYCLE_SAMPLES = 64_000
HOUR = 900
"""Cycles."""


def open_session(rate: int = 16_000, encoding: str = "linear16", vad: str = "webrtc") -> Session:
    # The toy's words are constants, which the front end would take for an offset.
    values = {"sample_rate": rate, "encoding": encoding, "vad": {"kind": vad}, "audio": {"remove_dc": False}}
    options = parse_options({**values, "lookahead": 1})
    return Session(options, SPEC, detectors=detectors)


def detectors(options: SessionOptions) -> EnergyDetector | None:
    return None if options.vad.kind == "off" else EnergyDetector()


def send(session: Session, toy: ToyRecogniser, data: bytes, size: int = 3_200) -> Iterator[Event]:
    for at in range(0, len(data), size):
        session.receive_audio(data[at : at + size])
        yield from answer(session, toy)


def answer(session: Session, toy: ToyRecogniser) -> Iterator[Event]:
    while (chunk := session.next_chunk()) is not None:
        session.receive_result(toy.step(chunk))
    yield from session.events()


def held(root: object) -> int:
    """Bytes that an object holds, with all that it refers to."""
    total, seen, left = 0, {id(SPEC)}, [root]
    while left:
        thing = left.pop()
        skipped = (type, ModuleType, FunctionType, BuiltinFunctionType, MethodType)
        if id(thing) in seen or isinstance(thing, skipped):
            continue
        seen.add(id(thing))
        total += sys.getsizeof(thing)
        left += gc.get_referents(thing)
    return total


@pytest.mark.parametrize(
    ("rate", "encoding", "vad", "cycles"),
    [(16_000, "linear16", "webrtc", HOUR), (16_000, "linear16", "off", HOUR), (8_000, "mulaw", "webrtc", HOUR // 4)],
)
def test_an_hour_leaves_nothing_behind(rate: int, encoding: str, vad: str, cycles: int):
    data = CYCLE
    if encoding == "mulaw":
        data = bytes(0x9F if value else 0xFF for value in np.frombuffer(CYCLE, "<i2")[::2])
    session, toy = open_session(rate, encoding, vad), ToyRecogniser()
    sizes = []
    finals: list[Final] = []
    count = 0
    for cycle in range(cycles):
        finals = [event for event in send(session, toy, data) if isinstance(event, Final)]
        count += len(finals)
        if cycle in (5, cycles - 1):
            sizes.append(held(session))
    # Integers take some bytes more as they grow.
    assert sizes[-1] <= sizes[0] + 512, "something grows with the stream"
    assert count >= cycles
    assert finals[-1].utterance == count - 1
    assert finals[0].words
    assert (cycles - 1) * CYCLE_SAMPLES <= finals[0].words[0].start < (cycles - 1) * CYCLE_SAMPLES + 3_200


def test_the_measure_of_what_is_held_sees_what_grows():
    session, toy = open_session(), ToyRecogniser()
    list(send(session, toy, CYCLE))
    before = held(session)
    session._lanes[0].recognition.flushed.extend(range(10**6, 10**6 + 50))
    assert held(session) > before + 512


def age(session: Session, by: int) -> None:
    """Make a session that much older (samples): every counter of its one lane stands where it would."""
    lane: Lane = session._lanes[0]
    session._decoder.pcm._position += by  # type: ignore[attr-defined]
    lane._taken += by
    lane._base += by
    lane._sent_to += by
    lane._sequence += by
    gate, recognition = lane._gate, lane.recognition
    if isinstance(gate, SpeechGate):
        for name in ("_judged", "_fed"):
            setattr(gate, name, getattr(gate, name) + by)
        gate._audio.begin += by
        gate._audio.end += by
        # The gate's positions count from the last flush, the detector's from there on.
        gate._origin += by // 2
        segmenter = gate._segmenter
        for name in ("position", "_candidate_end", "_speech_end"):
            setattr(segmenter, name, getattr(segmenter, name) + by - by // 2)
    else:
        assert isinstance(gate, OpenGate)
        gate.position += by
    for name in ("received", "processed", "_base", "_silent_since"):
        setattr(recognition, name, getattr(recognition, name) + by)
    recognition._count += by
    if (utterance := recognition._utterance) is not None:
        utterance.index += by
        for thing in (utterance, *utterance.builder._words):
            thing.start += by
        for word in utterance.builder._words:
            word.end += by


def moved(event: Event, by: int) -> Event:
    """The event, earlier by so many samples."""
    values = {name: getattr(event, name) for name in event.__slots__}
    for name in ("at", "start", "end", "processed", "received", "utterance"):
        if name in values:
            values[name] -= by
    if isinstance(event, Partial):
        values["words"] = tuple(moved(word, by) for word in event.words)  # type: ignore[arg-type]
    if isinstance(event, Final):
        best = event.alternatives[0]
        words = tuple(moved(word, by) for word in best.words)  # type: ignore[arg-type]
        values["alternatives"] = (type(best)(text=best.text, confidence=best.confidence, words=words),)
    return type(event)(**values)


@pytest.mark.parametrize("vad", ["webrtc", "off"])
@pytest.mark.parametrize("limit", [2**31, 2**32, 2**53])
def test_no_position_overflows(vad: str, limit: int):
    by = (limit - 100_000) // 1280 * 1280

    def run(age_by: int) -> list[Event]:
        session, toy = open_session(vad=vad), ToyRecogniser()
        events = list(send(session, toy, CYCLE + CYCLE[: len(CYCLE) // 8]))
        age(session, age_by)
        start = len(events)
        events += send(session, toy, CYCLE[len(CYCLE) // 8 :])
        session.receive_flush()
        events += answer(session, toy)
        events += send(session, toy, CYCLE)
        session.receive_end()
        events += answer(session, toy)
        return [moved(event, age_by) for event in events[start:]]

    young, old = run(0), run(by)
    assert old == young
    assert {Final, Partial, Flushed, Closed} <= {type(event) for event in old}
    assert max(final.end for final in old if isinstance(final, Final)) + by > limit


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_resampling_does_not_drift_past_any_limit(rate: int):
    def run(taken: int) -> list[int]:
        resampler = Resampler(rate)
        resampler._taken, resampler._given = taken, taken * 16_000 // rate
        counts = []
        for size in (1_000, 1, 4_410, 17):
            given = len(resampler.push(np.ones(size, np.float32))) + len(resampler.flush())
            counts.append(given)
        return counts

    # Multiples of the rate, so that input and output stand at the same moment.
    assert run(2**31 // rate * rate) == run(0) == run(2**53 // rate * rate) == run(2**63 // rate * rate)
