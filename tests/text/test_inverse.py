"""Figures and signs for words, class by class, and the same when the words come one by one."""

from pathlib import Path

import pytest

from wavelane.events import Word
from wavelane.text.english.inverse import written
from wavelane.text.formatter import Formatter, Style
from wavelane.text.options import TextOptions

TABLE = Path(__file__).parents[1] / "data" / "text" / "written.txt"


def classes() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            found[line.strip("[]")] = []
        elif line and not line.startswith("#"):
            spoken, _, figures = line.partition(" | ")
            found[list(found)[-1]].append((spoken, figures))
    return found


CLASSES = classes()


def heard(text: str) -> list[Word]:
    return [
        Word(text=word, start=index * 4_000, end=index * 4_000 + 3_000, confidence=0.5)
        for index, word in enumerate(text.split())
    ]


@pytest.mark.parametrize("name", CLASSES)
def test_figures(name: str) -> None:
    assert [(spoken, written(spoken)) for spoken, _ in CLASSES[name]] == CLASSES[name]


@pytest.mark.parametrize("name", CLASSES)
def test_word_by_word(name: str) -> None:
    style = Style.of(TextOptions(itn=True), ("a",))
    assert style is not None
    lane = Formatter(style)
    for spoken, figures in CLASSES[name]:
        words = heard(spoken)
        stable = ""
        for count in range(1, len(words) + 1):
            shown = lane.partial(words[:count], count - 1)
            assert shown.text.startswith(stable)
            stable = shown.text[: shown.stable]
        (final,) = lane.final(words, cut=False)
        assert final.text == figures
        assert final.text.startswith(stable)
        assert final.words[0].start == words[0].start
        assert final.words[-1].end == words[-1].end


def test_there_are_enough() -> None:
    assert sum(map(len, CLASSES.values())) > 350


@pytest.mark.parametrize("text", ["one " * 200, "twenty " * 90, "a b " * 60, "five five five dot " * 40])
def test_an_endless_row_is_written_in_pieces(text: str) -> None:
    style = Style.of(TextOptions(itn=True), ("a",))
    assert style is not None
    lane = Formatter(style)
    words = heard(text)
    open_words = 0
    for count in range(1, len(words) + 1):
        shown = lane.partial(words[:count], count)
        open_words = max(open_words, sum(word.text == words[0].text for word in shown.words))
    (final,) = lane.final(words, cut=False)
    assert final.text == written(text)
    assert open_words <= 50
