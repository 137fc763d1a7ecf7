"""Marks and capitals by the words, by pauses, and at the end of an utterance."""

import pytest

from wavelane.events import Word
from wavelane.text.formatter import Formatter, Style
from wavelane.text.options import TextOptions

BOTH = TextOptions(punctuation=True, capitals=True)
PLAIN, WITH_MARKS, WITH_BOTH = ("\u2581a", "b"), ("\u2581a", "."), ("\u2581A", "\u2581a", ".", "?")


def heard(text: str, pause_at: int = -1, pause_ms: int = 0) -> list[Word]:
    words, at = [], 0
    for index, word in enumerate(text.split()):
        at += 16 * (pause_ms if index == pause_at else 360)
        words.append(Word(text=word, start=at, end=at + 4_000, confidence=0.5))
        at += 4_000
    return words


def lane(options: TextOptions = BOTH, vocabulary: tuple[str, ...] = PLAIN) -> Formatter:
    style = Style.of(options, vocabulary)
    assert style is not None
    return Formatter(style)


def write(text: str, **pause: int) -> str:
    return lane().final(heard(text, **pause), cut=False)[0].text


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("what is your name", "What is your name?"),
        ("can i have a large coffee", "Can I have a large coffee?"),
        ("he lives in london with mary", "He lives in London with Mary."),
        ("i think i'm late", "I think I'm late."),
        ("where do you want to go", "Where do you want to go?"),
        ("yes please", "Yes, please."),
        ("see you on monday in paris", "See you on Monday in Paris."),
        ("england's queen", "England's queen."),
        ("", ""),
    ],
)
def test_sentences(said: str, written: str) -> None:
    assert write(said) == written


def test_a_pause_ends_a_sentence() -> None:
    said = "turn on the light turn off the radio"
    assert write(said, pause_at=4, pause_ms=1_200) == "Turn on the light. Turn off the radio."
    assert write(said).count(".") == 1


def test_words_that_follow_at_once_have_no_mark_between_them() -> None:
    said = "yes please turn on the light"
    quick = [
        Word(text=word, start=4_000 * i, end=4_000 * (i + 1), confidence=0.5) for i, word in enumerate(said.split())
    ]
    assert lane().final(quick, cut=False)[0].text == "Yes please turn on the light."


def test_what_is_cut_goes_on() -> None:
    formatter = lane()
    (first,) = formatter.final(heard("we were walking along the"), cut=True)
    (second,) = formatter.final(heard("river when it rained"), cut=False)
    (third,) = formatter.final(heard("so we went home"), cut=False)
    assert first.text == "We were walking along the"
    assert second.text[0] == "r"
    assert second.text[-1] == "."
    assert third.text[0] == "S"


@pytest.mark.parametrize(
    ("vocabulary", "said", "written"),
    [
        (WITH_BOTH, "Hello. are you there", "Hello. are you there"),
        (WITH_MARKS, "hello. are you there?", "Hello. Are you there?"),
    ],
)
def test_what_the_model_writes_itself_stays(vocabulary: tuple[str, ...], said: str, written: str) -> None:
    assert lane(vocabulary=vocabulary).final(heard(said), cut=False)[0].text == written


def test_figures_and_marks_together() -> None:
    options = BOTH.model_copy(update={"itn": True, "verbatim": False})
    formatter = lane(options)
    words = heard("um i would like two large lattes for ten dollars and fifty cents at five p m")
    (final,) = formatter.final(words, cut=False)
    assert final.text == "I would like two large lattes for $10.50 at 5 PM."
    assert [word.text for word in final.words][-3:] == ["at", "5", "PM."]
    assert final.words[-1].end == words[-1].end


def test_the_last_word_has_no_second_full_stop() -> None:
    (final,) = lane().final(heard("he is gone."), cut=False)
    assert final.text == "He is gone."
