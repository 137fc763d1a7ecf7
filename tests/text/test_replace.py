"""Replacement of phrases: word-bounded, whatever the capitals, the longest first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.text.replace import MAX_PHRASES, MAX_WORDS, Match, Replacements, check, key_of

PHRASES = {
    "wave lane": "Wavelane",
    "new york": "NYC",
    "New York City Hall": "City Hall (NY)",
    "you know": "",
    "cat": "dog",
    "dog": "horse",
}


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("i use wave lane daily", "i use Wavelane daily"),
        ("Wave Lane, please", "Wavelane please"),
        ("wave lanes", "wave lanes"),
        ("shortwave lane", "shortwave lane"),
        ("in new york city", "in NYC city"),
        ("in new york city hall", "in City Hall (NY)"),
        ("new new york", "new NYC"),
        ("it is you know fine", "it is fine"),
        ("cat and dog", "dog and horse"),
        ("", ""),
    ],
)
def test_phrases_are_replaced(said: str, written: str) -> None:
    assert Replacements(PHRASES).apply(said) == written


def test_it_says_how_far_it_looked() -> None:
    table = Replacements(PHRASES)
    assert table.match(["new", "york"], 0) == Match(2, "NYC", 3)
    assert table.match(["new", "york", "city", "park"], 0) == Match(2, "NYC", 4)
    assert table.match(["new", "york", "city", "hall"], 0) == Match(4, "City Hall (NY)", 4)
    assert table.match(["old"], 0) == Match(0, "", 1)
    assert table.match(["new"], 0) == Match(0, "", 2)
    assert not Replacements({})


@pytest.mark.parametrize(
    ("phrases", "said"),
    [
        ({"...": "x"}, "has no word"),
        ({"a b": "x", "A  b.": "y"}, "the same words"),
        ({" ".join("a" * (MAX_WORDS + 1)): "x"}, f"at most {MAX_WORDS} words"),
        ({"a": "x" * 201}, "200 characters"),
        ({"a": "x\ny"}, "one line"),
        ({str(index): "x" for index in range(MAX_PHRASES + 1)}, f"the {MAX_PHRASES} that a session may have"),
    ],
)
def test_what_cannot_be_replaced_is_refused(phrases: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check(phrases)


WORDS = st.sampled_from(["a", "b", "c", "d"])


@given(st.dictionaries(st.lists(WORDS, min_size=1, max_size=4).map(" ".join), WORDS, max_size=6), st.lists(WORDS))
def test_a_match_that_looked_at_known_words_only_stays(phrases: dict[str, str], words: list[str]) -> None:
    table = Replacements(phrases)
    keys = [key_of(word) for word in words]
    for at in range(len(keys)):
        whole = table.match(keys, at)
        for known in range(at, len(keys) + 1):
            part = table.match(keys[:known], at)
            if at + part.looked <= known:
                assert part == whole
