"""Transcripts as text, JSON lines, SRT and VTT."""

import json
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.events import Alternative, Final, Word
from wavelane_client.formats import CUE_SECONDS, LINE_CHARACTERS, cues, to_json_line, to_srt, to_text, to_vtt, wrap
from wavelane_client.messages import decode


def make(text: str, start: int, step: int = 8000, words: bool = True, channel: int = 0) -> Final:
    parts = text.split()
    timed = tuple(
        Word(text=part, start=start + i * step, end=start + (i + 1) * step, confidence=0.9)
        for i, part in enumerate(parts)
    )
    return Final(
        channel=channel,
        utterance=0,
        alternatives=(Alternative(text=text, confidence=0.9, words=timed if words else ()),),
        start=start,
        end=start + len(parts) * step,
        processed=start + len(parts) * step,
        lag_ms=0,
        reason="silence",
    )


def test_text_leaves_empty_utterances_out():
    assert to_text([make("go left", 0), make("", 5), make("stop", 40_000)]) == "go left\nstop\n"
    assert to_text([]) == ""


def test_srt():
    finals = [make("later", 3_600 * 16_000 + 16), make("go <left> & right", 8_000)]
    assert to_srt(finals) == (
        "1\n00:00:00,500 --> 00:00:02,500\ngo <left> & right\n\n2\n01:00:00,001 --> 01:00:01,001\nlater\n"
    )


def test_vtt_escapes():
    assert to_vtt([make("a --> <b> & c", 8_000)]) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:03.000\na --&gt; &lt;b&gt; &amp; c\n"
    )
    assert to_vtt([]) == "WEBVTT\n"


def test_without_words_the_utterance_is_one_cue():
    assert to_srt([make("go left", 16_000, words=False)]) == "1\n00:00:01,000 --> 00:00:02,000\ngo left\n"


def test_a_cue_of_no_length_still_shows():
    finals = [make("go", 16_000, step=0), make("left", 16_000, step=0)]
    assert "00:00:01,000 --> 00:00:01,001" in to_srt(finals)


def test_a_short_cue_is_held_until_it_is_read_or_the_next_one_comes():
    finals = [make("go", 0, step=4_000), make("left", 12_000, step=4_000), make("five", 64_000, step=32_000)]
    assert [(cue.start, cue.end) for cue in cues(finals)] == [(0, 12_000), (12_000, 28_000), (64_000, 96_000)]


@pytest.mark.parametrize("words", [True, False])
def test_channels_are_told_apart_where_wanted(words):
    finals = [make("hello", 0, channel=0, words=words), make("hi", 16_000, channel=1, words=words)]
    assert to_text(finals, label_channels=True) == "[0] hello\n[1] hi\n"
    assert "[1] hi\n" in to_srt(finals, label_channels=True)
    assert "[0] hello\n" in to_vtt(finals, label_channels=True)


def test_json_lines_carry_the_protocols_objects():
    event = make("schön", 0)
    line = to_json_line(event, file="a.wav")
    assert "\n" not in line
    assert "schön" in line
    value = json.loads(line)
    assert value.pop("file") == "a.wav"
    assert decode(value) == event


@given(
    st.lists(
        st.tuples(
            st.lists(st.text("abcdefgh", min_size=1, max_size=12), min_size=1, max_size=60), st.integers(0, 10**6)
        ),
        max_size=4,
    ),
    st.integers(0, 30_000),
    st.booleans(),
)
def test_cues_keep_every_word_in_order_and_fit(utterances, step, words):
    finals = []
    at = 0
    for parts, gap in utterances:
        finals.append(make(" ".join(parts), at + gap, step, words))
        at = finals[-1].end
    result = list(cues(finals))
    assert " ".join(" ".join(cue.lines) for cue in result) == " ".join(final.text for final in finals)
    for cue in result:
        assert all(len(line) <= LINE_CHARACTERS for line in cue.lines)
        if words:
            assert len(cue.lines) <= 2
            assert cue.end - cue.start <= max(CUE_SECONDS * 16_000, step)
    assert all(one.end <= other.start or one.end == one.start for one, other in pairwise(result))
    assert [cue.start for cue in result] == sorted(cue.start for cue in result)
    times = re.findall(r"(\d+):(\d\d):(\d\d),(\d\d\d)", to_srt(finals))
    assert len(times) == 2 * len(result)


def test_a_word_longer_than_a_line_stands_alone():
    assert wrap(["a", "b" * 50, "c"]) == ["a", "b" * 50, "c"]


@pytest.mark.parametrize(
    ("ticks", "shown"), [(15_999, "00:00:01,000"), (16_007, "00:00:01,000"), (959_999, "00:01:00,000")]
)
def test_times_are_rounded_to_milliseconds_and_carry(ticks, shown):
    assert f"{shown} -->" in to_srt([make("x", ticks)])
