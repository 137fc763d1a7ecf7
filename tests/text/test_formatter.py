"""Formatting word by word is formatting the whole, and what is stable stays."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.events import Word
from wavelane.text.formatter import Formatted, Formatter, Style
from wavelane.text.options import TextOptions

VOCABULARY = ("\u2581a", "b")
ALL = TextOptions(itn=True, punctuation=True, capitals=True, profanity="mask", verbatim=False)
PHRASES = {"wave lane": "Wavelane", "twenty one pilots": "Twenty One Pilots", "you know": ""}


def heard(text: str, *, pauses: dict[int, int] | None = None) -> list[Word]:
    """Words of 0.3 s each; ``pauses`` says what is before some (ms)."""
    words, at = [], 0
    for index, token in enumerate(text.split()):
        at += 16 * (pauses or {}).get(index, 0)
        words.append(Word(text=token, start=at, end=at + 4_800, confidence=round(0.5 + 0.01 * (index % 50), 4)))
        at += 4_800
    return words


def formatter(options: TextOptions, vocabulary: tuple[str, ...] = VOCABULARY) -> Formatter:
    style = Style.of(options, vocabulary)
    assert style is not None
    return Formatter(style)


def whole(words: list[Word], options: TextOptions, vocabulary: tuple[str, ...] = VOCABULARY) -> Formatted:
    return formatter(options, vocabulary).final(words, cut=False)[0]


def stream(words: list[Word], options: TextOptions, seed: int) -> list[Formatted]:
    """Partials after each word, some of their last words not yet what they will be, and the final."""
    dice = random.Random(seed)
    lane = formatter(options)
    shown = []
    for count in range(1, len(words) + 1):
        now = words[:count]
        closed = max(0, count - 1 - dice.choice((0, 0, 0, 1, 3)))
        for index in range(closed, count):
            text = dice.choice((now[index].text, now[index].text[:2], "twenty", "the"))
            now[index] = Word(text=text, start=now[index].start, end=now[index].end, confidence=0.5)
        shown.append(lane.partial(now, closed))
    return [*shown, lane.final(words, cut=False)[0]]


SAID = """
the the a i um uh one two three five ten twenty twenty thirty hundred thousand million and point oh o dollars
cents percent at dot com gmail john smith may march fifth first of july nineteen eighty four p m u s b quarter
half past to kilometers per hour main street double minus plus wave lane you know room pilots second is what how
fuck. five, hello. thousand a
"""
TOKENS = st.sampled_from(SAID.split())


@given(st.lists(TOKENS, max_size=25), st.lists(st.integers(0, 1500), max_size=25), st.integers(0, 2**16))
def test_word_by_word_is_the_whole(tokens: list[str], pauses: list[int], seed: int) -> None:
    words = heard(" ".join(tokens), pauses=dict(enumerate(pauses)))
    options = ALL.model_copy(update={"replace": PHRASES})
    *partials, final = stream(words, options, seed)
    assert final == whole(words, options)
    stable = ""
    for shown in [*partials, final]:
        assert shown.text.startswith(stable)
        assert len(stable) <= shown.stable <= len(shown.text)
        stable = shown.text[: shown.stable]
        assert shown.text == " ".join(word.text for word in shown.words)
        starts = [word.start for word in shown.words]
        assert starts == sorted(starts)
        assert all(left.end <= right.start for left, right in zip(shown.words, shown.words[1:], strict=False))
        assert all(word.start < word.end and 0.0 < word.confidence <= 1.0 for word in shown.words)
    assert final.stable == len(final.text)


def test_a_number_stays_open_until_it_cannot_grow() -> None:
    lane = formatter(TextOptions(itn=True))
    words = heard("i paid twenty five dollars for it")
    shown = [lane.partial(words[:count], count - 1) for count in range(1, 8)]
    assert [partial.text for partial in shown] == [
        "i",
        "i paid",
        "i paid twenty",
        "i paid twenty five",
        "i paid twenty five dollars",
        "i paid twenty five dollars for",
        "i paid $25 for it",
    ]
    assert [partial.text[: partial.stable] for partial in shown] == [
        "",
        "",
        "i",
        "i paid",
        "i paid",
        "i paid",
        "i paid $25",
    ]
    (final,) = lane.final(words, cut=False)
    assert final.words[2] == Word(
        text="$25", start=words[2].start, end=words[4].end, confidence=round(0.52 * 0.53 * 0.54, 4)
    )


def test_nothing_asked_for_is_nothing_done() -> None:
    assert Style.of(TextOptions(), VOCABULARY) is None
    assert not TextOptions().active


@pytest.mark.parametrize(
    ("options", "said", "written"),
    [
        (TextOptions(verbatim=False), "um i i think the the cat uh sat", "i think the cat sat"),
        (TextOptions(verbatim=False), "that that is very very good", "that that is very very good"),
        (TextOptions(profanity="mask"), "what the fuck, scunthorpe bullshit.", "what the f***, scunthorpe b*******."),
        (TextOptions(replace=PHRASES), "Wave Lane. you know twenty one pilots", "Wavelane. Twenty One Pilots"),
        (TextOptions(itn=True, replace=PHRASES), "twenty one pilots are twenty one", "Twenty One Pilots are 21"),
        (TextOptions(itn=True), "Twenty, five. ten", "20, five. 10"),
        (TextOptions(itn=True, replace={"five one": "V I"}), "two two five one two two two", "two two V I 222"),
        (TextOptions(itn=True), "five hundred, people", "500, people"),
        (TextOptions(verbatim=False, itn=True), "twenty um five", "25"),
        (TextOptions(verbatim=False), "Yes. Um, the the cat. I I see", "Yes. The cat. I see"),
        (TextOptions(itn=True), "Call at five p.m. on May fifth, please.", "Call at 5 PM on May 5, please."),
        (TextOptions(itn=True), "It is twenty five. Mr. Smith is Mr. Ten.", "It is 25. Mr. Smith is Mr. 10."),
        (TextOptions(verbatim=False, replace={"new york": "NYC"}), "new uh york", "NYC"),
    ],
)
def test_options(options: TextOptions, said: str, written: str) -> None:
    assert whole(heard(said), options).text == written


def test_alternatives_are_written_too() -> None:
    lane = formatter(TextOptions(itn=True))
    best, other = lane.final(heard("twenty five"), [heard("plenty five")], cut=False)
    assert (best.text, other.text) == ("25", "plenty five")
