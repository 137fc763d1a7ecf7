"""Sessions of a model whose word times are corrected."""

import itertools
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from support.toy import SPEC, Driver, EnergyDetector, linear16, speech, split
from wavelane.events import Final, SpeechStarted, Word
from wavelane.session.options import SessionOptions
from wavelane.session.session import Session
from wavelane.spec import WordTuning

TUNED = replace(
    SPEC,
    words=(
        WordTuning(head="ctc", lookahead=1, start=(3_000.0, 0.3), end=(1_000.0, 0.1)),
        WordTuning(head="ctc", lookahead=6, start=(9_000.0, 0.0), end=(5_000.0, 0.0), confidence=(-30.0, 0.0)),
    ),
)
plans = st.lists(
    st.tuples(st.floats(0.02, 1.2), st.sampled_from([0.0, 0.0, 0.03, 0.08, 0.13, 0.18, 0.23, 0.28])),
    min_size=1,
    max_size=10,
)


def session(lookahead: int | str, detect: bool) -> Session:
    options = SessionOptions.model_validate({"lookahead": lookahead, "endpoint": {"silence_ms": 200}})
    return Session(options, TUNED, detectors=lambda _: EnergyDetector() if detect else None)


def finals(driver: Driver) -> list[Final]:
    return [event for event in driver.end() if isinstance(event, Final)]


@settings(max_examples=40, deadline=None)
@given(plans, st.sampled_from([1, 6]), st.booleans(), st.lists(st.integers(0, 200_000), max_size=4))
def test_words_stay_in_order_over_utterances_at_any_split(
    plan: list[tuple[float, float]], lookahead: int, detect: bool, cuts: list[int]
) -> None:
    data = linear16(speech(plan))
    found = finals(Driver(session(lookahead, detect)).audio(data))
    words: list[Word] = [word for final in found for word in final.words]
    assert all(0 <= word.start <= word.end <= len(data) // 2 + 1_280 for word in words)
    assert all(word.end <= following.start for word, following in itertools.pairwise(words))
    for final in found:
        if final.words:
            assert (final.start, final.end) == (final.words[0].start, final.words[-1].end)
    again = finals(Driver(session(lookahead, detect), seed=3).audio(*split(data, cuts)))
    assert [final.words for final in again] == [final.words for final in found]


def test_the_correction_is_that_of_the_lookahead() -> None:
    data = linear16(speech([(0.5, 0.0), (0.4, 0.13), (0.5, 0.0)]))
    (short,) = (final for final in finals(Driver(session(1, False)).audio(data)) if final.words)
    (long,) = (final for final in finals(Driver(session(6, False)).audio(data)) if final.words)
    assert long.words[0].confidence == 0.0 < short.words[0].confidence


def test_no_word_begins_before_the_stream_that_it_is_in() -> None:
    log = Driver(session(6, True)).audio(linear16(speech([(1.0, 0.0), (0.6, 0.13), (0.8, 0.0)]))).end()
    onset = next(event.at for event in log if isinstance(event, SpeechStarted))
    first = next(event for event in log if isinstance(event, Final) and event.words).words[0]
    assert first.start >= onset - 16 * SessionOptions().vad.pre_roll_ms
