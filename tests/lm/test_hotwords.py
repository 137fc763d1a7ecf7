import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.graph import BackoffGraph
from wavelane.lm.hotwords import build_hotwords
from wavelane.lm.spelling import Speller

# Byte-pair numbering: longer pieces in the order of their merges, then letters.
PIECES = ("<unk>", "▁a", "▁b", "ab", "▁ab", *"▁abc")
SPELLER = Speller(PIECES)
WORDS = st.text("abc", min_size=1, max_size=3)
PHRASES = st.lists(st.tuples(st.lists(WORDS, min_size=1, max_size=3), st.sampled_from([0.25, 0.5, 1.0])), max_size=6)


def graph(*phrases: tuple[str, float]) -> BackoffGraph:
    built = build_hotwords(phrases, SPELLER, PIECES)
    built.check()
    return built


def spell(text: str) -> list[int]:
    spelling = SPELLER.spell(text)
    assert spelling is not None
    return list(spelling)


@settings(deadline=None)
@given(PHRASES, st.lists(WORDS, max_size=8))
def test_every_phrase_that_is_said_earns_its_boost_and_nothing_else_does(
    phrases: list[tuple[list[str], float]], said: list[str]
) -> None:
    boosts: dict[tuple[str, ...], float] = {}
    for words, boost in phrases:
        boosts[tuple(words)] = max(boosts.get(tuple(words), 0.0), boost)
    expected = sum(
        boost * len(spell(" ".join(words)))
        for words, boost in boosts.items()
        for at in range(len(said) - len(words) + 1)
        if tuple(said[at : at + len(words)]) == words
    )
    score = graph(*((" ".join(words), boost) for words, boost in phrases)).score(spell(" ".join(said)))
    assert score == pytest.approx(expected, abs=1e-4)


def test_a_boost_is_given_piece_by_piece_and_taken_back() -> None:
    built = graph(("ab ca", 1.0))
    first, second, *rest = spell("ab ca")
    state, weight = built.step(built.start, first)
    assert weight == 1
    onward, weight = built.step(state, second)
    assert weight == 1
    assert len(rest) == 2
    for other in ("b", "▁b"):
        assert built.step(onward, PIECES.index(other))[1] == pytest.approx(-2)
    assert built.final[onward] == pytest.approx(-2)


def test_a_word_that_goes_on_is_not_the_phrase() -> None:
    built = graph(("ab", 2.0))
    assert built.score(spell("ab")) == built.score(spell("ab b")) == 2
    assert built.score([*spell("ab"), PIECES.index("c")]) == 0


def test_other_spellings_earn_the_same_where_the_usual_one_is_a_guess() -> None:
    pieces = ("▁a", "▁abc", "b", "c", "▁", "a")  # "▁abc" is not made of two pieces: no byte-pair numbering
    built = build_hotwords([("abc", 1.5)], Speller(pieces), pieces)
    assert built.score([pieces.index("▁abc")]) == 1.5
    assert built.score([pieces.index(piece) for piece in ("▁a", "b", "c")]) == pytest.approx(1.5)


def test_a_phrase_is_spelled_in_the_case_that_the_model_writes() -> None:
    assert graph(("AB", 1.0)).score(spell("ab")) == 1
    pieces = ("▁A", "▁a", "▁", "A", "a")
    cased = build_hotwords([("aa", 1.0)], Speller(pieces), pieces)
    for text in ("aa", "Aa"):
        spelling = Speller(pieces).spell(text)
        assert spelling is not None
        assert cased.score(spelling) == 2


@pytest.mark.parametrize(
    ("phrase", "reason"), [("a añb", "no piece has 'ñ'"), (" ", "no words"), ("a" * 300, "too long")]
)
def test_a_phrase_that_cannot_be_spelled_is_named(phrase: str, reason: str) -> None:
    with pytest.raises(WavelaneError, match=reason) as caught:
        graph((phrase, 1.0))
    assert caught.value.code is ErrorCode.INVALID_CONFIG
    assert repr(phrase) in caught.value.message


def test_thousands_of_phrases_stay_small() -> None:
    words = ["".join(letters) for letters in itertools.product("abc", repeat=7)]
    rng = np.random.default_rng(0)
    phrases = [(word, float(rng.uniform(0.1, 10))) for word in words[:2000]]
    built = graph(*phrases)
    assert built.nbytes < 2_000_000
    assert built.score(spell(words[77])) > 0


def test_different_boosts_do_not_make_a_graph_larger_than_its_phrases() -> None:
    openers = [f"▁{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    pieces = (*openers, "▁", *"abcdefghijklmnopqrstuvwxyz")
    words = ["".join(letters) for letters in itertools.product("abcd", repeat=4)]
    phrases = [(word, 0.04 * (place + 1) / len(words)) for place, word in enumerate(words)]
    same = build_hotwords([(word, 0.04) for word in words], Speller(pieces), pieces)
    different = build_hotwords(phrases, Speller(pieces), pieces)
    assert different.arcs < same.arcs + 20 * len(pieces)
