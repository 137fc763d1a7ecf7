"""A detector that runs elsewhere gives what the same detector gives in place, however late it answers."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from support.toy import SPEC, Driver, EnergyDetector, linear16, speech, split
from wavelane.events import Closed, Final, Flushed
from wavelane.session.options import SessionOptions
from wavelane.session.session import Session
from wavelane.vad.base import DeferredDetector
from wavelane.work import VadWork


class DeferredDriver(Driver):
    """Also answers for the detector, later or sooner."""

    def __init__(self, session: Session, seed: int) -> None:
        super().__init__(session, seed=seed)
        self._windows: list[VadWork] = []
        self._dice = random.Random(seed)

    def pump(self, *, everything: bool = False) -> None:
        while True:
            while (work := self.session.next_windows()) is not None:
                self._windows.append(work)
            if not self._windows or (not everything and self._dice.random() < 0.5):
                break
            work = self._windows.pop(0)
            detector = EnergyDetector()
            self.session.receive_judgements(work.lane, detector.push(work.windows.reshape(-1)))
        super().pump(everything=everything)
        if everything and not self.session.closed:
            self.pump(everything=True)


def deferred(_: SessionOptions) -> DeferredDetector:
    return DeferredDetector(EnergyDetector.frame_samples)


plans = st.lists(st.tuples(st.floats(0.02, 1.0), st.sampled_from([0.0, 0.0, 0.08, 0.13, 0.18])), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(st.lists(plans, min_size=1, max_size=3), st.lists(st.integers(0, 100_000), max_size=6), st.integers(0, 2**16))
def test_finals_do_not_depend_on_when_the_detector_answers(
    parts: list[list[tuple[float, float]]], cuts: list[int], seed: int
) -> None:
    inline = Driver(Session(SessionOptions(lookahead=0), SPEC, detectors=lambda _: EnergyDetector()))
    late = DeferredDriver(Session(SessionOptions(lookahead=0), SPEC, detectors=deferred), seed)
    for part in parts:
        data = linear16(speech(part))
        inline.audio(data).flush()
        late.audio(*split(data, cuts)).flush()
    expected = [event for event in inline.end() if isinstance(event, (Flushed, Closed))]
    got = late.end()
    assert [event for event in got if isinstance(event, (Flushed, Closed))] == expected
    for driver in (inline, late):
        assert driver.session.closed
    finals = [
        [(event.text, event.words, event.start, event.end, event.reason) for event in log if isinstance(event, Final)]
        for log in (inline.log, late.log)
    ]
    assert finals[0] == finals[1]


def test_an_end_waits_for_the_judgement_of_the_audio_before_it() -> None:
    session = Session(SessionOptions(), SPEC, detectors=deferred)
    session.receive_audio(linear16(np.zeros(3_200, np.float32)))
    session.receive_end()
    assert not session.closed
    work = session.next_windows()
    assert work is not None
    assert (work.windows.shape, work.fresh) == ((10, 320), True)
    session.receive_judgements(0, np.zeros(10, np.float32))
    assert session.events() == [Closed(received=3_200)]
