import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.session.options import VadOptions
from wavelane.vad.segmenter import Segmenter, SegmenterOptions, SpeechOffset, SpeechOnset

FRAME = 320
OPTIONS = SegmenterOptions(on=0.5, off=0.35, min_speech=3 * FRAME, min_silence=5 * FRAME)


def run(pattern, options=OPTIONS):
    """Transitions of a pattern, in frames: ``#`` is speech, ``.`` silence, ``~`` between the thresholds."""
    segmenter = Segmenter(options, FRAME)
    changes = [segmenter.push({"#": 0.9, ".": 0.1, "~": 0.4}[symbol]) for symbol in pattern]
    return [(type(c), c.at // FRAME, c.found // FRAME) for c in changes if c is not None], segmenter


def test_speech_starts_at_its_first_frame_and_is_found_when_long_enough():
    changes, segmenter = run("..####")
    assert changes == [(SpeechOnset, 2, 5)]
    assert segmenter.speaking


def test_speech_stops_after_its_last_frame_and_is_found_when_silent_enough():
    changes, segmenter = run("####.......")
    assert changes == [(SpeechOnset, 0, 3), (SpeechOffset, 4, 9)]
    assert not segmenter.speaking
    assert segmenter.silence_run == 7 * FRAME


def test_short_noises_start_nothing_and_do_not_interrupt_silence():
    changes, segmenter = run("####.....##..#..##....")
    assert [kind for kind, _, _ in changes] == [SpeechOnset, SpeechOffset]
    assert segmenter.silence_run == 18 * FRAME
    assert segmenter.candidate is None


def test_one_silent_frame_does_not_end_a_candidate_two_do():
    assert run("##.#")[0] == [(SpeechOnset, 0, 4)]
    assert run("##..#")[0] == []


def test_short_pauses_stop_nothing():
    assert run("####....####....#")[0] == [(SpeechOnset, 0, 3)]


def test_between_the_thresholds_the_last_judgement_holds():
    assert run("###~~~~~~~~")[0] == [(SpeechOnset, 0, 3)]
    assert run("~~~~~~")[0] == []
    assert run("#~~")[0] == [(SpeechOnset, 0, 3)]
    assert run("###.~~~~")[0] == [(SpeechOnset, 0, 3), (SpeechOffset, 3, 8)]


def test_silence_stands_still_while_a_candidate_is_undecided():
    segmenter = run("####....")[1]
    assert segmenter.silence_run == 4 * FRAME
    segmenter = run(".....#")[1]
    assert segmenter.candidate == 5 * FRAME
    assert segmenter.silence_run == 5 * FRAME


def test_no_least_speech_starts_at_once():
    assert run("#", SegmenterOptions(min_speech=0))[0] == [(SpeechOnset, 0, 1)]


def test_options_of_a_session():
    options = SegmenterOptions.of(VadOptions(threshold=0.6, min_speech_ms=50, min_silence_ms=200))
    assert options == SegmenterOptions(on=0.6, off=pytest.approx(0.45), min_speech=800, min_silence=3_200)
    assert 0 < SegmenterOptions.of(VadOptions(threshold=0.05)).off < 0.05


@given(st.lists(st.floats(0, 1), max_size=200))
def test_onsets_and_offsets_alternate_and_keep_to_the_least_durations(probabilities):
    segmenter = Segmenter(OPTIONS, FRAME)
    at, speaking = 0, False
    for index, probability in enumerate(probabilities):
        change = segmenter.push(probability)
        assert segmenter.position == (index + 1) * FRAME
        assert 0 <= segmenter.silence_run <= segmenter.position
        if change is not None:
            assert isinstance(change, SpeechOffset if speaking else SpeechOnset)
            assert at <= change.at < change.found == segmenter.position
            assert change.found - change.at >= (OPTIONS.min_silence if speaking else OPTIONS.min_speech)
            at, speaking = change.at, not speaking
        assert segmenter.speaking == speaking


@given(
    st.lists(
        st.sampled_from([0.0, 0.2, 0.4, 0.5, 1.0]).flatmap(lambda p: st.lists(st.just(p), max_size=40)), max_size=12
    )
)
def test_skipping_what_changes_nothing_changes_nothing(runs: list[list[float]]) -> None:
    judgements = [probability for run in runs for probability in run]
    slow, quick = Segmenter(OPTIONS, FRAME), Segmenter(OPTIONS, FRAME)
    wanted = [(at, change) for at, p in enumerate(judgements) if (change := slow.push(p)) is not None]
    found = []
    at = 0
    while at < len(judgements):
        at += quick.skip(judgements[at:])
        if at < len(judgements):
            if (change := quick.push(judgements[at])) is not None:
                found.append((at, change))
            at += 1
    assert found == wanted
    assert vars(quick) == vars(slow)
