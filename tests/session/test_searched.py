"""The design page's promises where a beam search may still change its mind: any split, any delay, any cut."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.toy import SPEC, VOCABULARY, Driver, EnergyDetector, ToySearcher, linear16, speech, split
from wavelane.decode.words import OPENER
from wavelane.events import Event, Final, Flushed, Partial
from wavelane.native.searching import missing_search
from wavelane.session.options import SessionOptions, decoding_of
from wavelane.session.session import Session
from wavelane.session.utterance import Utterance
from wavelane.work import Decoding, Hypothesis, StepResult, Token

pytestmark = pytest.mark.skipif(missing_search() is not None, reason=str(missing_search()))
SEARCHED = dataclasses.replace(SPEC, max_beam=8)

plans = st.lists(
    st.tuples(st.floats(0.02, 1.2), st.sampled_from([0.0, 0.0, 0.03, 0.08, 0.13, 0.18, 0.23, 0.28])),
    min_size=1,
    max_size=10,
)
options = st.fixed_dictionaries(
    {
        "lookahead": st.sampled_from([0, 1, 6, 13]),
        "decoding": st.sampled_from([{"method": "beam", "beam": beam} for beam in (2, 4, 8)]),
        "alternatives": st.integers(1, 2),
        "endpoint": st.fixed_dictionaries(
            {
                "silence_ms": st.sampled_from([100, 300, 600]),
                "no_text_ms": st.sampled_from([300, 1_000]),
                "max_utterance_ms": st.sampled_from([1_000, 30_000]),
                "enabled": st.sampled_from([True, True, False]),
            }
        ),
    }
)


def driver(values: dict[str, object], detect: bool, seed: int | None = None) -> Driver:
    session = Session(
        SessionOptions.model_validate(values), SEARCHED, detectors=lambda _: EnergyDetector() if detect else None
    )
    return Driver(session, seed=seed, toy=ToySearcher(SEARCHED))


def finals(log: list[Event]) -> list[tuple[object, ...]]:
    return [
        (event.utterance, event.alternatives, event.start, event.end, event.reason)
        for event in log
        if isinstance(event, Final)
    ]


@settings(max_examples=50, deadline=None)
@given(plans, options, st.booleans(), st.lists(st.integers(0, 200_000), max_size=8), st.integers(0, 2**16))
def test_any_split_and_any_delay_give_the_same_finals(
    plan: list[tuple[float, float]], values: dict[str, object], detect: bool, cuts: list[int], seed: int
) -> None:
    data = linear16(speech(plan))
    whole = driver(values, detect).audio(data).end()
    pieces = driver(values, detect, seed).audio(*split(data, cuts)).end()
    assert finals(whole) == finals(pieces)


@settings(max_examples=80, deadline=None)
@given(st.lists(plans, min_size=1, max_size=3), options, st.booleans(), st.integers(0, 2**16))
def test_nothing_is_lost_nor_doubled_and_what_is_stable_stays(
    parts: list[list[tuple[float, float]]], values: dict[str, object], detect: bool, seed: int
) -> None:
    drive = driver(values, detect, seed)
    for part in parts:
        drive.audio(linear16(speech(part))).flush()
    log = drive.end()
    assert sum(isinstance(event, Flushed) for event in log) == len(parts)
    stable: dict[int, str] = {}
    done: list[int] = []
    letters = ""
    for event in log:
        if isinstance(event, Partial):
            assert event.utterance not in done
            assert event.text.startswith(stable.get(event.utterance, ""))
            stable[event.utterance] = event.text[: event.stable]
        elif isinstance(event, Final):
            assert event.text.startswith(stable.pop(event.utterance, ""))
            done.append(event.utterance)
            letters += event.text.replace(" ", "")
            starts = [word.start for word in event.words]
            assert starts == sorted(starts)
            texts = [alternative.text for alternative in event.alternatives]
            assert len(set(texts)) == len(texts) <= values["alternatives"]  # type: ignore[operator]
            scores = [alternative.score for alternative in event.alternatives if alternative.score is not None]
            assert scores == sorted(scores, reverse=True)
            assert len(scores) in (0, len(texts))
    assert stable == {}
    assert done == list(range(len(done)))
    assert isinstance(drive.toy, ToySearcher)
    assert letters == "".join(VOCABULARY[token.id].removeprefix(OPENER) for token in drive.toy.said)


def test_partials_show_what_may_still_change() -> None:
    drive = driver({"lookahead": 0, "decoding": {"method": "beam", "beam": 8}}, False)
    log = drive.audio(linear16(speech([(0.4, 0.08), (0.4, 0.13), (0.3, 0.0)]))).end()
    partials = [event for event in log if isinstance(event, Partial)]
    assert any(event.stable < len(event.text) for event in partials)
    assert next(event.text for event in log if isinstance(event, Final)).startswith("two")


def token(index: int, frame: int) -> Token:
    return Token(id=index, frame=frame, confidence=0.5)


def ways(*texts: tuple[tuple[int, ...], float]) -> tuple[Hypothesis, ...]:
    return tuple(Hypothesis(tokens=tuple(token(index, 9) for index in pieces), score=score) for pieces, score in texts)


def test_the_best_ways_of_two_segments_are_the_best_of_their_combinations() -> None:
    utterance = Utterance(0, 0, SPEC, most=4)
    utterance.add(token(0, 1), 0)
    utterance.add(token(1, 9), 0)
    utterance.settle(ways(((1,), -1.0), ((2,), -3.0)), 0)
    utterance.add(token(3, 20), 0)
    utterance.settle(ways(((3,), -2.0), ((3, 4), -2.5), ((), -9.0)), 0)
    assert utterance.builder.text == "one two fo"
    assert utterance.score == -3.0
    assert [(builder.text, score) for builder, score in utterance.others()] == [
        ("one two four", -3.5),
        ("one three fo", -5.0),
        ("one three four", -5.5),
    ]


def test_ways_that_read_the_same_are_one() -> None:
    utterance = Utterance(0, 0, SPEC, most=4)
    utterance.add(token(0, 9), 0)
    utterance.settle(ways(((0,), -1.0), ((0, 7), -2.0), ((1,), -3.0)), 0)
    assert [builder.text for builder, _ in utterance.others()] == ["two"]


def test_a_part_of_a_segment_has_no_score() -> None:
    utterance = Utterance(0, 0, SPEC, most=4)
    utterance.add(token(0, 9), 0)
    assert utterance.score is None
    utterance.settle(ways(((0,), -1.0)), 0)
    assert utterance.score == -1.0
    utterance.add(token(1, 12), 0)
    assert utterance.score is None
    rest = Utterance(1, 0, SPEC, within=True)
    rest.add(token(0, 9), 0)
    rest.settle(ways(((0,), -1.0)), 0)
    assert rest.score is None


def test_what_was_expected_stands_when_a_stream_ends_without_a_last_chunk() -> None:
    session = Session(SessionOptions(lookahead=0), SEARCHED, detectors=lambda _: None)
    session.receive_audio(linear16(speech([(1.0, 0.1)])))
    while (chunk := session.next_chunk()) is not None:
        session.receive_result(
            StepResult(
                lane=0, sequence=chunk.sequence, tokens=(), frames=1, last=False, tentative=(token(0, 2), token(1, 5))
            )
        )
    session.receive_end()
    while (chunk := session.next_chunk()) is not None:
        session.receive_result(
            StepResult(
                lane=0, sequence=chunk.sequence, tokens=(), frames=1, last=False, tentative=(token(0, 2), token(1, 5))
            )
        )
    assert [event.text for event in session.events() if isinstance(event, Final)] == ["one two"]


def test_the_search_settles_within_the_silence_that_ends_an_utterance() -> None:
    def settle(silence_ms: int) -> int:
        values = {"decoding": {"method": "beam", "beam": 4}, "endpoint": {"silence_ms": silence_ms}}
        decoding = decoding_of(Session(SessionOptions.model_validate(values), SEARCHED).options, SEARCHED)
        assert isinstance(decoding, Decoding)
        return decoding.settle

    assert [settle(milliseconds) for milliseconds in (100, 300, 600, 5_000)] == [2, 3, 7, 8]
